"""Event stream frames, read by the decoder of AWS's SDK for Python."""

from __future__ import annotations

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer  # type: ignore[import-not-found,import-untyped,unused-ignore]
from hypothesis import example
from hypothesis import strategies as st
from lambda_emulator.servers import event_stream

from conformance.fuzz.mutations import pieces, split
from conformance.fuzz.properties import holds_for

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
VALUES = st.text(st.characters(codec="utf-8"), max_size=60)


def decode(parts: list[bytes]) -> list[Any]:
    decoder = EventStreamBuffer()
    events = []
    for part in parts:
        decoder.add_data(part)
        events += list(decoder)
    return events


@holds_for(
    st.lists(st.tuples(st.dictionaries(NAMES, VALUES, max_size=3), st.binary(max_size=100)), max_size=4),
    pieces(),
)
@example([({"n" * 255: "x" * 32767}, b"")], [7])
def test_frames_arrive_as_they_were_encoded(
    frames: list[tuple[dict[str, str], bytes]], cuts: list[int]
) -> None:
    data = b"".join(event_stream.encode_frame(headers, payload) for headers, payload in frames)
    assert [(event.headers, event.payload) for event in decode(split(data, cuts))] == frames


@holds_for(st.lists(st.binary(max_size=200), max_size=5), st.text(), st.text(), st.text(), pieces())
def test_a_stream_of_chunks_ends_with_its_error(
    chunks: list[bytes], code: str, details: str, log: str, cuts: list[int]
) -> None:
    data = b"".join(map(event_stream.payload_chunk, chunks)) + event_stream.invoke_complete(
        code, details, log
    )
    *events, last = decode(split(data, cuts))
    assert [event.payload for event in events] == chunks
    members = {"ErrorCode": code, "ErrorDetails": details, "LogResult": log}
    assert json.loads(last.payload) == {name: value for name, value in members.items() if value}
    assert last.headers[":event-type"] == "InvokeComplete"

"""Descriptions of exceptions whose classes raise or lie."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from lambda_runtime import diagnostics, process_exit

from conformance.fuzz import hostile
from conformance.fuzz.properties import holds_for

CHAINS = st.lists(hostile.exceptions(), min_size=1, max_size=3)
LINKS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["__cause__", "__context__"]), st.integers(0, 2)), max_size=3
)
LIES = st.sampled_from(hostile.LIES)
FEW = st.integers(0, 5)


@st.composite
def errors(draw: st.DrawFn) -> hostile.Box:
    """A hostile exception, perhaps with causes, contexts and notes, perhaps in a circle or in a group."""
    chain = [box.value for box in draw(CHAINS)]
    for one, name, other in draw(LINKS):
        BaseException.__dict__[name].__set__(chain[one % len(chain)], chain[other % len(chain)])
    if draw(FEW) == 0:
        BaseException.__dict__["__dict__"].__get__(chain[0])["__notes__"] = draw(LIES)()
    if draw(FEW) == 0:
        try:
            return hostile.Box(hostile.GROUP(hostile.MESSAGE, chain))
        except BaseException:
            pass  # Python asks the members something
    return hostile.Box(chain[0])


@holds_for(errors())
def test_every_exception_keeps_its_type_its_message_and_its_trace(box: hostile.Box) -> None:
    error = box.value
    try:
        raise error
    except BaseException as caught:
        if caught is not error:
            return  # Python itself asked the class, for example for __instancecheck__
        diagnostic = diagnostics.describe(caught)
        status = process_exit.exit_status(caught)
    kind = type(error)
    assert diagnostic.error_type == diagnostics._plain(type.__dict__["__name__"].__get__(kind))
    assert "raise error" in diagnostic.stack_trace[-1]
    is_exit = type.__subclasscheck__(SystemExit, kind)
    if "__str__" not in type.__dict__["__dict__"].__get__(kind):
        # str() of these reads attributes that the class may have overridden.
        assert is_exit or hostile.MESSAGE in diagnostic.message or "__class__" in diagnostic.message, (
            diagnostic.message
        )
    assert type(diagnostic.message) is str
    assert 0 <= status <= 1 or is_exit
    payload = diagnostic.payload("id")
    assert json.loads(payload)["stackTrace"]
    assert len(payload) <= diagnostics.PAYLOAD_LIMIT_BYTES
    assert json.loads(diagnostic.xray_cause())["exceptions"]
    assert all(type(line) is str for line in diagnostic.lines())
    assert diagnostic.header_type.isascii()

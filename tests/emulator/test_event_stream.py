"""InvokeWithResponseStream as AWS's SDKs call it: the bytes of the frames, and when each one arrives."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import struct
import unittest
import zlib

from lambda_emulator.servers.event_stream import encode_frame, invoke_complete, payload_chunk
from lambda_emulator.servers.invoke_api import InvokeApi

from tests.emulator.test_emulator_streaming import StreamingTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Tuple

    Frame = Tuple[Dict[str, str], bytes]

# Verified with zlib and with boto3.
CHUNK_HI = (
    "0000006c0000005ab25efdcf0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000c"
    "5061796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d7374"
    "7265616d6869314138e4"
)
COMPLETE = (
    "00000066000000541f56c8690d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000e"
    "496e766f6b65436f6d706c6574650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b7d"
    "face259a"
)


class Frames(unittest.TestCase):
    def test_are_encoded_as_specified(self) -> None:
        self.assertEqual(CHUNK_HI, payload_chunk(b"hi").hex())
        self.assertEqual(COMPLETE, invoke_complete().hex())

    def test_have_headers_and_payload_of_any_length(self) -> None:
        for headers, payload in [({}, b""), ({"é": "中" * 1000}, bytes(100_000))]:
            frame = encode_frame(headers, payload)
            total, headers_length, head_checksum = struct.unpack(">III", frame[:12])
            self.assertEqual(len(frame), total)
            self.assertEqual(zlib.crc32(frame[:8]), head_checksum)
            self.assertEqual(payload, frame[12 + headers_length : -4])
            self.assertEqual(struct.pack(">I", zlib.crc32(frame[:-4])), frame[-4:])

    def test_that_complete_the_stream_omit_empty_members(self) -> None:
        for members in ({}, {"ErrorCode": "E", "ErrorDetails": "é"}, {"LogResult": "aGk="}):
            names = {"ErrorCode": "error_code", "ErrorDetails": "error_details", "LogResult": "log_result"}
            frame = invoke_complete(**{names[name]: value for name, value in members.items()})
            length = struct.unpack(">I", frame[4:8])[0]
            self.assertEqual(members, json.loads(frame[12 + length : -4]))


class TheStreamingInvokeApi(StreamingTestCase):
    RUNTIME = """
    while True:
        r, event, headers = take()
        if event == '"fail"':
            call("POST", f"invocation/{r}/error", '{"errorType": "E"}', Function_Error_Type="Function.E")
            continue
        if event == '"context"':
            names = ("Invoked-Function-Arn", "Client-Context", "Aws-Tenant-Id", "Trace-Id")
            respond(r, [headers["Lambda-Runtime-" + name] for name in names])
            continue
        stream = Stream(r)
        stream.write("one ")
        wait_for("arrived")
        if event == '"die"':
            os._exit(3)
        stream.write(bytes(20_000_000) if event == '"much"' else "two")
        stream.end({"errorType": "Midway"} if event == '"midway"' else None)
    """

    def setUp(self) -> None:
        super().setUp()
        self.started = self.start(self.RUNTIME, name="hello")
        self.api = InvokeApi(self.started)
        self.addCleanup(self.api.close)
        self.address = self.api.url[len("http://") :]

    def post(self, body: bytes = b"{}", name: str = "hello", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        self.addCleanup(connection.close)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/2021-11-15/functions/{name}/response-streaming-invocations"
        connection.request("POST", path, body, sent)
        return connection.getresponse()

    def frame(self, reply: BinaryIO) -> Frame:
        """Read the next frame of a reply; return its headers and its payload."""
        total, length, _ = struct.unpack(">III", reply.read(12))
        encoded, payload = reply.read(length), reply.read(total - length - 16)
        self.assertEqual(4, len(reply.read(4)))
        headers = {}
        while encoded:
            end = 1 + encoded[0]
            kind, size = struct.unpack(">BH", encoded[end : end + 3])
            self.assertEqual(7, kind)
            headers[encoded[1:end].decode()] = encoded[end + 3 : end + 3 + size].decode()
            encoded = encoded[end + 3 + size :]
        return headers, payload

    def test_sends_each_part_when_it_is_produced_and_then_the_completion(self) -> None:
        reply = self.post()
        self.assertEqual(
            (200, "application/vnd.amazon.eventstream"), (reply.status, reply.headers["Content-Type"])
        )
        self.assertEqual("$LATEST", reply.headers["X-Amz-Executed-Version"])
        self.assertRegex(reply.headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
        headers, payload = self.frame(reply)
        self.assertEqual(("event", "PayloadChunk"), (headers[":message-type"], headers[":event-type"]))
        self.assertEqual(("application/octet-stream", b"one "), (headers[":content-type"], payload))
        self.let("arrived")
        self.assertEqual(b"two", self.frame(reply)[1])
        headers, payload = self.frame(reply)
        self.assertEqual(("InvokeComplete", b"{}"), (headers[":event-type"], payload))
        self.assertEqual(b"", reply.read())

    def test_sends_each_part_as_a_separate_chunk(self) -> None:
        self.let("arrived")
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 10) as client:
            path = "/2021-11-15/functions/hello/response-streaming-invocations"
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]
        frames = [payload_chunk(b"one "), payload_chunk(b"two"), invoke_complete()]
        chunks = [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames]
        self.assertEqual(b"".join([*chunks, b"0\r\n\r\n"]), body)

    def test_reports_errors_in_the_completion(self) -> None:
        self.let("arrived")
        cases: list[tuple[bytes, int, str, str]] = [
            (b'"fail"', 0, "Unhandled", "E"),
            (b'"midway"', 2, "Function.Midway", "Midway"),
            (b'"die"', 1, "Runtime.ExitError", "Runtime.ExitError"),
        ]
        for event, parts, code, error_type in cases:
            with self.subTest(event):
                reply = self.post(event)
                self.assertEqual(200, reply.status)
                for _ in range(parts):
                    self.assertEqual("PayloadChunk", self.frame(reply)[0][":event-type"])
                end = json.loads(self.frame(reply)[1])
                self.assertEqual(code, end["ErrorCode"])
                self.assertEqual(error_type, json.loads(end["ErrorDetails"])["errorType"])

    def test_returns_the_tail_of_the_log_on_request(self) -> None:
        reply = self.post(b'"fail"', X_Amz_Log_Type="Tail")
        log = base64.b64decode(json.loads(self.frame(reply)[1])["LogResult"])
        self.assertRegex(log.decode(), "(?s)^START RequestId: .*REPORT RequestId: [^\n]*\n$")

    def test_passes_the_details_of_the_call_to_the_function(self) -> None:
        context = base64.b64encode(b'{"custom": 1}').decode()
        headers = {
            "X_Amz_Client_Context": context,
            "X_Amz_Tenant_Id": "blue",
            "X_Amzn_Trace_Id": "Root=1-2-3",
        }
        values = json.loads(self.frame(self.post(b'"context"', "hello%3Aprod", **headers))[1])
        self.assertEqual([f"{self.started.arn('hello')}:prod", '{"custom": 1}', "blue", "Root=1-2-3"], values)

    def test_rejects_the_same_requests_as_the_service(self) -> None:
        cases: list[tuple[bytes, dict[str, Any], int, str]] = [
            (b"nope", {}, 400, "InvalidRequestContentException"),
            (b"{}", {"X_Amz_Invocation_Type": "Event"}, 400, "InvalidParameterValueException"),
            (b"1" * 6_291_457, {}, 413, "RequestEntityTooLargeException"),
        ]
        for payload, headers, status, error in cases:
            with self.subTest(error):
                reply = self.post(payload, **headers)
                self.assertEqual((status, error), (reply.status, reply.headers["x-amzn-ErrorType"]))
        reply = self.post(X_Amz_Invocation_Type="DryRun")
        self.assertEqual((204, b""), (reply.status, reply.read()))
        self.assertEqual([("next", None)], self.statuses(self.started), "none of these reaches the function")

    def test_lets_the_function_continue_after_the_client_has_left(self) -> None:
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 10) as client:
            path = "/2021-11-15/functions/hello/response-streaming-invocations"
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n"
            client.sendall(f'{head}"much"'.encode())
            client.recv(12)
        self.let("arrived")
        self.wait_for_log(self.started, "REPORT ")
        end = json.loads(self.frame(self.post(b'"fail"'))[1])
        self.assertEqual("Unhandled", end["ErrorCode"])
        self.assertIn(("response", 202), self.statuses(self.started))
        self.assertEqual(0, self.started.restarts)


if __name__ == "__main__":
    unittest.main()

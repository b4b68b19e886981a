"""A runtime that responds to each event, a number, with a stream and trailers of that many bytes.

The bytes are those of the trailer section, with the empty line that ends it (RFC 9112, 7.1.2).
"""

from __future__ import annotations

import os
import socket

HOST, _, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
BASE = "/2018-06-01/runtime/invocation"
NAME = "Lambda-Runtime-Function-Error-Type: "


def exchange(request: bytes) -> tuple[bytes, bytes]:
    """Send a request on a separate connection; return the headers and the body of the response, or b""."""
    with socket.create_connection((HOST, int(PORT))) as sock:
        sock.sendall(request)
        response = b""
        try:
            while True:
                piece = sock.recv(65_536)
                if not piece:
                    break
                response += piece
        except ConnectionError:
            pass
    head, _, body = response.partition(b"\r\n\r\n")
    return head, body


def main() -> None:
    while True:
        head, body = exchange(
            f"GET {BASE}/next HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        )
        lines = head.decode().lower().split("\r\n")
        ids = [line.split(": ")[1] for line in lines if line.startswith("lambda-runtime-aws-request-id")]
        filler = int(body) - len(NAME) - len("Function.\r\n\r\n")
        trailers = f"{NAME}Function.{'E' * filler}\r\n\r\n"
        assert len(trailers) == int(body)
        exchange(
            (
                f"POST {BASE}/{ids[0]}/response HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
                "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
                f"Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n4\r\nbody\r\n0\r\n{trailers}"
            ).encode()
        )


main()

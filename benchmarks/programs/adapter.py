"""Connect a web server to the Runtime API, as AWS Lambda Web Adapter does: adapter.pyc PORT COMMAND …

It starts the web server, waits until it responds, and forwards each event to it. AWS's adapter is a program
in Rust. This one imports only json, so it is ready long before the web server.
"""

import _socket
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

port = int(sys.argv[1])
api_host, _, api_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
CHECK_INTERVAL_S = 0.01  # as AWS's adapter
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
RESPONSE = b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"


def connect(host: str, port: int) -> _socket.socket:
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    connection.connect((host, port))
    return connection


def receive(connection: _socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Return the first line, the header fields and the body of a message, whatever marks its end."""
    data = connection.recv(1 << 18)
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 18)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    parts = [line.partition(":") for line in lines[1:]]
    fields = {name.lower(): value.strip() for name, _, value in parts}
    while len(body) < int(fields.get("content-length", 0)):
        body += connection.recv(1 << 18)
    if "transfer-encoding" in fields:
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body += connection.recv(1 << 18)
        body = without_frames(body)
    return lines[0], fields, body


def without_frames(chunks: bytes) -> bytes:
    pieces: list[bytes] = []
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        pieces.append(chunks[: int(size, 16)])
        chunks = chunks[int(size, 16) + 2 :]
    return b"".join(pieces)


def request(event: "dict[str, Any]") -> bytes:
    """Return the HTTP request that an event of an HTTP API (payload version 2.0) describes."""
    path, query = event["rawPath"], event["rawQueryString"]
    lines = [f"{event['requestContext']['http']['method']} {path}?{query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in event["headers"].items() if name != "content-length"]
    lines.append("cookie: " + "; ".join(event.get("cookies", ())))
    body: bytes = event.get("body", "").encode()
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
while True:
    try:
        server = connect("127.0.0.1", port)
        break
    except ConnectionRefusedError:
        time.sleep(CHECK_INTERVAL_S)
server.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # any response means that the server is ready
receive(server)

api = connect(api_host, int(api_port))
while True:
    api.sendall(NEXT)
    _, fields, event = receive(api)
    server.sendall(request(json.loads(event)))
    status, headers, body = receive(server)
    response = {
        "statusCode": int(status.split()[1]),
        "headers": headers,
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    data = json.dumps(response).encode()
    api.sendall(RESPONSE % (fields["lambda-runtime-aws-request-id"].encode(), len(data), data))
    receive(api)

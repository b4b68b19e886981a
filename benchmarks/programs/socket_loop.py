"""Send each event back, without a runtime: socket_loop.pyc [--json] [MODULE]

With --json, the event is decoded and encoded. MODULE is imported before the first event, like a function.
"""

import _socket  # as the runtime does: `socket` imports enum and selectors
import os
import sys

arguments = sys.argv[1:]
copies_json = "--json" in arguments
if copies_json:
    arguments.remove("--json")
    import json
sys.path[0] = os.getcwd()
for module in arguments:
    __import__(module)

api_host, _, api_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.connect((api_host, int(api_port)))
connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
RESPONSE = (
    b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Length: %d\r\n\r\n"
)


def receive() -> tuple[bytes, bytes]:
    """Return the header fields and the body of a reply, which has a length or is sent in chunks."""
    data = connection.recv(1 << 18)
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 18)
    fields, _, begin = data.partition(b"\r\n\r\n")
    body = bytearray(begin)
    _, has_length, rest = fields.partition(b"Content-Length: ")
    if has_length:
        length = int(rest.partition(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(1 << 18)
        return fields, bytes(body)
    while not body.endswith(b"\r\n0\r\n\r\n"):
        body += connection.recv(1 << 18)
    pieces: list[bytearray] = []
    start = 0
    while True:
        end = body.index(b"\r\n", start)
        length = int(body[start:end], 16)
        if not length:
            return fields, b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + length])
        start = end + 2 + length + 2


while True:
    connection.sendall(NEXT)
    fields, event = receive()
    request_id = fields.partition(b"Lambda-Runtime-Aws-Request-Id: ")[2].partition(b"\r\n")[0]
    response = json.dumps(json.loads(event), ensure_ascii=False).encode() if copies_json else event
    connection.sendall(RESPONSE % (request_id, len(response)) + response)
    receive()

"""Stream chunks with sendall, without a runtime. The event has their size and their number."""

import _socket
import json
import os

api_host, _, api_port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.connect((api_host, int(api_port)))
connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
RESPONSE = b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

while True:
    connection.sendall(NEXT)
    head, blank, event = connection.recv(1 << 16).partition(b"\r\n\r\n")
    request_id = head.partition(b"Lambda-Runtime-Aws-Request-Id: ")[2].partition(b"\r\n")[0]
    wanted = json.loads(event)
    connection.sendall(RESPONSE % request_id)
    chunk = b"%x\r\n%s\r\n" % (wanted["size"], bytes(wanted["size"]))
    for _chunk in range(wanted["count"]):
        connection.sendall(chunk)
    connection.sendall(b"0\r\n\r\n")
    connection.recv(1 << 16)

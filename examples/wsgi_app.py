"""A streaming WSGI web application: run ``make serve HANDLER=wsgi_app.handler`` and open its function URL.

Without a browser:
    make run HANDLER=wsgi_app.handler EVENT='GET /'

With Flask or Django, the last line is the same.
"""

import time
from html import escape
from urllib.parse import parse_qs

from lambda_runtime import wsgi

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Count down</title>
<form method="post">from <input name="start" value="{start}"> <button>Count</button></form>
"""


def app(environ, start_response):
    """Show a form, and count down from the submitted number, one line at a time."""
    form = parse_qs(environ["wsgi.input"].read().decode())
    start = form.get("start", ["5"])[0]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    yield PAGE.format(start=escape(start)).encode()
    if environ["REQUEST_METHOD"] == "POST" and start.isdigit():
        for number in range(min(int(start), 8), 0, -1):
            yield f"<p>{number} …</p>\n".encode()
            time.sleep(0.3)
        yield b"<p>Go!</p>\n"


handler = wsgi.handler(app)

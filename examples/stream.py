"""A stream of server-sent events: ``make run HANDLER=stream.handler`` prints them as they arrive.

For a page that grows, run ``make serve HANDLER=stream.handler`` and open the function URL that it prints.
"""

import json
import time

EVENTS = 8
PAUSE_S = 0.25

PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>A stream</title>
<h1>A stream</h1>
<ol></ol>
<script>
  const source = new EventSource("events")
  source.onmessage = message => {
    const item = document.createElement("li")
    item.textContent = JSON.parse(message.data).text
    document.querySelector("ol").append(item)
  }
  source.addEventListener("end", () => source.close())
</script>
"""


def handler(event, context):
    """Yield the page to a browser, and the events to the page's script and to all other clients."""
    path = event.get("rawPath", "/events")
    if path == "/events":
        headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
        yield {"statusCode": 200, "headers": headers}
        yield from events(context)
    elif path == "/":
        yield {"statusCode": 200, "headers": {"content-type": "text/html"}}
        yield PAGE
    else:
        yield {"statusCode": 404, "headers": {"content-type": "text/plain"}}
        yield f"There is nothing at {path}, only at / and /events\n"


def events(context):
    """Yield server-sent events at intervals, until shortly before the timeout."""
    for number in range(1, EVENTS + 1):
        left_ms = context.get_remaining_time_in_millis()
        data = {"number": number, "text": f"This came with {left_ms} ms left."}
        yield f"id: {number}\ndata: {json.dumps(data)}\n\n"
        time.sleep(PAUSE_S)
    yield "event: end\ndata:\n\n"

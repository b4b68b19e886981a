# mypy: ignore-errors
"""Reports to Sentry, through a transport that writes to a file."""

import json
import os
import time

import sentry_sdk
from sentry_sdk.integrations import aws_lambda
from sentry_sdk.transport import Transport


class FileTransport(Transport):
    """A transport that queues like the real one, so that only a flush writes the data."""

    def __init__(self, options):
        super().__init__(options)
        self.queue = []

    def capture_envelope(self, envelope):
        self.queue.extend(envelope.items)

    def flush(self, timeout, callback=None):
        queue, self.queue = self.queue, []
        with open(os.environ["VENDOR_RECORD_FILE"], "ab") as record:
            for item in queue:
                line = {"type": item.headers["type"], "payload": json.loads(item.payload.get_bytes())}
                record.write(json.dumps(line).encode() + b"\n")


sentry_sdk.init(
    dsn="https://key@sentry.invalid/1",
    integrations=[aws_lambda.AwsLambdaIntegration(timeout_warning=True)],
    transport=FileTransport,
    traces_sample_rate=1.0,
)

if "TIMEOUT_WARNING_BUFFER" in os.environ:
    aws_lambda.TIMEOUT_WARNING_BUFFER = int(os.environ["TIMEOUT_WARNING_BUFFER"])
if os.environ.get("FAIL_WHILE_LOADING"):
    raise LookupError("no configuration")
if os.environ.get("IMPORT_WHAT_IS_NOT_THERE"):
    import module_that_is_not_there  # noqa: F401


def succeed(event, context):
    return "fine"


def fail(event, context):
    raise ValueError("no such order")


async def fail_async(event, context):
    raise ValueError("no such order")


def fail_midway(event, context):
    yield b"first"
    raise ValueError("no such order")


def dawdle(event, context):
    """Run until Sentry warns of the timeout."""
    while not sentry_sdk.get_client().transport.queue:
        time.sleep(0.05)
    return "late"

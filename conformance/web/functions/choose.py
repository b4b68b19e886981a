"""One function for several handlers, so that an application is loaded once and asked in each way."""

# mypy: ignore-errors


def choose(streamed, buffered, theirs, **around):
    """The handler: ``by`` in the event, beside ``event``, names one of the others; or else the first."""
    handlers = {"streamed": streamed, "us": buffered, "them": theirs, **around}

    def handler(event, context):
        if "by" in event:
            return handlers[event["by"]](event["event"], context)
        return streamed(event, context)

    return handler

"""One function for three handlers, so that an application is loaded once and asked in each way."""

# mypy: ignore-errors


def choose(streamed, buffered, theirs):
    """The handler: ``by`` in the event, beside ``event``, names one of the last two; or else the first."""
    handlers = {"us": buffered, "them": theirs}

    def handler(event, context):
        if "by" in event:
            return handlers[event["by"]](event["event"], context)
        return streamed(event, context)

    return handler

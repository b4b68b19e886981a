"""One function for several handlers, so that an application is loaded only once."""

# mypy: ignore-errors


def choose(streamed, buffered, theirs, **around):
    """Return a handler that calls the one that ``by`` in the event names, by default the first."""
    handlers = {"streamed": streamed, "us": buffered, "them": theirs, **around}

    def handler(event, context):
        if "by" in event:
            return handlers[event["by"]](event["event"], context)
        return streamed(event, context)

    return handler

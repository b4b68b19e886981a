"""The default function: its handler is ``hello.handler``."""


def handler(event, context):
    """Greet the person that the event names."""
    name = event.get("name", "world")
    print(f"{context.function_name} greets {name}")
    return {"message": f"Hello, {name}!"}

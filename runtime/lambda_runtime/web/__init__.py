"""HTTP for web applications: events, responses and ASGI's lifespan protocol."""

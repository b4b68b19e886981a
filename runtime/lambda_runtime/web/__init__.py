"""HTTP for web applications: events, responses, the lifespan of an ASGI application."""

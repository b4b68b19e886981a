"""Type checks of functions that serve Django, which has no annotations."""

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from lambda_runtime import asgi, wsgi

asgi_handler = asgi.handler(get_asgi_application())
wsgi_handler = wsgi.handler(get_wsgi_application())

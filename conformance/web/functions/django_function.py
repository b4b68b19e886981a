"""An application made with Django, for ASGI and for WSGI."""

# mypy: ignore-errors

import asyncio
import gzip
import threading
import time

import django
from apig_wsgi import make_lambda_handler
from choose import choose
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse
from lambda_runtime import asgi, wsgi
from mangum import Mangum

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not one",
    DATABASES={},
    USE_TZ=True,
    SECURE_PROXY_SSL_HEADER=None,
    LOGGING_CONFIG=None,
)
django.setup()
events = []
request_finished.connect(lambda sender, **_: events.append("finished"), weak=False)


def get_json(request):
    return JsonResponse({"text": "é ✓", "numbers": [1, 2.5, None]})


def echo(request, rest):
    headers = [[name.lower(), value] for name, value in request.headers.items() if name.startswith("X-Own")]
    return JsonResponse(
        {
            "method": request.method,
            "path": rest,
            "query": [[name, value] for name, values in request.GET.lists() for value in values],
            "headers": sorted(headers),
            "cookies": request.COOKIES,
            "body": list(request.body),
            "client": request.META["REMOTE_ADDR"],
        }
    )


def where(request):
    return JsonResponse(
        {"url": request.build_absolute_uri(), "json": request.build_absolute_uri(reverse("json"))}
    )


def set_cookies(request):
    response = JsonResponse({"seen": request.COOKIES.get("seen")})
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "2")
    return response


def picture(request):
    return HttpResponse(b"\x89PNG\r\n\x00\xff", content_type="image/png")


def gzipped(request):
    headers = {"Content-Encoding": "gzip"}
    return HttpResponse(gzip.compress(b"text " * 100, mtime=0), content_type="text/plain", headers=headers)


def latin(request):
    return HttpResponse("é".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")


def untyped(request):
    response = HttpResponse(b"no type")
    del response["Content-Type"]
    return response


def empty(request):
    return HttpResponse(status=204)


def redirect(request):
    return HttpResponseRedirect("/json")


def form(request):
    return JsonResponse({"word": request.POST["word"]})


def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "type": file.content_type, "data": list(file.read())})


def fail(request):
    raise ValueError("the application fails")


def stream(request):
    def words():
        for number in range(3):
            time.sleep(0.15 if number else 0)
            yield f"{number}\n"

    return StreamingHttpResponse(words(), content_type="text/plain")


async def async_stream(request):
    async def words():
        for number in range(3):
            await asyncio.sleep(0.15 if number else 0)
            yield f"{number}\n"

    return StreamingHttpResponse(words(), content_type="text/plain")


def thread(request):
    return JsonResponse({"main": threading.current_thread() is threading.main_thread()})


def get_events(request):
    return JsonResponse(events, safe=False)


urlpatterns = [
    path("json", get_json, name="json"),
    path("echo/<path:rest>", echo),
    path("where", where),
    path("cookies", set_cookies),
    path("picture", picture),
    path("gzip", gzipped),
    path("latin", latin),
    path("untyped", untyped),
    path("empty", empty),
    path("redirect", redirect),
    path("form", form),
    path("upload", upload),
    path("fail", fail),
    path("stream", stream),
    path("async_stream", async_stream),
    path("thread", thread),
    path("events", get_events),
]

asgi_app, wsgi_app = get_asgi_application(), get_wsgi_application()

asgi_handler = choose(
    asgi.handler(asgi_app), asgi.handler(asgi_app, streaming=False), Mangum(asgi_app, lifespan="off")
)
wsgi_handler = choose(
    wsgi.handler(wsgi_app), wsgi.handler(wsgi_app, streaming=False), make_lambda_handler(wsgi_app, True)
)

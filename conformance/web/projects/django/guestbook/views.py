import asyncio
import json
import time

from django.http import JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt


def index(request):
    if request.method == "POST":
        return redirect(f"{reverse('index')}?signed={request.POST['name']}")
    return render(request, "guestbook/index.html", {"signed": request.GET.get("signed")})


@csrf_exempt
def queue(request):
    records = json.loads(request.body)["Records"]
    return JsonResponse({"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in records]})


def countdown(request):
    def lines():
        yield "ready\n"
        time.sleep(0.2)
        yield "go\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def async_countdown(request):
    async def lines():
        yield "ready\n"
        await asyncio.sleep(0.2)
        yield "go\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")

"""Type checks of functions that serve FastAPI, Starlette and Flask, and of handlers that call them.

The lines with ``type: ignore`` must be errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from asgiref.typing import ASGI3Application
from fastapi import FastAPI
from flask import Flask
from lambda_runtime import asgi, wsgi
from starlette.applications import Starlette
from starlette.types import ASGIApp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from lambda_runtime.context import LambdaContext

Message = MutableMapping[str, Any]

fastapi = asgi.handler(FastAPI())
starlette = asgi.handler(Starlette(), streaming=False, lifespan="on", text_types=("application/x-own",))
flask = wsgi.handler(Flask(__name__), base_path="/shop")

asgi.handler(Flask(__name__))  # type: ignore[arg-type]
wsgi.handler(FastAPI())  # type: ignore[arg-type]


def typed_otherwise(first: ASGIApp, second: ASGI3Application, third: WSGIApplication) -> None:
    asgi.handler(first)
    asgi.handler(second)
    wsgi.handler(third)


async def with_mappings(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    await send(await receive())


async def with_dicts(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    await send(await receive())


def with_a_list(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [])
    return []


def with_a_protocol(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    yield b""


handlers = [asgi.handler(with_mappings), asgi.handler(with_dicts)]
others = [wsgi.handler(with_a_list), wsgi.handler(with_a_protocol)]


def returns(event: dict[str, Any], context: LambdaContext) -> object:
    return fastapi(event, context)


async def awaits(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    response: dict[str, Any] = await starlette(event, context)
    return response


async def iterates(event: dict[str, Any], context: LambdaContext) -> AsyncIterator[bytes | dict[str, Any]]:
    async for part in fastapi(event, context):
        yield part


def delegates(event: dict[str, Any], context: LambdaContext) -> Iterator[bytes | dict[str, Any]]:
    yield from flask(event, context)


async def in_a_task(event: dict[str, Any], context: LambdaContext) -> object:
    return await asyncio.create_task(starlette(event, context))


def in_a_test(event: dict[str, Any]) -> object:
    return asyncio.run(starlette(event, None))

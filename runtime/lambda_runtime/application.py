"""Recognise a web application that the handler setting names, and serve it as one."""

from __future__ import annotations

import os

from .errors import Fault
from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def adapt(found: Any, name: str) -> Any:
    """Return a handler for an ASGI or WSGI application, and everything else unchanged.

    ``name`` is the handler setting. The options of the bridge are environment variables.
    """
    interface = _interface_of(found)
    if not interface:
        return found
    if os.environ.get("AWS_LAMBDA_LOG_LEVEL") in ("DEBUG", "TRACE"):  # else `logging` would be a slow import
        logger = load_stdlib("logging").getLogger("LAMBDA_RUNTIME")
        logger.debug("%s is served as a web application (%s)", name, interface.upper())
    if interface == "asgi":
        from . import asgi

        return asgi.serve(found)
    from . import wsgi

    return wsgi.serve(found)


def _interface_of(found: Any) -> str:
    """``asgi`` or ``wsgi`` for a web application, empty for a function of event and context.

    An async callable with three required parameters cannot be a function for Lambda, nor can one whose second
    parameter is named start_response (PEP 3333). LAMBDA_RUNTIME_APPLICATION overrides this.
    """
    choice = os.environ.get("LAMBDA_RUNTIME_APPLICATION", "")
    if choice:
        if choice not in ("asgi", "wsgi", "none"):
            raise Fault(
                "Runtime.InvalidConfiguration",
                f"LAMBDA_RUNTIME_APPLICATION is {choice!r}, expected asgi, wsgi or none",
            )
        return choice if choice != "none" else ""
    call = found if hasattr(found, "__code__") or isinstance(found, type) else found.__call__
    code = getattr(call, "__code__", None)
    if code is None or code.co_flags & 0x04 or call.__defaults__:  # CO_VARARGS
        return ""
    names = code.co_varnames[getattr(call, "__self__", None) is not None : code.co_argcount]
    if len(names) == 3 and code.co_flags & 0x80:  # CO_COROUTINE
        return "asgi"
    return "wsgi" if names[1:] == ("start_response",) else ""

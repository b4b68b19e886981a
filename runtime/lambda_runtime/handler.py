"""Find the handler that a string such as ``hello.handler`` names."""

from __future__ import annotations

import os
import sys

from .diagnostics import message_of
from .errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from .context import LambdaContext

    Handler = Callable[[Any, LambdaContext], Any]


def load(name: str) -> Handler:
    """Import the handler's module and get the handler from it.

    ``module.function``, ``package.module.function``, ``folder/module.function``, or with more names for
    something inside the module: ``module.Class.method``, ``module.instance.method``. An ASGI or WSGI
    application is served as one, and ``module.create_app()`` is called first. Raises Fault with the type that
    AWS's runtime uses. Other exceptions of the module's code propagate.
    """
    is_factory = name.endswith("()")
    if is_factory:
        name = name[:-2]
    module_name, dot, attribute = name.rpartition(".")
    import_name = module_name.replace("/", ".")
    if not dot or not import_name or import_name.startswith("."):
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': expected module.function below the task root, such as hello.handler "
            "or folder/hello.handler, in the function's handler setting (_HANDLER)",
        )
    if import_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module"
        )
    module, inner = _import_module(import_name, module_name)
    found: Any = module
    path = [*inner, attribute]
    for step in path:
        if not hasattr(found, step):
            raise Fault(
                "Runtime.HandlerNotFound",
                f"Handler '{'.'.join(path)}' missing on module '{module.__name__ if inner else module_name}'",
                notes=_explain_missing(step, found, module_name, "()" if is_factory else ""),
            )
        found = getattr(found, step)
    if is_factory and callable(found):
        made = found()
        if not callable(made):
            raise Fault(
                "Runtime.HandlerNotFound",
                f"Handler '{name}()' returned {type(made).__name__}, expected a web application",
            )
        found = made
    if not callable(found):
        raise Fault(
            "Runtime.HandlerNotFound",
            f"Handler '{'.'.join(path)}' on module '{module.__name__}' is not callable: found "
            f"{type(found).__name__}, expected a function of event and context",
        )
    code = getattr(found, "__code__", None)
    if code is None or code.co_varnames[1:2] != ("context",) or "LAMBDA_RUNTIME_APPLICATION" in os.environ:
        from . import application  # late: most handlers are functions of event and context

        found = application.adapt(found, name)
    handler: Handler = found
    return handler


def _import_module(import_name: str, module_name: str) -> tuple[ModuleType, list[str]]:
    """Import the longest leading part of ``import_name`` that is a module; return it and the other names."""
    parts = import_name.split(".")
    not_found: ModuleNotFoundError | None = None
    for length in range(len(parts), 0, -1):
        candidate = ".".join(parts[:length])
        try:
            __import__(candidate)
        except ModuleNotFoundError as error:
            not_found = not_found or error
            if length == 1 or not _is_absent(candidate, error):
                raise _import_fault(module_name, not_found) from error
            continue  # the last name may be an object inside a module
        except ImportError as error:
            raise _import_fault(module_name, error) from error
        except SyntaxError as error:
            raise Fault(
                "Runtime.UserCodeSyntaxError",
                f"Syntax error in module '{module_name}': {error}",
                [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
            ) from error
        module = sys.modules[candidate]
        if not_found is not None and not hasattr(module, parts[length]):
            raise _import_fault(module_name, not_found) from not_found
        return module, parts[length:]
    raise AssertionError(f"{import_name!r} has no parts")


def _is_absent(candidate: str, error: ModuleNotFoundError) -> bool:
    """Whether ``candidate`` or one of its parents does not exist, rather than a module that it imports."""
    missing = error.name or ""
    return f"{candidate}.".startswith(f"{missing}.") and "." in missing


def _import_fault(module_name: str, error: ImportError) -> Fault:
    message = f"Unable to import module '{module_name}': {message_of(error)}"
    try:
        from . import import_diagnosis  # late: imports rarely fail

        notes = import_diagnosis.explain(error)
    except Exception:  # the function has used up its descriptors, or replaced what this needs
        notes = []
    return Fault("Runtime.ImportModuleError", message, notes=notes)


def _explain_missing(name: str, owner: Any, module_name: str, end: str) -> list[str]:
    """Suggest a handler setting, because ``owner`` has no attribute ``name``; ``end``: what follows it."""
    try:
        from . import import_diagnosis  # late: handlers are rarely missing

        names = [one for one in vars(owner) if not one.startswith("_") and callable(getattr(owner, one))]
        if name == "py":
            function = names[-1] if len(names) == 1 else "handler"
            return [
                "The handler setting must end with a function, not with a file name: "
                f"use {module_name}.{function}, for example"
            ]
        return import_diagnosis.did_you_mean(name + end, [one + end for one in names])
    except Exception:
        return []

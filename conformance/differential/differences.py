"""The differences from AWS's runtime that are wanted: why, where, and what exactly ours does instead.

Each says what ours must do, given the record of AWS's runtime. They apply one after the other: first those
that replace a whole record or some of its words, case by case, then those that hold everywhere.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import sysconfig
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Tuple

from . import jsontext, rewrite
from .case import Case
from .record import Frame, Phase, Record, Request
from .wanted import (
    OWN_LINES,
    WAITS,
    answered,
    answered_raw,
    described,
    failed,
    frame,
    init_failed,
    record,
    registered,
    restored,
    streamed,
)

Expectation = Callable[[Case, Record], Record]


@dataclass(frozen=True)
class Difference:
    """One accepted difference.

    title, reason  for users, shown in the README; the reason in one or two sentences
    expect         what ours must do in a case, given the record of AWS's runtime; the same record if the
                   difference does not show there
    """

    key: str
    title: str
    reason: str
    expect: Expectation


_BYTES = "application/octet-stream"
_HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
_NO_CHUNK = (
    "Expected a chunk of bytes or str, got {}. (Only the first chunk may be a dict: status and headers.)"
)

# How an expectation is put together.


def _each_request(change: Callable[[Request], Request]) -> Expectation:
    return lambda case, record: rewrite.each_request(record, change)


def _instead(records: Dict[str, Record]) -> Expectation:
    """In the cases named, this record."""
    return lambda case, record: records.get(case.name, record)


def _event_instead(phases: Dict[str, Callable[[int], Phase]]) -> Expectation:
    """In the cases named, which are one event of a process that goes on, what happens to the event."""

    def expect(case: Case, record: Record) -> Record:
        if case.name not in phases or case.event is None:
            return record
        return replace(record, phases=(phases[case.name](case.event),))

    return expect


def _retold(words: Dict[str, Tuple[str, str]]) -> Expectation:
    """In the cases named, other words: (AWS's, ours)."""

    def expect(case: Case, record: Record) -> Record:
        return rewrite.retold(record, *words[case.name]) if case.name in words else record

    return expect


def _with_more(more: Dict[str, Dict[str, Any]]) -> Expectation:
    """In the cases named, more members in the payload, and the same in the log line, after the trace."""

    def expect(case: Case, record: Record) -> Record:
        if case.name not in more:
            return record
        return rewrite.with_members(record, lambda payload: more[case.name])

    return expect


def _all_of(*expectations: Expectation) -> Expectation:
    def expect(case: Case, record: Record) -> Record:
        for expectation in expectations:
            record = expectation(case, record)
        return record

    return expect


# Handler strings.

_NOT_CALLABLE = (
    "Handler '{}' on module 'app' is not callable: found {}, expected a function of event and context"
)
_NOT_A_HANDLER = (
    "expected module.function below the task root, such as hello.handler or folder/hello.handler, "
    "in the function's handler setting (_HANDLER)"
)


def _malformed(handler: str) -> Record:
    return init_failed("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {_NOT_A_HANDLER}")


_handler_strings = _instead(
    {
        "no dot in the handler string": _malformed("nodot"),
        "an empty handler string": _malformed(""),
        "only a dot": _malformed("."),
        "no module before the dot": _malformed(".handler"),
        "a colon instead of a dot": _malformed("app:handler"),
        "a slash instead of a dot": _malformed("app/handler"),
        "a relative path with a dot": _malformed("./app.handler"),
        "a path to the folder above": _malformed("../app.handler"),
        "an absolute path": _malformed("/app.handler"),
    }
)
_not_callable = _instead(
    {
        f"the handler is {what}": init_failed("Runtime.HandlerNotFound", _NOT_CALLABLE.format(name, kind))
        for what, name, kind in (
            ("a number", "number", "int"),
            ("None", "nothing", "NoneType"),
            ("a module that the module imported", "functools", "module"),
        )
    }
)
_nested_handlers = _instead(
    {
        "a method named through its class": record(answered(0, ["static", "e"])),
        "a method named through an instance": record(answered(0, ["instance", "e"])),
        "a class's method in a package's module": record(answered(0, ["Greeter", None])),
        "an attribute of a class that lacks it": init_failed(
            "Runtime.HandlerNotFound", "Handler 'Greeter.missing' missing on module 'app'"
        ),
    }
)

# What ends AWS's runtime: exits, exceptions that are no Exception, exceptions that cannot be printed.

_EXITS = "The function called sys.exit({}), which ends its environment"


def _exits(
    status: str, exit_status: int, line: int, source: str, error_type: str = "SystemExit", **options: Any
) -> Record:
    """The handler ends its process at its first event: that is reported first."""
    phase = failed(0, error_type, _EXITS.format(status), frame(line, source), **options)
    return record(phase, ending=f"exit status {exit_status}")


def _fails_twice(
    error_type: str, message: str, line: int, source: str, more: Dict[str, Any] | None = None
) -> Record:
    """The handler fails at both its events, and the process goes on."""
    return record(*(failed(number, error_type, message, frame(line, source), more=more) for number in (0, 1)))


_exits_are_reported = _all_of(
    _instead(
        {
            "import: sys.exit with a status": replace(
                init_failed("SystemExit", _EXITS.format(7), frame(2, "sys.exit(7)", "<module>")),
                ending="exit status 7",
            ),
            "import: sys.exit without a status": init_failed(
                "SystemExit", _EXITS.format(""), frame(2, "sys.exit()", "<module>")
            ),
            "import: sys.exit with a text": init_failed(
                "SystemExit", _EXITS.format("'goodbye'"), frame(2, "sys.exit('goodbye')", "<module>")
            ),
            "handler: sys.exit with a status": _exits("3", 3, 2, "def handler(e, c): sys.exit(3)"),
            "handler: sys.exit without a status": _exits("", 0, 2, "def handler(e, c): sys.exit()"),
            "handler: sys.exit with a text": _exits(
                "'goodbye'", 1, 2, "def handler(e, c): sys.exit('goodbye')"
            ),
            "handler: sys.exit with a large status": _exits("300", 44, 2, "def handler(e, c): sys.exit(300)"),
            "handler: exit()": record(
                failed(
                    0,
                    "SystemExit",
                    _EXITS.format(4),
                    frame(1, "def handler(e, c): exit(4)"),
                    ("<frozen _sitebuiltins>", 26, "__call__", ""),
                ),
                ending="exit status 4",
            ),
            "handler: a SystemExit of its own": _exits(
                "6", 6, 2, "def handler(e, c): raise Mine(6)", error_type="Mine"
            ),
            "handler: sys.exit runs atexit functions": _exits(
                "3", 3, 3, "def handler(e, c): sys.exit(3)", after="atexit\n"
            ),
            "handler: sys.exit in an answer's _asdict": record(
                failed(
                    0,
                    "SystemExit",
                    _EXITS.format(8),
                    frame(3, "def _asdict(self): sys.exit(8)", "_asdict"),
                ),
                ending="exit status 8",
            ),
            "handler: sys.exit with an invocation id": _exits(
                "3", 3, 2, "def handler(e, c): sys.exit(3)", invocation_id="inv-9"
            ),
            "handler: sys.exit, logged as JSON": _exits(
                "3", 3, 2, "def handler(e, c): sys.exit(3)", log_format="JSON"
            ),
            "handler: sys.exit after two good events": record(
                answered(0, 1),
                answered(1, 2),
                failed(
                    2,
                    "SystemExit",
                    _EXITS.format(1),
                    frame(3, "return event if event < 3 else sys.exit(1)"),
                ),
                ending="exit status 1",
            ),
            "a daemon thread that never ends": record(
                answered(0, 1),
                failed(
                    1,
                    "SystemExit",
                    _EXITS.format(2),
                    frame(5, "return 1 if event == 1 else sys.exit(2)"),
                ),
                ending="exit status 2",
            ),
        }
    ),
    _retold(
        {
            "SnapStart: a before hook exits": ("3", _EXITS.format(3)),
            "SnapStart: an after hook exits": ("3", _EXITS.format(3)),
        }
    ),
)

_base_exceptions = _instead(
    {
        "import: a BaseException": init_failed(
            "BaseException", "base", frame(1, "raise BaseException('base')", "<module>")
        ),
        "import: a GeneratorExit": init_failed(
            "GeneratorExit", "", frame(1, "raise GeneratorExit", "<module>")
        ),
        "import: a KeyboardInterrupt": init_failed(
            "KeyboardInterrupt", "", frame(1, "raise KeyboardInterrupt", "<module>")
        ),
        "handler: KeyboardInterrupt": _fails_twice(
            "KeyboardInterrupt", "", 1, "def handler(e, c): raise KeyboardInterrupt"
        ),
        "handler: GeneratorExit": _fails_twice(
            "GeneratorExit", "g", 1, "def handler(e, c): raise GeneratorExit('g')"
        ),
        "handler: a BaseException": _fails_twice(
            "BaseException", "be", 1, "def handler(e, c): raise BaseException('be')"
        ),
        "handler: a BaseException of its own": _fails_twice(
            "Mine", "mine", 2, "def handler(e, c): raise Mine('mine')"
        ),
        "handler: a CancelledError": _fails_twice(
            "CancelledError", "c", 2, "def handler(e, c): raise asyncio.CancelledError('c')"
        ),
        "handler: a group of BaseExceptions": _fails_twice(
            "BaseExceptionGroup",
            "beg (1 sub-exception)",
            1,
            "def handler(e, c): raise BaseExceptionGroup('beg', [KeyboardInterrupt()])",
            {"exceptions": [described("KeyboardInterrupt", "")]},
        ),
    }
)

_NO_TEXT = "<no message: str() of this E raised {}>"

_unprintable = _instead(
    {
        "import: an exception with a lone surrogate": rewrite.each_output(
            init_failed("ValueError", "\ud800x", frame(1, "raise ValueError('\\ud800x')", "<module>")),
            lambda text: text.replace("\ud800", "\\ud800"),
        ),
        "import: an exception whose text cannot be made": init_failed(
            "E", _NO_TEXT.format("ZeroDivisionError"), frame(3, "raise E", "<module>")
        ),
        "import: an exception class with a line break in its name": init_failed(
            "A\r\nB: c", "x", frame(1, "raise type('A\\r\\nB: c', (Exception,), {})('x')", "<module>")
        ),
        "handler: an exception whose text cannot be made": _fails_twice(
            "E", _NO_TEXT.format("ZeroDivisionError"), 3, "def handler(e, c): raise E"
        ),
        "handler: an exception whose text is no text": _fails_twice(
            "E", _NO_TEXT.format("TypeError"), 3, "def handler(e, c): raise E"
        ),
        "handler: an exception whose text exits": _fails_twice(
            "E", _NO_TEXT.format("SystemExit"), 4, "def handler(e, c): raise E"
        ),
        "handler: a message with a lone surrogate": rewrite.each_output(
            _fails_twice("ValueError", "\ud800x", 1, "def handler(e, c): raise ValueError('\\ud800x')"),
            lambda text: text.replace("\ud800", "\\ud800"),
        ),
    }
)

# Causes, notes, groups; and the ImportError behind Runtime.ImportModuleError.

_ZERO_DIVISION = described("ZeroDivisionError", "division by zero", frame(2, "1 / 0", "<module>"))


def _import_error(
    message: str, *frames: Tuple[int, str, str], error_type: str = "ImportError"
) -> Dict[str, Any]:
    """The cause of an import that failed, in a frame (line, source, file) at the top of each module."""
    in_modules = (frame(line, source, "<module>", file) for line, source, file in frames)
    return {"cause": described(error_type, message, *in_modules)}


def _missing(module: str, *frames: Tuple[int, str, str]) -> Dict[str, Any]:
    return _import_error(f"No module named '{module}'", *frames, error_type="ModuleNotFoundError")


_NO_MODULE = re.compile(r"No module named (['\"])(.+?)\1(?:;|$)")
_NOT_FOR_LINUX = f"is not built for Linux, but this is Linux on {platform.machine()}"
_INSTALL = (
    "Install the packages for this Python and this machine, for example: pip install --target FOLDER "
    f"--only-binary=:all: --platform manylinux2014_{platform.machine()} "
    f"--python-version {sys.version_info[0]}.{sys.version_info[1]} PACKAGE"
)
_OTHER_PYTHON = "cpython-27m-x86_64-linux-gnu"


def _searched(name: str) -> str:
    return f"Searched for {name!r} in: /var/task, <the interpreter's>"


_why_not_imported = {
    "import: a ModuleNotFoundError of the function's own": [_searched("nope")],
    "import: an extension module that is no library": [
        f"/var/task/broken.abi3.so {_NOT_FOR_LINUX}",
        _INSTALL,
    ],
    "import: the handler's own file is an extension module that is no library": [
        f"/var/task/app.abi3.so {_NOT_FOR_LINUX}",
        _INSTALL,
    ],
    "import: an extension module for another version of Python": [
        f"/var/task/broken.{_OTHER_PYTHON}.so is built for {_OTHER_PYTHON}, but this Python loads "
        f"{sysconfig.get_config_var('SOABI')}",
        _INSTALL,
    ],
}


def _import_notes(case: Case, record: Record) -> Record:
    """Where a module was searched for of which nothing was found; else what is wrong with what was found."""

    def notes(payload: Any) -> Dict[str, Any]:
        if payload["errorType"] != "Runtime.ImportModuleError":
            return {}
        if case.name in _why_not_imported:
            return {"notes": _why_not_imported[case.name]}
        missing = _NO_MODULE.search(payload["errorMessage"])
        if missing is None or "." in missing[2]:
            return {}
        return {"notes": [_searched(missing[2]), *(["Did you mean 'app'?"] if missing[2] == " app" else [])]}

    return rewrite.with_members(record, notes)


_CALLED_WITH = {"notes": ["Lambda calls a handler with two arguments: def handler(event, context)"]}
_wrong_arguments = _with_more(
    {
        name: _CALLED_WITH
        for name in (
            "a function of the standard library that wants other arguments",
            "the handler is a built-in type",
            "the handler takes no argument",
            "the handler takes one argument",
            "the handler takes three arguments",
            "the handler takes keywords only",
            "the handler is a class that takes no argument",
            "awaited: too many arguments",
        )
    }
)

_MISSING_KEY = described("KeyError", "'missing'", frame(3, "{}['missing']"))
_causes = _with_more(
    {
        "import: an exception with a cause": {"cause": _ZERO_DIVISION},
        "import: an exception while another is handled": {"cause": _ZERO_DIVISION},
        "import: an exception with a note": {"notes": ["a note"]},
        "import: an exception group": {
            "exceptions": [described("ValueError", "a"), described("TypeError", "b")]
        },
        "import: a module that does not exist is imported": _missing(
            "not_there", (1, "import not_there", "app.py")
        ),
        "import: a module that does not exist is imported by another": _missing(
            "not_there_either",
            (1, "import imports_missing", "app.py"),
            (1, "import not_there_either", "imports_missing.py"),
        ),
        "import: a name that a module lacks is imported": _import_error(
            f"cannot import name 'not_there' from 'os' ({os.__file__})",
            (1, "from os import not_there", "app.py"),
        ),
        "import: an ImportError of the function's own": _import_error(
            "please install it", (1, "raise ImportError('please install it')", "app.py")
        ),
        "import: a ModuleNotFoundError of the function's own": _import_error(
            "nope",
            (1, "raise ModuleNotFoundError('nope', name='nope')", "app.py"),
            error_type="ModuleNotFoundError",
        ),
        "import: an import in a circle": _import_error(
            "cannot import name 'name_a' from partially initialized module 'circle_a' "
            "(most likely due to a circular import) (/var/task/circle_a.py)",
            (1, "import circle_a", "app.py"),
            (1, "from circle_b import name_b", "circle_a.py"),
            (1, "from circle_a import name_a", "circle_b.py"),
        ),
        "import: a relative import without a package": _import_error(
            "attempted relative import with no known parent package", (1, "from . import sibling", "app.py")
        ),
        "import: an extension module that is no library": _import_error(
            "/var/task/broken.abi3.so: file too short", (1, "import broken", "app.py")
        ),
        "import: an extension module for another version of Python": _missing(
            "broken", (1, "import broken", "app.py")
        ),
        "error: a cause": {"cause": _MISSING_KEY},
        "error: an exception while another is handled": {
            "cause": described("ZeroDivisionError", "division by zero", frame(3, "1 / 0"))
        },
        "error: a cause without a message or a trace": {"cause": described("KeyError", "")},
        "error: a chain of three": {
            "cause": described(
                "KeyError",
                "'k'",
                frame(6, "raise KeyError('k') from first"),
                cause=described("ZeroDivisionError", "division by zero", frame(4, "1 / 0")),
            )
        },
        "error: a circle of causes": {"cause": described("ValueError", "two")},
        "error: notes": {"notes": ["a note", "of two\nlines"]},
        "error: notes that are not all text": {"notes": ["two"]},
        "error: a cause with a note": {
            "cause": described("KeyError", "'k'", frame(6, "raise cause"), notes=["a note"])
        },
        "error: a cause that is no Exception": {"cause": described("KeyboardInterrupt", "")},
        "error: a cause whose text cannot be made": {
            "cause": described("E", "<no message: str() of this E raised ZeroDivisionError>")
        },
        "error: a context that was set by hand": {"cause": described("KeyError", "'k'")},
        "error: an exception group with a note and a cause": {
            "notes": ["a note"],
            "cause": described("KeyError", "'k'"),
            "exceptions": [described("ValueError", "a", cause=described("TypeError", "b"))],
        },
        "error: an exception group": {
            "exceptions": [
                described("ValueError", "a"),
                described(
                    "ExceptionGroup", "inner (1 sub-exception)", exceptions=[described("TypeError", "b")]
                ),
            ]
        },
        "error: a StopIteration in a generator": {
            "cause": described("StopIteration", "", frame(3, "raise StopIteration", "numbers"))
        },
        "SnapStart: a cause in a hook": {
            "cause": described("ZeroDivisionError", "division by zero", frame(4, "1 / 0", "fail"))
        },
    }
)

# JSON: where in the answer the trouble is, the words of Python's own module, surrogates.

_KEYS = "keys must be str, int, float, bool or None, not "


_INSTEAD = {
    "coroutine": "Await it in an async def handler: it has not run yet",
    "bytearray": "Convert it: bytes(value)",
    "Data": "Convert it: dataclasses.asdict(value)",
    "Colour": "Convert it: value.value",
    "timedelta": "Convert it: value.total_seconds()",
    **dict.fromkeys(("set", "frozenset"), "Convert it: list(value) or sorted(value)"),
    **dict.fromkeys(("UUID", "PosixPath", "PurePosixPath"), "Convert it: str(value)"),
    **dict.fromkeys(("datetime", "date", "time"), "Convert it: value.isoformat()"),
    **dict.fromkeys(("array", "memoryview"), "Convert it: value.tolist()"),
    **dict.fromkeys(
        (
            *("dict_keys", "dict_values", "deque", "generator", "map", "zip", "filter", "enumerate", "chain"),
            *("list_iterator", "str_iterator", "str_ascii_iterator", "list_reverseiterator", "reversed"),
            *("count", "callable_iterator", "TextIOWrapper", "BytesIO", "BufferedReader", "Iterator"),
        ),
        "Convert it: list(value)",
    ),
}
_PLACES = {
    "returned: bytes that are not UTF-8 within": "['a'][1]",
    "returned: a list that contains itself": "[0]",
    "returned: an object that contains itself": "['me']",
    "returned: an unserialisable value deep inside": "['a'][1]['b c'][1]",
    "returned: an unserialisable value below a number key": "[1][None][1.5]",
    "returned: a generator within a list": "[0]",
    "result: a generator as a member": "['a']",
    "result: a generator in a tuple": "[0]",
    "result: a generator within bytes": "[1]",
    "result: an asynchronous generator within a list": "[0]",
    "key: an object": "['a']",
    "key: a bad key deep inside": "['a'][0]['b']",
    "python3.12: an unserialisable value": "['é']",
}


def _marshal_notes(case: Case, record: Record) -> Record:
    """Where in the response the value is that JSON cannot hold, and what to return instead."""

    def notes(payload: Any) -> Dict[str, Any]:
        if payload["errorType"] != "Runtime.MarshalError":
            return {}
        found = [f"The value is at response{_PLACES[case.name]}"] if case.name in _PLACES else []
        kind = re.search(r"Object of type (\S+) is not JSON serializable", payload["errorMessage"])
        found += [_INSTEAD[kind[1]]] if kind and kind[1] in _INSTEAD else []
        return {"notes": found} if found else {}

    return rewrite.with_members(record, notes)


def _words_of_json(case: Case, record: Record) -> Record:
    """What Python's `json` says about the event, where AWS's runtime says that it is no JSON."""
    errors = [request.body for phase in record.phases for request in phase.requests]
    said = [body["errorMessage"] for body in errors if _is_unmarshal_error(body)]
    if case.event is None or not said:
        return record
    try:
        json.loads(case.program.events[case.event].body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return record  # the same words
    except (ValueError, RecursionError) as error:
        return rewrite.retold(record, said[0], f"Unable to unmarshal input: {error}")
    return record  # NaN and Infinity, which only `json` takes


def _is_unmarshal_error(body: Any) -> bool:
    return isinstance(body, dict) and body.get("errorType") == "Runtime.UnmarshalError"


_surrogates_in_answers = _instead(
    {
        **{
            f"python{version}: a lone surrogate, then non-ASCII text": record(
                answered(0, "\ud800x"), answered(1, "é")
            )
            for version in ("3.12", "3.13", "3.14")
        },
        "python3.12: a character as two surrogates": record(answered(0, "\ud83d\ude00")),
    }
)

# Non-ASCII text. A character that the function itself made of two surrogates stays as it is.

_AS_TWO_SURROGATES = ("returned: a character as two surrogates", "python3.12: a character as two surrogates")
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-f]{4})+)")


def _utf8(case: Case, record: Record) -> Record:
    if case.name in _AS_TWO_SURROGATES:
        return record

    def in_request(request: Request) -> Request:
        if isinstance(request.body, bytes):
            return request
        text = jsontext.compact(request.body)
        can_be_shorter = any(char > "\x7f" and not "\ud800" <= char <= "\udfff" for char in text)
        return replace(request, encoding="utf-8") if can_be_shorter else request

    def unescape(match: re.Match[str]) -> str:
        text: str = jsontext.parse(f'"{match[2]}"')
        return match[1] + (text if min(text) > "\x7f" else match[2])

    def in_output(text: str) -> str:
        lines = text.split("\n")
        is_error = '{"timestamp": "<time>", "level": "ERROR", "errorMessage": '
        return "\n".join(
            _ESCAPES.sub(unescape, line) if line.startswith(is_error) else line for line in lines
        )

    return rewrite.each_output(rewrite.each_request(record, in_request), in_output)


def _init_error_in_utf8(request: Request) -> Request:
    """AWS's runtime, where it should send UTF-8, sends an init error in Latin-1."""
    if request.endpoint != "POST init/error" or not isinstance(request.body, bytes):
        return request
    return replace(request, body=jsontext.parse(request.body.decode("latin-1")), layout="usual")


# The context.


def _bad_context(what: str, found: str) -> Callable[[int], Phase]:
    message = f"Unable to parse {what} JSON: found {found}, expected an object"
    return lambda number: failed(number, "Runtime.LambdaContextUnmarshalError", message)


def _client_context_is(text: str) -> Callable[[int], Phase]:
    return lambda number: answered(number, text)


_NO_CLIENT = _client_context_is("ClientContext([custom=None,env=None,client=None])")
_context_is_no_object = _event_instead(
    {
        "client context: client is a list": _NO_CLIENT,
        "client context: client is text": _NO_CLIENT,
        "client context: client is a number": _NO_CLIENT,
        "client context: false": _bad_context("Client Context", "bool"),
        "client context: zero": _bad_context("Client Context", "int"),
        "client context: a number": _bad_context("Client Context", "int"),
        "client context: a string": _bad_context("Client Context", "str"),
        "client context: a list": _bad_context("Client Context", "list"),
        "identity: a list": _bad_context("Cognito Identity", "list"),
        "identity: a number": _bad_context("Cognito Identity", "int"),
        "identity: a string": _bad_context("Cognito Identity", "str"),
    }
)
_odd_headers = _instead(
    {
        **{
            f"context: a deadline {what}": record(answered(0, 0))
            for what in ("that is empty", "of zero", "that is no number", "below zero")
        },
        "content type: no such header": record(answered(0, ["dict", "{'a': 1}"])),
        "content type: an empty header": record(answered(0, ["dict", "{'a': 1}"])),
    }
)

# Logging and output.


def _extra_kept(case: Case, record: Record) -> Record:
    if not case.name.endswith(": extra that names members of the line"):
        return record

    def change(text: str) -> str:
        return re.sub(r'("message": "more"[^\n]*)\}\n', r'\1, "errorType": "e"}' + "\n", text)

    return rewrite.each_output(record, change)


def _no_exception_logged(case: Case, record: Record) -> Record:
    """`logger.exception()` where there is no exception: a line without one."""
    if not case.name.startswith("JSON") or not case.name.endswith(": exception() with no exception"):
        return record
    number = case.event or 0
    line = (
        '{"timestamp": "<time>", "level": "ERROR", "message": "none", "logger": "root", '
        f'"requestId": "r{number}", "location": "<string>:<module>:1"}}\n'
    )
    phase = answered(number, "fine")
    if case.program.telemetry:
        phase = replace(phase, frames=(Frame("A55A0016", line, "now"),))
    else:
        phase = replace(phase, stdout=line)
    return replace(record, phases=(phase,))


_LOGGED_SURROGATE = "[WARNING]\t<time>\tr{0}\t\\ud800x\n"
_LOGGED_SURROGATE_JSON = (
    '{{"timestamp": "<time>", "level": "WARNING", "message": "\\ud800x", '
    '"logger": "root", "requestId": "r{0}"}}\n'
)
_surrogates_in_logs = _instead(
    {
        "a message with a lone surrogate": record(
            *(answered(number, "fine", _LOGGED_SURROGATE.format(number)) for number in (0, 1))
        ),
        "a message with a lone surrogate, as JSON": record(
            *(answered(number, "fine", _LOGGED_SURROGATE_JSON.format(number)) for number in (0, 1))
        ),
        "a message with a lone surrogate, as a frame": record(
            *(
                replace(
                    answered(number, "fine"),
                    frames=(Frame("A55A0003", _LOGGED_SURROGATE.format(number), "now"),),
                )
                for number in (0, 1)
            )
        ),
    }
)


def _streams_of_python(value: Any) -> Callable[[int], Phase]:
    return lambda number: answered(number, value)


_streams = _all_of(
    *(
        _event_instead(
            {
                f"{output}: sys.stdout.write": lambda number: answered(number, 4, "abc\n"),
                f"{output}: sys.stderr.write": lambda number: replace(answered(number, 4), stderr="abc\n"),
                f"{output}: the encoding": _streams_of_python(
                    ["utf-8", "utf-8", "backslashreplace", "backslashreplace"]
                ),
                f"{output}: print of a lone surrogate": lambda number: answered(number, None, "\\ud800\n"),
            }
        )
        for output in ("plain", "with frames")
    )
)

_closed_stdout = _instead(
    {
        "stdout is closed by the function, and an error follows": _fails_twice(
            "ValueError", "unseen", 5, 'raise ValueError("unseen")'
        )
    }
)
_inherited = _instead(
    {
        "what child processes inherit of open files": record(
            replace(answered(0, "1\n"), frames=(Frame("A55A0003", "frame", "now"),))
        )
    }
)

# Files of the function that are called like modules of the standard library.

_SHADOWED = (
    "json", "logging", "string", "traceback", "token", "decimal", "importlib", "re", "enum", "contextlib",
    "functools", "collections", "linecache", "simplejson", "weakref",
)  # fmt: skip
_shadows = _instead(
    {
        **{
            f"path: the function has its own {module}.py": record(
                answered(0, ["mine", "a"]),
                failed(1, "ValueError", "reported", frame(5, 'raise ValueError("reported")')),
                failed(
                    2,
                    "Runtime.MarshalError",
                    "Unable to marshal response: Object of type set is not JSON serializable",
                ),
                answered(3, ["mine", "b"]),
            )
            for module in _SHADOWED
        },
        "path: the function has its own logging.py and logs an error": record(
            failed(0, "ValueError", "mine", frame(3, "raise ValueError(logging.WORD)"))
        ),
        "path: the function has its own json.py and SnapStart": record(
            Phase("init", (restored(),)), answered(0, "mine")
        ),
        "path: a module of the function fails like a missing one": init_failed(
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'not_there'",
            more={
                "notes": [_searched("not_there")],
                **_missing(
                    "not_there", (1, "import traceback", "app.py"), (1, "import not_there", "traceback.py")
                ),
            },
        ),
    }
)


def _own_bootstrap_py(case: Case, record: Record) -> Record:
    if case.name != "the handler's file is called bootstrap.py and raises":
        return record
    phase = failed(
        0,
        "ValueError",
        "x",
        frame(3, "helper.fail()", file="bootstrap.py"),
        frame(2, "raise ValueError('x')", "fail", "helper.py"),
    )
    return replace(record, phases=(Phase("init"), phase))


# Trouble with the Runtime API.

# What the runtimes do when the Runtime API refuses a post, and the process goes on: the next event's answer.
_NEXT_ANSWERS: Dict[str, Phase] = {
    **{
        f"{what} meets {status}": answered(1, 3)
        for status in (400, 403, 410, 413)
        for what in ("an answer", "an error")
    },
    "an answer that is not JSON meets 410": failed(
        1,
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type set is not JSON serializable",
    ),
    "an answer of seven megabytes meets 413": answered(1, 2),
}


def _goes_on(case: Case, record: Record) -> Record:
    if case.name not in _NEXT_ANSWERS:
        return record
    last = replace(record.phases[-1], stderr="")
    if case.name == "an error meets 413":
        last = replace(last, requests=(*last.requests, replace(last.requests[-1], cause=None)))
    return replace(record, phases=(*record.phases[:-1], last, _NEXT_ANSWERS[case.name]), ending=WAITS)


_LAST_WORDS = (
    *(f"{what} meets {status}" for status in (404, 500) for what in ("an answer", "an error")),
    *(
        f"the server {ends}{where}"
        for ends in (
            "closes the connection",
            "answers next with 403",
            "answers next with 500",
            "answers next with bytes that are not HTTP",
        )
        for where in ("", ", on python3.12")
    ),
    "no request id",
    "nobody listens",
    "an address without a port",
    "an address of colons",
)


def _ends_with_a_line(case: Case, record: Record) -> Record:
    """One line on stderr instead of one on stdout and a traceback."""
    if case.name not in _LAST_WORDS:
        return record
    last = record.phases[-1]
    last = replace(last, stdout=last.stdout.replace(OWN_LINES, ""), stderr=OWN_LINES)
    return replace(record, phases=(*record.phases[:-1], last))


_REFUSED_REPORTS = {
    "nobody listens for the init error": 1,
    "an init error of the only worker that meets 500": 1,
    "the server answers 400 to the init error": 1,
    "the server answers 403 to the init error": 1,
    "the server answers 500 to the init error": 1,
    "SnapStart: init/error answers 500 for a before hook": 64,
    "SnapStart: restore/error answers 403": 65,
}


def _refused_report(case: Case, record: Record) -> Record:
    """A line in the log instead of a traceback, and the exit status of what was to be reported."""
    if case.name not in _REFUSED_REPORTS:
        return record
    phase = record.phases[-1]
    phase = replace(phase, stdout=phase.stdout + OWN_LINES, stderr="")
    return Record((*record.phases[:-1], phase), f"exit status {_REFUSED_REPORTS[case.name]}")


def _accepted_report(case: Case, record: Record) -> Record:
    """200 says that the report has arrived as well as 202 does."""
    if case.name != "the server answers 200 to the init error":
        return record
    return rewrite.each_phase(record, lambda phase: replace(phase, stderr=""))


def _refused_restore(case: Case, record: Record) -> Record:
    """The error is ours, so it has our words."""
    words = {
        "SnapStart: restore/next answers 403": '403 {"errorMessage":"State transition is not allowed",'
        '"errorType":"InvalidStateTransition"}',
        "SnapStart: restore/next answers 500": '500 {"errorMessage":"Internal Server Error",'
        '"errorType":"InternalServerError"}',
    }
    if case.name not in words:
        return record
    body = record.phases[-1].requests[-1].body
    message = f"GET /2018-06-01/runtime/restore/next returned {words[case.name]}, expected 200"
    record = rewrite.retold(record, body["errorMessage"], message)
    return rewrite.retold(record, body["errorType"], "RuntimeApiError")


_hopeless = _instead(
    {
        "an empty request id": Record((Phase("init"), Phase("event 0", stderr=OWN_LINES)), "exit status 1"),
        "an address of colons for the init error": Record(
            (Phase("init", stderr=OWN_LINES),), "exit status 1"
        ),
        "no address": Record(
            (
                Phase(
                    "init",
                    stderr="AWS_LAMBDA_RUNTIME_API is not set: this program is a runtime that AWS Lambda "
                    "starts.\nTo run a function on your machine, use `make run` in the source folder of this "
                    "runtime.\n",
                ),
            ),
            "exit status 2",
        ),
    }
)


def _all_workers_failed(case: Case, record: Record) -> Record:
    if not case.name.startswith("an init error of all workers"):
        return record
    return replace(record, ending="exit status 1")


def _no_pool_record(case: Case, record: Record) -> Record:
    if case.name != "a level shows the worker pool":
        return record
    return rewrite.each_output(
        record, lambda output: re.sub(r".*runtime_worker_pool_initializing.*\n", "", output)
    )


_STOPS = record(answered(0, 1), Phase("after the last event", stdout="stopping\n"), ending="exit status 0")
_sigterm = _instead(
    {
        "SIGTERM, and the function handles it": _STOPS,
        "SIGTERM, and the function handles it, on python3.12": _STOPS,
    }
)
_RAISED = (
    "[ERROR] ValueError: stop\rTraceback (most recent call last):\r\u00a0\u00a0"
    "File \"/var/task/app.py\", line 3, in stop\r\u00a0\u00a0\u00a0\u00a0raise ValueError('stop')\n"
)
_after_sigterm = _instead(
    {
        "SIGTERM, and the function goes on": record(
            answered(0, 1), Phase("after the last event", stdout="not yet\n"), ending="exit status 143"
        ),
        "SIGTERM, and the function goes on, and atexit": record(
            answered(0, 1),
            Phase("after the last event", stdout="not yet\natexit\n"),
            ending="exit status 143",
        ),
        "SIGTERM, and the function's handler raises": record(
            answered(0, 1), Phase("after the last event", stdout=_RAISED), ending="exit status 1"
        ),
    }
)
_SIGTERM_HANDLERS = (
    "SIGTERM, and the function handles it",
    "SIGTERM, and the function handles it, on python3.12",
    "SIGTERM, and the function goes on",
    "SIGTERM, and the function goes on, and atexit",
    "SIGTERM, and the function's handler raises",
)


def _registered(case: Case, record: Record) -> Record:
    """The calls of an extension, before the init phase ends."""
    if case.name not in _SIGTERM_HANDLERS:
        return record
    init = replace(record.phases[0], requests=registered())
    return replace(record, phases=(init, *record.phases[1:]))


# The context's own.


def _after_response(case: Case, record: Record) -> Record:
    if case.name != "context: its public names":
        return record
    return rewrite.each_request(
        record, lambda request: replace(request, body=["after_response", *request.body])
    )


# Streams: what a generator yields. Each of these functions gets two events.


def _twice(phase: Callable[[int], Phase]) -> Record:
    return record(phase(0), phase(1))


def _streams_twice(body: bytes, stdout: str = "", content_type: str = _BYTES) -> Record:
    return _twice(lambda number: streamed(number, body, stdout=stdout, content_type=content_type))


def _breaks_twice(
    error_type: str,
    message: str,
    line: int,
    source: str,
    *,
    body: bytes = b"a",
    content_type: str = _BYTES,
    more: Dict[str, Any] | None = None,
) -> Record:
    """The stream ends with an error, at both events."""
    at = frame(line, source)
    error = (error_type, message)
    return _twice(
        lambda number: streamed(number, body, at, error=error, content_type=content_type, more=more)
    )


_streams_of_chunks = _instead(
    {
        "stream: a generator": _streams_twice(b"first, second"),
        "stream: a generator expression": _streams_twice(b"012"),
        "stream: text is UTF-8": _streams_twice("hé 中 😀".encode()),
        "stream: bytes of all kinds": _streams_twice(b"\0\xffab"),
        "stream: nothing": _streams_twice(b""),
        "stream: empty chunks": _streams_twice(b"end"),
        "stream: a chunk of 100 000 bytes": _streams_twice(b"x" * 100_000 + b"y"),
        "stream: a value that is returned at the end": record(
            *(streamed(number, b"a", stdout=OWN_LINES) for number in (0, 1))
        ),
        "stream: an object that acts like a generator": _streams_twice(b"ab", "closed\n"),
        "stream: a generator of a library function": _streams_twice(b"a"),
        "stream: a proxy of a generator": _streams_twice(b"a"),
        "stream: an asynchronous generator": _streams_twice(b"ab"),
        "stream: a coroutine that returns a generator": _streams_twice(b"a"),
        "stream: output while it streams": _streams_twice(b"a", "one\ntwo\n"),
        "stream: work after it": _streams_twice(b"a", "at its end\nafter\n"),
        "stream: with an invocation id": record(streamed(0, b"a", invocation_id="inv-9")),
        **{
            f"stream: {name}": _fails_twice("ValueError", "early", 2, "raise ValueError('early')")
            for name in ("an error before the first chunk", "an error before the first chunk, asynchronous")
        },
        **{
            f"stream: {name}": _breaks_twice("ValueError", "midway", 3, "raise ValueError('midway')")
            for name in ("an error midway", "an error midway, asynchronous")
        },
        "stream: an error midway with a cause and a note": _breaks_twice(
            "ValueError",
            "wrapped",
            8,
            "raise late from error",
            more={
                "notes": ["a note"],
                "cause": described("KeyError", "'missing'", frame(4, "{}['missing']")),
            },
        ),
        "stream: KeyboardInterrupt midway": _breaks_twice(
            "KeyboardInterrupt", "", 3, "raise KeyboardInterrupt"
        ),
        "stream: sys.exit midway": record(
            streamed(0, b"a", frame(4, "sys.exit(4)"), error=("SystemExit", _EXITS.format(4))),
            ending="exit status 4",
        ),
        "stream: a number first": _fails_twice("TypeError", _NO_CHUNK.format("int"), 2, "yield 1"),
        "stream: a number midway": _breaks_twice("TypeError", _NO_CHUNK.format("int"), 3, "yield 1"),
        "stream: a bad chunk is raised at its yield": _fails_twice(
            "TypeError", _NO_CHUNK.format("NoneType"), 3, "yield None"
        ),
        "stream: a lone surrogate": _breaks_twice(
            "UnicodeEncodeError",
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
            3,
            "yield '\\ud800'",
        ),
        **{
            f"a stream meets {status}": record(streamed(0, b"a", stdout=OWN_LINES), streamed(1, b"a"))
            for status in (400, 403, 410, 413)
        },
        **{
            f"a stream meets {status}": record(
                replace(streamed(0, b"a"), stderr=OWN_LINES), ending="exit status 1"
            )
            for status in (404, 500)
        },
    }
)
_NULS = bytes(8)
_heads = _instead(
    {
        "stream: a head": _streams_twice(
            '{"statusCode": 201, "headers": {"x": "é"}, "cookies": ["a=1"]}'.encode() + _NULS + b"body",
            content_type=_HTTP_RESPONSE,
        ),
        "stream: a head without a body": _streams_twice(b"{}" + _NULS, content_type=_HTTP_RESPONSE),
        "stream: an asynchronous generator that waits": _streams_twice(
            b'{"statusCode": 404}' + _NULS + b"a", content_type=_HTTP_RESPONSE
        ),
        "stream: an error after a head": _breaks_twice(
            "ValueError",
            "no body",
            3,
            "raise ValueError('no body')",
            body=b"{}" + _NULS,
            content_type=_HTTP_RESPONSE,
        ),
        "stream: a head midway": _breaks_twice(
            "TypeError",
            "A dict was yielded after the first chunk. A dict holds status and headers, which come first. "
            "To send JSON, yield json.dumps(…)",
            3,
            "yield {'statusCode': 500}",
        ),
        "stream: a head with another key": _fails_twice(
            "ValueError",
            "The first chunk is a dict with the key 'status'. A dict holds status and headers: statusCode, "
            "headers, multiValueHeaders, cookies. To send JSON, yield json.dumps(…)",
            2,
            "yield {'status': 200}",
        ),
    }
)

# Awaitables.

_MISSING_AT_3 = described("KeyError", "'missing'", frame(3, "{}['missing']"))


def _answers_twice(value: Any) -> Record:
    return _twice(lambda number: answered(number, value))


_awaited = _instead(
    {
        "awaited: a value": record(answered(0, {"a": 1}), answered(1, {"a": 2})),
        "awaited: bytes": _twice(lambda number: answered_raw(number, b"\0")),
        "awaited: None": _answers_twice(None),
        "awaited: a value that JSON cannot hold": _twice(
            lambda number: failed(
                number,
                "Runtime.MarshalError",
                "Unable to marshal response: Object of type set is not JSON serializable",
            )
        ),
        "awaited: an awaitable of the function's own": _answers_twice("done"),
        "awaited: a task": _answers_twice("done"),
        "awaited: a coroutine within": _answers_twice(1),
        "awaited: the loop that lasts": _answers_twice(1),
        "awaited: an exception": _fails_twice("ValueError", "bad thing", 2, "raise ValueError('bad thing')"),
        "awaited: an exception with a cause": _fails_twice(
            "ValueError", "wrapped", 5, "raise ValueError('wrapped') from error", {"cause": _MISSING_AT_3}
        ),
        "awaited: an exception two awaits deep": _twice(
            lambda number: failed(
                number,
                "ValueError",
                "deep",
                frame(4, "await fail()"),
                frame(2, "raise ValueError('deep')", "fail"),
            )
        ),
        "awaited: a group of exceptions": _fails_twice(
            "ExceptionGroup",
            "eg (1 sub-exception)",
            2,
            "raise ExceptionGroup('eg', [ValueError('a')])",
            {"exceptions": [described("ValueError", "a")]},
        ),
        "awaited: KeyboardInterrupt": _fails_twice("KeyboardInterrupt", "", 2, "raise KeyboardInterrupt"),
        "awaited: a CancelledError": _fails_twice(
            "CancelledError", "c", 3, "raise asyncio.CancelledError('c')"
        ),
        "awaited: a BaseException": _fails_twice("BaseException", "be", 2, "raise BaseException('be')"),
        "awaited: sys.exit": _exits("3", 3, 3, "sys.exit(3)"),
    }
)

# Everywhere.

_suggestions = _with_more(
    {"a space at the end of the handler string": {"notes": ["Did you mean 'handler'?"]}}
)


def _error_type(request: Request) -> Request:
    """`Function.` and the class, without what is not a letter, digit, dot or underscore in ASCII."""
    is_error = request.endpoint.endswith("/error") and isinstance(request.body, dict)
    if not is_error or (request.error_type or "").startswith("Runtime."):
        return request
    name = re.sub(r"[^A-Za-z0-9._]", "", request.body["errorType"])
    if not name.startswith("Runtime."):
        name = f"Function.{name}" if re.match(r"[A-Z][a-zA-Z]", name) else "Function.Unknown"
    return replace(request, error_type=name)


def _init_content_type(request: Request) -> Request:
    if request.endpoint in ("POST init/error", "POST restore/error"):
        return replace(request, content_type="application/json")
    return request


def _cause_fits(request: Request) -> Request:
    return replace(request, big_cause=False)


def _on_record(change: Callable[[Record], Record]) -> Expectation:
    return lambda case, record: change(record)


DIFFERENCES: Tuple[Difference, ...] = (
    Difference(
        "streams",
        "A handler that yields streams its response: each `bytes` or `str` is sent at once",
        "AWS's runtime cannot stream, and fails to encode the generator. An error midway ends the stream, "
        "and Lambda is told.",
        _streams_of_chunks,
    ),
    Difference(
        "heads",
        "A `dict` that is yielded first is the head of an HTTP response: `statusCode`, `headers`, `cookies`",
        "From there function URLs and API Gateway take the status and the headers of a streamed response.",
        _heads,
    ),
    Difference(
        "async",
        "`async` handlers are awaited",
        "AWS's runtime cannot encode the coroutine and fails.",
        _all_of(
            _event_instead({"error: a coroutine is returned": lambda number: answered(number, 1)}), _awaited
        ),
    ),
    Difference(
        "after-response",
        "`context.after_response(f, *args)` calls `f` when the response has been sent",
        "The caller need not wait for work whose result it does not get. AWS's context has no such method.",
        _after_response,
    ),
    Difference(
        "nested-handlers",
        "A handler may be inside an object or a class: `app.api.create`",
        "AWS's runtime takes all but the last name for modules, and finds none.",
        _nested_handlers,
    ),
    Difference(
        "not-callable",
        "A handler that is not callable is an init error, `Runtime.HandlerNotFound`",
        "It shows when the function is deployed or started, not at each invocation.",
        _not_callable,
    ),
    Difference(
        "malformed-handler",
        "A handler string that names no module is `Runtime.MalformedHandlerName`, and says what was expected",
        "AWS's runtime passes on what Python says about its own inner workings, such as `not enough "
        "values to unpack`.",
        _handler_strings,
    ),
    Difference(
        "exits-are-reported",
        "`sys.exit` is reported to the caller before the process ends, with the status that was asked for",
        "With AWS's runtime the caller learns only that the runtime exited. While loading, status 0 "
        "becomes 1. In a SnapStart hook, where both runtimes end with 64 or 65, only the message differs.",
        _exits_are_reported,
    ),
    Difference(
        "base-exceptions",
        "`KeyboardInterrupt`, `CancelledError` and other exceptions that are no `Exception` are reported "
        "like any other",
        "They end AWS's runtime, and nothing is reported.",
        _base_exceptions,
    ),
    Difference(
        "unprintable-errors",
        "Any exception can be reported: one whose `__str__` raises, whose text holds half a character, "
        "whose class "
        "has a line break in its name",
        "They end AWS's runtime, and nothing is reported.",
        _unprintable,
    ),
    Difference(
        "import-notes",
        "When a module cannot be imported, `notes` say where it was searched for, or which extension module "
        "is for another Python or another machine",
        "The usual reasons are a package that is not in the zip, and one that was installed for the computer "
        "which made the zip.",
        _import_notes,
    ),
    Difference(
        "wrong-arguments",
        "When a handler cannot take two arguments, a note says how Lambda calls it",
        "Python says only that a call has failed, one that is nowhere in the function.",
        _wrong_arguments,
    ),
    Difference(
        "causes",
        "Errors tell more: `cause`, `notes` and `exceptions` in the payload, the full chain in the log",
        "What caused an error is often what one looks for, above all for an import that failed. The four "
        "usual "
        "members are the same.",
        _causes,
    ),
    Difference(
        "json-words",
        "What is wrong with a malformed event is said in the words of Python's `json` module",
        "AWS's runtime uses another JSON library. The type, `Runtime.UnmarshalError`, is the same.",
        _words_of_json,
    ),
    Difference(
        "half-characters",
        "Lone surrogates in an answer are sent as escapes, whatever AWS_EXECUTION_ENV says",
        "They end AWS's runtime for Python 3.12 and newer.",
        _surrogates_in_answers,
    ),
    Difference(
        "context-objects",
        "A client context or identity that is JSON but no object is `Runtime.LambdaContextUnmarshalError`; "
        "a `client` in it that is no object is ignored",
        "AWS's runtime raises an `AttributeError` about itself.",
        _context_is_no_object,
    ),
    Difference(
        "odd-headers",
        "An event with an odd deadline, or without Content-Type, is handled",
        "It ends AWS's runtime by a signal.",
        _odd_headers,
    ),
    Difference(
        "bootstrap-py",
        "The trace is whole in a file of yours called `bootstrap.py`",
        "AWS's runtime takes such frames for its own and leaves them out.",
        _own_bootstrap_py,
    ),
    Difference(
        "extra-kept",
        "In JSON logs, `extra={'errorType': …}` is kept where no exception is logged",
        "AWS's formatter drops extra members of the names that it uses for exceptions.",
        _extra_kept,
    ),
    Difference(
        "no-exception-logged",
        "In JSON logs, `logger.exception()` works where no exception is being handled",
        "AWS's formatter raises an `AttributeError`, which fails the invocation.",
        _no_exception_logged,
    ),
    Difference(
        "half-characters-in-logs",
        "Lone surrogates can be logged and printed; they appear as escapes",
        "With AWS's runtime a log line with one fails the invocation.",
        _all_of(_surrogates_in_logs, _streams),
    ),
    Difference(
        "closed-stdout",
        "An error is logged and reported although the function has closed `sys.stdout`",
        "AWS's runtime ends because it cannot log the error.",
        _closed_stdout,
    ),
    Difference(
        "descriptors",
        "Child processes do not inherit the connection to the Runtime API",
        "AWS's runtime leaves its sockets open to them.",
        _inherited,
    ),
    Difference(
        "shadowed-modules",
        "Your files may be called like modules of the standard library: `json.py`, `logging.py`, "
        "`token.py` …",
        "They break AWS's package awslambdaric, because it imports its own needs from your folder.",
        _shadows,
    ),
    Difference(
        "refused-posts",
        "The process goes on when an answer is refused: it came too late, or was too large",
        "AWS's runtime ends, and the next event waits for a new start. An error report that is refused "
        "as too "
        "large is sent once more, shortened.",
        _goes_on,
    ),
    Difference(
        "last-words",
        "When the Runtime API fails, the log ends with one line that says what happened",
        "AWS's runtime logs a line and the traceback of its own code.",
        _all_of(_ends_with_a_line, _hopeless),
    ),
    Difference(
        "refused-reports",
        "An init error or restore error that is refused is logged, and the exit status is that of the error",
        "AWS's runtime ends with a traceback of its own code, and status 1.",
        _all_of(_refused_report, _accepted_report, _refused_restore),
    ),
    Difference(
        "workers-status",
        "With several invocations at once, a function that cannot be loaded ends the process with status 1",
        "AWS's runtime ends with status 0, as if nothing had happened.",
        _all_workers_failed,
    ),
    Difference(
        "pool-record",
        "With several invocations at once, no DEBUG record tells the number of workers",
        "AWS_LAMBDA_MAX_CONCURRENCY says it; and the process that would log it serves nothing itself.",
        _no_pool_record,
    ),
    Difference(
        "sigterm",
        "A function's SIGTERM handler is called while it waits for an event",
        "AWS's runtimes up to Python 3.11 wait in C code, where Python's signal handlers do not run; "
        "newer ones wait in a thread, which may keep the process from ending.",
        _sigterm,
    ),
    Difference(
        "after-sigterm",
        "After the function's SIGTERM handler the process ends with status 143, and `atexit` functions are "
        "called",
        "Lambda kills it half a second later in any case.",
        _after_sigterm,
    ),
    Difference(
        "sigterm-extension",
        "A function that handles SIGTERM is registered as an internal extension",
        "Lambda sends SIGTERM only to environments that have an extension, so the handler would never be "
        "called. Other functions are not registered.",
        _registered,
    ),
    Difference(
        "marshal-notes",
        "When a response holds what JSON cannot, `notes` say where it is and what to return instead",
        "In a large response it is hard to find, and its type, such as `map`, does not say what to do. "
        "The message is that of AWS's runtime.",
        _marshal_notes,
    ),
    Difference(
        "did-you-mean",
        "A handler setting that is nearly right gets a suggestion in `notes`",
        "`creat` for `create`, or a file name such as `app/orders.py`.",
        _suggestions,
    ),
    Difference(
        "init-error-encoding",
        "An init error with non-ASCII text is valid JSON",
        "AWS's runtime for Python 3.12 and newer sends it in Latin-1.",
        _each_request(_init_error_in_utf8),
    ),
    Difference(
        "utf-8",
        "Non-ASCII text is sent and logged as UTF-8, on every version of Python",
        "It is the same JSON, but shorter than escapes, so more fits into 6 MB. AWS's runtime does so "
        "from Python "
        "3.12 on.",
        _utf8,
    ),
    Difference(
        "no-import-frames",
        "The stack trace of an init error begins with your file",
        "AWS's runtime shows seven frames of Python's import system first.",
        _on_record(rewrite.without_import_frames),
    ),
    Difference(
        "no-update-warning",
        "No `LAMBDA_WARNING` is logged: about updates of the managed runtime, with init errors; about "
        "preview runtimes",
        "Only you update this runtime.",
        _on_record(rewrite.without_warning_line),
    ),
    Difference(
        "no-empty-traceback",
        "`Traceback (most recent call last):` is logged only if frames follow",
        "AWS's runtime logs it also for errors that have none.",
        _on_record(rewrite.without_empty_tracebacks),
    ),
    Difference(
        "error-type",
        "The type of an error is sent to Lambda in its own header too, as `Function.ValueError`",
        "Lambda uses it for metrics and platform logs. AWS's runtime sends none for invocations, and one "
        "that Lambda "
        "does not understand for init errors.",
        _each_request(_error_type),
    ),
    Difference(
        "init-error-is-json",
        "Init errors are sent with `Content-Type: application/json`",
        "AWS's runtime sends none.",
        _each_request(_init_content_type),
    ),
    Difference(
        "xray-limit",
        "What X-Ray gets of an error stays below 64 KiB: of a long trace the innermost frames",
        "Of what is longer, Lambda keeps nothing; an endless recursion is enough.",
        _each_request(_cause_fits),
    ),
)


def as_markdown() -> str:
    """The list as a table for the README."""
    rows = [f"| {difference.title} | {difference.reason} |" for difference in DIFFERENCES]
    return "\n".join(["| What differs | Why |", "| --- | --- |", *rows])

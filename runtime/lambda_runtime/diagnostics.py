"""Describe an exception for Lambda: an error payload, an X-Ray cause, lines for the log.

The payload has the four members of AWS's runtime. ``cause``, ``notes`` and ``exceptions`` are added if they
have content. The result is well-formed and below Lambda's limits for every exception, even if its
``__str__`` raises, its message has megabytes, or its class's name contains a line break.

This module is loaded at the start, although most functions never need it: at the first error, the function
may have used up the memory or the descriptors that an import takes.
"""

from __future__ import annotations

import io
import os
from _frozen_importlib_external import decode_source

from . import codec, process_exit
from .errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

# Managed instances refuse an error body of 1 MiB or more. Lambda drops the frames of an X-Ray cause above 64
# KiB. Both limits apply to the encoded text, so ours leave a margin.
PAYLOAD_LIMIT_BYTES = 900_000
XRAY_LIMIT_BYTES = 60_000
MESSAGE_LIMIT_CHARACTERS = 1_000_000
NAME_LIMIT_CHARACTERS = 10_000
# The sizes of an error report to try, in this order: the number of innermost frames (None: all frames, and
# the members that AWS's runtime does not have), and the characters of the message.
_PAYLOAD_SIZES = (
    (None, MESSAGE_LIMIT_CHARACTERS * 2),
    (None, 60_000),
    (10, 1000),
    (5, 400),
    (2, 200),
    (0, 150),
)
REPETITIONS_SHOWN = 3  # of a line that calls itself, as in `traceback`
HANDLER_CALL = "call_handler"  # the function in `main` that calls the handler
NOTES_LIMIT = 20
MEMBERS_LIMIT = 20
CHAIN_LIMIT = 50  # causes of causes, groups within groups
RESERVE_BYTES = 4_194_304

# Memory to describe an error in when the function has used up all of it. It is released for a MemoryError
# only: fresh pages take address space but no memory, while malloc would clear, and so touch, pages that it
# returns a second time.
reserve: bytes | None = bytes(RESERVE_BYTES)

# Messages of asyncio.get_running_loop(), and of get_event_loop() since Python 3.14.
_NO_EVENT_LOOP = ("no running event loop", "There is no current event loop in thread 'Main")

# The interpreter's own fields of exceptions and classes. A class may override the attributes of the same
# names by ones that raise or lie.
_traceback = BaseException.__dict__["__traceback__"].__get__
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppress_context = BaseException.__dict__["__suppress_context__"].__get__
_exit_code = SystemExit.__dict__["code"].__get__
_class_name = type.__dict__["__name__"].__get__
_bases = type.__dict__["__mro__"].__get__

_OWN_FOLDER = os.path.join(os.path.dirname(__file__), "")
_DEBUGGERS = [os.path.join(os.path.dirname(os.__file__), name) for name in ("bdb.py", "pdb.py")]
_EVENT_LOOP_FOLDER = os.path.join(os.path.dirname(os.__file__), "asyncio", "")
_PYPY_CONTEXT_FILE = os.path.join(os.path.dirname(os.__file__), "_contextvars.py")  # event loops call it
_OWN_PATHS = (_OWN_FOLDER, _EVENT_LOOP_FOLDER, "uvloop/", _PYPY_CONTEXT_FILE, "<frozen importlib")


class Frame:
    """One line of a stack trace."""

    def __init__(self, path: str, line_number: int, function: str, source: str) -> None:
        self.path = path
        self.line_number = line_number
        self.function = function
        self.source = source  # the line itself, without indentation; "" if it cannot be read

    def is_same_place(self, other: Frame) -> bool:
        """Whether both are calls from the same line, as in a recursion."""
        return (self.path, self.line_number, self.function) == (other.path, other.line_number, other.function)


class Diagnostic:
    """The description of an exception, as a value that does not keep the exception or its frames alive."""

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type = error_type
        self.message = message
        self.stack_trace: list[str] = []  # entries as `traceback.format_list` makes them
        self.frames: list[Frame] = []
        self.xray_type = error_type
        self.cause: Diagnostic | None = None
        self.notes: list[str] = []
        self.exceptions: list[Diagnostic] = []  # of an exception group

    @property
    def header_type(self) -> str:
        """The type for metrics: ``Runtime.…`` unchanged, a class's name as ``Function.…`` (runtimes-api)."""
        allowed = (
            char for char in self.error_type[:200] if char.isascii() and (char.isalnum() or char in "._")
        )
        name = "".join(allowed)
        if name.startswith("Runtime."):
            return name
        return f"Function.{name}" if name[:1].isupper() and name[1:2].isalpha() else "Function.Unknown"

    def entries(self, request_id: str) -> dict[str, Any]:
        """The members of the error payload, in order."""
        return {**self._head(), "requestId": request_id, "stackTrace": self.stack_trace, **self._more()}

    def payload(self, request_id: str, limit_bytes: int = PAYLOAD_LIMIT_BYTES) -> bytes:
        """The body of an error report: everything, or as much as ``limit_bytes`` (2,000 or more) can hold."""
        for frames, characters in _PAYLOAD_SIZES:
            try:
                body = _encode(self._entries_within(request_id, frames, characters))
            except MemoryError:
                continue
            if len(body) <= limit_bytes:
                break
        return body

    def _entries_within(self, request_id: str, frames: int | None, characters: int) -> dict[str, Any]:
        entries = {**self.entries(request_id), "errorMessage": _shorten(self.message, characters)}
        if frames is None:
            return entries
        entries["errorType"] = self.error_type[: min(characters, 200)]
        entries["stackTrace"] = [entry[:300] for entry in self.stack_trace[len(self.stack_trace) - frames :]]
        return {name: entries[name] for name in ("errorMessage", "errorType", "requestId", "stackTrace")}

    def xray_cause(self) -> str:
        """JSON for the X-Ray header: ASCII, below 64 KiB; of a long trace only the innermost frames."""
        frames = self.frames
        message, name = (
            _shorten(self.message, 3000),
            _shorten(self.xray_type, 1000),
        )  # at most 12 bytes per character
        while True:
            text = _encode_xray(name, message, frames)
            if len(text) <= XRAY_LIMIT_BYTES:
                return text
            frames = frames[(len(frames) + 1) // 2 :]

    def lines(self) -> list[str]:
        """Lines for the log: the error, its trace, notes, causes."""
        headline = self._headline()
        lines = [f"[ERROR] {headline}" if headline else "[ERROR]"]
        if self.stack_trace:
            lines.append("Traceback (most recent call last):")
        lines.extend(line for entry in self.stack_trace for line in entry.splitlines())
        lines.extend(self._tail_lines())
        return lines

    def _tail_lines(self) -> list[str]:
        lines = [*self.notes]
        for member in self.exceptions:
            lines.append(f"Exception of the group: {member._headline()}")
            lines.extend(line for entry in member.stack_trace for line in entry.splitlines())
            lines.extend(f"  {line}" for line in member._tail_lines())
        if self.cause is not None:
            lines.append(f"Caused by: {self.cause._headline()}")
            lines.extend(line for entry in self.cause.stack_trace for line in entry.splitlines())
            lines.extend(self.cause._tail_lines())
        return lines

    def _headline(self) -> str:
        return ": ".join(part for part in (self.error_type, self.message) if part)

    def _head(self) -> dict[str, Any]:
        return {"errorMessage": self.message, "errorType": self.error_type}

    def _more(self) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self.notes:
            more["notes"] = self.notes
        if self.cause is not None:
            more["cause"] = self.cause._nested()
        if self.exceptions:
            more["exceptions"] = [one._nested() for one in self.exceptions]
        return more

    def _nested(self) -> dict[str, Any]:
        return {**self._head(), "stackTrace": self.stack_trace, **self._more()}


def describe(exception: BaseException) -> Diagnostic:
    """Describe ``exception``, without the frames of this runtime.

    Never fails and imports nothing: the function may have used up its descriptors or its memory, or replaced
    `open` or `__import__`. Even then, the description has the type and the message.
    """
    global reserve
    try:
        diagnostic = _describe(exception, set(), CHAIN_LIMIT)
        diagnostic.notes += _advice(exception, diagnostic.frames)
        return diagnostic
    except BaseException:
        reserve = None
        return Diagnostic(_name(type(exception)), message_of(exception))


def keep_reserve() -> None:
    """Reserve memory for the next error, if the previous error has used the reserve."""
    global reserve
    if reserve is None:
        try:
            reserve = bytes(RESERVE_BYTES)
        except MemoryError:
            pass


def _advice(exception: BaseException, frames: list[Frame]) -> list[str]:
    """Return a note about mistakes that are common on Lambda, whose messages do not lead to them."""
    if type(exception) is TypeError and _is_from_our_call(exception.__traceback__):
        return ["Lambda calls a handler with two arguments: def handler(event, context)"]
    if frames and frames[-1].path in _DEBUGGERS:  # BdbQuit, since 3.14 SystemExit
        return [
            "A debugger was ended by q, or because it had no terminal, as on Lambda. For a terminal, run the "
            "function in the emulator with --debug; in the debugger, c continues"
        ]
    if type(exception) is RuntimeError and message_of(exception).startswith(_NO_EVENT_LOOP):
        return [
            "An event loop runs only while an async handler does. Create what needs one, such as "
            "aiohttp.ClientSession, in the handler (async def) when it is first used, not at module level"
        ]
    return []


def _is_from_our_call(trace: TracebackType | None) -> bool:
    """Whether calling the handler failed, rather than the code in it."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    return code.co_name == HANDLER_CALL and code.co_filename.startswith(_OWN_FOLDER)


def _describe(exception: BaseException, seen: set[int], depth: int) -> Diagnostic:
    seen.add(id(exception))
    # Check the type, because isinstance() reads __class__, which the exception may override.
    fault: Any = exception if issubclass(type(exception), Fault) else None
    if fault is not None:
        diagnostic = Diagnostic(fault.error_type, fault.message)
        diagnostic.stack_trace = list(fault.stack_trace)
        diagnostic.xray_type = "LambdaValidationError"
    else:
        diagnostic = Diagnostic(
            _name(type(exception)), _shorten(message_of(exception), MESSAGE_LIMIT_CHARACTERS)
        )
        diagnostic.frames = _trace(_traceback(exception))
        diagnostic.stack_trace = _format(diagnostic.frames)
    diagnostic.notes = _notes(exception) if fault is None else list(fault.notes)
    cause = _cause(exception)
    if cause is None and not _suppress_context(exception):
        cause = _context(exception)
    if cause is not None and id(cause) not in seen:
        if depth == 0:
            diagnostic.notes.append("Further causes are left out")
            return diagnostic
        described = _describe(cause, seen, depth - 1)
        # The message of a fault repeats its cause, but does not say where in the function that was.
        if fault is None or (described.stack_trace and not diagnostic.stack_trace):
            diagnostic.cause = described
    members = _members(exception)
    shown = members[:MEMBERS_LIMIT] if depth else ()
    diagnostic.exceptions = [_describe(one, seen, depth - 1) for one in shown if id(one) not in seen]
    if len(members) > len(shown):
        diagnostic.notes.append(f"{len(members) - len(shown)} more exceptions of this group are left out")
    return diagnostic


def _members(exception: BaseException) -> tuple[BaseException, ...]:
    """The members of an exception group, also of the class that the package `exceptiongroup` has for 3.10."""
    for base in _bases(type(exception)):
        if _name(base) == "BaseExceptionGroup":
            try:
                members = base.__dict__["exceptions"].__get__(exception)
            except BaseException:
                break
            if type(members) is tuple and all(issubclass(type(one), BaseException) for one in members):
                return members
    return ()


def message_of(exception: BaseException) -> str:
    """The text of the exception, or why there is none."""
    if issubclass(type(exception), SystemExit):
        code = _represent(_exit_code(exception))
        effect = (
            "does not end a process that others share" if process_exit.is_shared else "ends its environment"
        )
        return f"The function called sys.exit({code}), which {effect}"
    try:
        return _plain(str(exception))
    except BaseException as error:
        problem = f"str() of this {_name(type(exception))} raised {_name(type(error))}"
    try:
        arguments = _plain(BaseException.__str__(exception))
    except BaseException:
        arguments = ""
    return f"{arguments} <{problem}>" if arguments else f"<no message: {problem}>"


def _plain(text: str) -> str:
    """The same text as a plain `str`, by the methods of `str`: a subclass may override them."""
    return str.encode(text, "utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


def _represent(value: object) -> str:
    if value is None:
        return ""
    try:
        return _plain(repr(value))
    except BaseException:
        return f"<{_name(type(value))}>"


def _notes(exception: Any) -> list[str]:
    try:
        notes = exception.__notes__
        kind: Any = list if issubclass(type(notes), list) else tuple  # by whose methods, see `_plain`
        shown, count = kind.__getitem__(notes, slice(NOTES_LIMIT)), kind.__len__(notes)
    except BaseException:  # there are none
        return []
    texts = [_shorten(_plain(note), 2000) for note in shown if issubclass(type(note), str)]
    if count > NOTES_LIMIT:
        texts.append(f"{count - NOTES_LIMIT} more notes are left out")
    return texts


def _name(kind: type) -> str:
    """The name of a class, even if its metaclass overrides ``__name__``."""
    return _shorten(_plain(_class_name(kind)), NAME_LIMIT_CHARACTERS)


def _trace(trace: TracebackType | None) -> list[Frame]:
    """The frames of the function, outermost first, without those of the runtime that called it."""
    while trace is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    frames = []
    files: dict[str, list[str]] = {}
    while trace is not None:
        code, number = trace.tb_frame.f_code, trace.tb_lineno or 0
        path = code.co_filename
        if path not in files:
            files[path] = _source_lines(path, trace.tb_frame.f_globals)
        source = files[path][number - 1].strip() if 0 < number <= len(files[path]) else ""
        frames.append(Frame(path, number, code.co_name, source))
        trace = trace.tb_next
    return frames


def _source_lines(path: str, module: dict[str, Any]) -> list[str]:
    """The lines of a source file, or of a module in a zip file; none if they cannot be read."""
    if path.startswith("<"):  # such as "<string>"
        return []
    try:
        try:
            with io.FileIO(path) as file:
                data = file.readall()
            try:
                text = data.decode().lstrip("\ufeff")
            except UnicodeDecodeError:  # the file declares another encoding (PEP 263)
                text = decode_source(data)
        except OSError:
            text = module["__loader__"].get_source(module["__name__"])
        return _plain(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except Exception:  # for example no file descriptor is left, or no memory
        return []


def _format(frames: list[Frame]) -> list[str]:
    """The entries of a stack trace as `traceback.format_list` makes them, without importing it.

    It would need a dozen modules, at a time when the function may have used up memory or descriptors.
    """
    entries: list[str] = []
    last, count = None, 0
    for frame in frames:
        if last is None or not frame.is_same_place(last):
            entries += _repetitions(count)
            last, count = frame, 0
        count += 1
        if count <= REPETITIONS_SHOWN:
            source = f"    {frame.source}\n" if frame.source else ""
            entry = f'  File "{frame.path}", line {frame.line_number}, in {frame.function}\n{source}'
            entries.append(_shorten(entry, 2000))
    return entries + _repetitions(count)


def _repetitions(count: int) -> list[str]:
    more = count - REPETITIONS_SHOWN
    return [f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n"] if more > 0 else []


def _is_own(path: str) -> bool:
    return path.startswith(_OWN_PATHS)


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return str(text)
    return f"{text[:limit]}… [{len(text) - limit} more characters]"


def _working_directory() -> str:
    try:
        return os.getcwd()
    except Exception:  # it was removed, or the function replaced `os.getcwd`
        return ""


def _encode_xray(name: str, message: str, frames: list[Frame]) -> str:
    stack = [{"label": frame.function, "path": frame.path, "line": frame.line_number} for frame in frames]
    cause = {
        "working_directory": _working_directory(),
        "exceptions": [{"message": message, "type": name, "stack": stack}],
        "paths": list(dict.fromkeys(frame.path for frame in frames)),
    }
    text = codec.encode_json(cause)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else _escape(char) for char in text)


def _escape(char: str) -> str:
    """The JSON escape of a character, in two parts if it is beyond U+FFFF (RFC 8259, 7)."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _encode(entries: dict[str, Any]) -> bytes:
    return codec.encode_json(entries).encode("utf-8", "backslashreplace")

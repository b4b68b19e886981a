"""Errors of handlers: the post and the log for each kind of failure."""

from __future__ import annotations

from ..case import Environment, Event, Group

GROUP = Group("errors")
LOGGED = Group("errors in each log format")
ENDS = Group("errors that end the process")
GROUPS = [GROUP, LOGGED, ENDS]

_APP = """
    import asyncio, json, warnings, threading, sys

    class Own(Exception):
        pass

    class Quoted(Exception):
        def __str__(self):
            return "from __str__"

        def __repr__(self):
            return "from __repr__"

    class Silent(Exception):
        def __init__(self, message):
            self.message = message

    class Größe(Exception):
        pass

    class Outer:
        class Inner(Exception):
            pass

    class Meta(type):
        def __str__(cls):
            return "meta"
        __repr__ = __str__

    class WithMeta(Exception, metaclass=Meta):
        pass

    class BadText(Exception):
        def __str__(self):
            return 42

    class SubText(str):
        pass

    def deep(levels):
        if levels == 0:
            raise ValueError("deep")
        deep(levels - 1)

    def even(levels):
        if levels == 0:
            raise ValueError("deep")
        odd(levels - 1)

    def odd(levels):
        even(levels - 1)

    def plain():
        raise ValueError("bad thing")

    def hidden():
        try:
            {}["missing"]
        except KeyError:
            raise Own("alone") from None

    def reraised():
        try:
            plain()
        except ValueError as error:
            raise error

    def raised_again():
        try:
            plain()
        except ValueError:
            raise

    def with_traceback():
        try:
            plain()
        except ValueError as error:
            raise error.with_traceback(None)

    def several_lines():
        raise ValueError(
            "a statement",
            "of several lines",
        )

    def compiled():
        exec("def f():\\n    raise ValueError('from exec')\\nf()")

    def with_filename():
        exec(compile("raise ValueError('named')", "a file\\nwith lines.py", "exec"))

    def closed():
        raise type("A\\r\\nX-Header: 1", (Exception,), {})("class name")

    def no_name():
        raise type("", (Exception,), {})("no name")

    def long_name():
        raise type("L" * 150, (Exception,), {})("long name")

    def imported():
        import invalid_module

    def stop():
        next(iter([]))

    def generator():
        def numbers():
            yield 1
            raise ValueError("in a generator")
        return list(numbers())

    def with_locals():
        password = "secret"
        raise ValueError("has locals")

    def in_comprehension():
        return [1 / n for n in (1, 0)]

    def in_lambda():
        return (lambda: 1 / 0)()

    def in_class():
        class Broken:
            raise ValueError("in a class body")

    def in_method():
        class Thing:
            def method(self):
                raise ValueError("in a method")
        Thing().method()

    async def coroutine():
        return 1

    def handler(event, context):
        return eval(event)
"""

errors = GROUP.share(_APP)
for name, expression in (
    ("an exception", "plain()"),
    ("an exception without a message", "(_ for _ in ()).throw(ValueError)"),
    ("an exception with an empty message", "(_ for _ in ()).throw(Own(''))"),
    ("an exception that keeps its message elsewhere", "(_ for _ in ()).throw(Silent('My error'))"),
    ("an exception that keeps an empty message elsewhere", "(_ for _ in ()).throw(Silent(''))"),
    ("several arguments", "(_ for _ in ()).throw(ValueError('a', 1, None))"),
    ("a number as message", "(_ for _ in ()).throw(ValueError(42))"),
    ("bytes as message", "(_ for _ in ()).throw(ValueError(b'x'))"),
    ("a subclass of str as message", "(_ for _ in ()).throw(ValueError(SubText('sub')))"),
    ("a custom __str__", "(_ for _ in ()).throw(Quoted('args'))"),
    ("a KeyError, whose message is quoted", "{}['missing']"),
    ("an IndexError", "[][1]"),
    ("an AttributeError", "context.nothing"),
    ("a NameError", "undefined"),
    ("a TypeError", "'a' + 1"),
    ("a ZeroDivisionError", "1 / 0"),
    ("an OSError", "open('/no/such/file')"),
    ("a UnicodeDecodeError", "b'\\xff'.decode()"),
    ("a UnicodeEncodeError", "'\\ud800'.encode()"),
    ("an error of the standard library", "json.loads('{')"),
    ("a StopIteration", "stop()"),
    ("a TimeoutError", "(_ for _ in ()).throw(TimeoutError('too long'))"),
    ("a class within a class", "(_ for _ in ()).throw(Outer.Inner('inner'))"),
    ("a class with a metaclass", "(_ for _ in ()).throw(WithMeta('meta'))"),
    ("a class name with non-ASCII letters", "(_ for _ in ()).throw(Größe('x'))"),
    ("a class name with a line break", "closed()"),
    ("an empty class name", "no_name()"),
    ("a class name of 150 letters", "long_name()"),
    ("a context that is hidden", "hidden()"),
    ("an exception raised again by name", "reraised()"),
    ("an exception raised again", "raised_again()"),
    ("an exception without its traceback", "with_traceback()"),
    ("a statement of several lines", "several_lines()"),
    ("ten calls deep", "deep(10)"),
    ("two alternating functions", "even(20)"),
    ("text that is compiled", "compiled()"),
    ("a file name with a line break", "with_filename()"),
    ("a syntax error in text", "exec('1 +')"),
    ("a syntax error in several lines of text", "exec('x = 1\\nfor\\n')"),
    ("an import that fails", "imported()"),
    ("a generator", "generator()"),
    ("local variables are not shown", "with_locals()"),
    ("a comprehension", "in_comprehension()"),
    ("a lambda", "in_lambda()"),
    ("a class body", "in_class()"),
    ("a method", "in_method()"),
    ("a message with non-ASCII text", "(_ for _ in ()).throw(ValueError('hé\\u4e2d\\U0001f600'))"),
    (
        "a message of several lines",
        "(_ for _ in ()).throw(ValueError('first \\nsecond\\r\\nthird\\rfourth'))",
    ),
    (
        "a message with control characters",
        "(_ for _ in ()).throw(ValueError('\\0\\x1b\\x7f\\t\\x85\\u2028'))",
    ),
    ("a message of leading spaces", "(_ for _ in ()).throw(ValueError('  indented\\n  twice'))"),
    ("a message with percent signs", "(_ for _ in ()).throw(ValueError('100 %s %(a)s {b}'))"),
    ("a coroutine is returned", "coroutine()"),
    ("a response that is not JSON", "{1, 2}"),
    ("a response of an object's class", "type('obj', (object,), {'a': 'b'})"),
    ("an assertion", "exec('assert 1 == 2')"),
    ("output before the error", "[print('out'), print('err', file=sys.stderr), plain()]"),
    ("output without an end of line before the error", "[print('out', end=''), plain()]"),
    ("a warning", "[warnings.warn('careful'), plain()]"),
    (
        "a thread's exception does not affect the response",
        "[t := threading.Thread(target=lambda: None), t.start(), t.join()][2]",
    ),
):
    errors.case(f"error: {name}", '"' + expression.replace("\\", "\\\\") + '"')

errors.case("error: the invocation id is sent back", '"plain()"', {"Lambda-Runtime-Invocation-Id": "inv-9"})
errors.case(
    "error: an empty invocation id is not sent back", '"plain()"', {"Lambda-Runtime-Invocation-Id": ""}
)
errors.case("a response: the invocation id is sent back", '"1"', {"Lambda-Runtime-Invocation-Id": "inv-9"})
errors.case(
    "a response: an empty invocation id is not sent back", '"1"', {"Lambda-Runtime-Invocation-Id": ""}
)
errors.case(
    "error: the event is not JSON, and has an invocation id", "{", {"Lambda-Runtime-Invocation-Id": "inv-9"}
)
errors.case("error: the tenant id is not shown", '"plain()"', {"Lambda-Runtime-Aws-Tenant-Id": "blue"})

# Separate programs, because our records contain their line numbers.
for name, source in (
    (
        "a cause",
        "try:\n    {}['missing']\nexcept KeyError as error:\n    raise ValueError('wrapped') from error",
    ),
    (
        "an exception while another is handled",
        "try:\n    1 / 0\nexcept Exception:\n    raise ValueError('while handling')",
    ),
    ("a cause without a message or a trace", "raise ValueError('v') from KeyError"),
    (
        "a chain of three",
        "try:\n    try:\n        1 / 0\n    except Exception as first:\n"
        "        raise KeyError('k') from first\n"
        "except KeyError:\n    raise ValueError('last')",
    ),
    (
        "a cycle of causes",
        "one, two = ValueError('one'), ValueError('two')\none.__cause__, two.__cause__ = two, one\nraise one",
    ),
    (
        "notes",
        "error = ValueError('noted')\nerror.add_note('a note')\nerror.add_note('of two\\nlines')\n"
        "raise error",
    ),
    ("notes that are not all text", "error = ValueError('n')\nerror.__notes__ = [1, 'two']\nraise error"),
    ("notes that are not a list", "error = ValueError('n')\nerror.__notes__ = 'abc'\nraise error"),
    (
        "a cause with a note",
        "cause = KeyError('k')\ncause.add_note('a note')\ntry:\n    try:\n        raise cause\n"
        "    finally:\n        pass\nexcept KeyError as error:\n    raise ValueError('v') from error",
    ),
    ("a cause that is not an Exception", "raise ValueError('v') from KeyboardInterrupt()"),
    (
        "a cause whose str() fails",
        "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise ValueError('v') from E()",
    ),
    ("an error that is its own cause", "error = ValueError('v')\nerror.__cause__ = error\nraise error"),
    (
        "a context that was set by hand",
        "error = ValueError('v')\nerror.__context__ = KeyError('k')\nraise error",
    ),
    (
        "an exception group with a note and a cause",
        "one = ValueError('a')\none.__cause__ = TypeError('b')\ngroup = ExceptionGroup('eg', [one])\n"
        "group.add_note('a note')\nraise group from KeyError('k')",
    ),
    (
        "an exception group",
        "raise ExceptionGroup('eg', [ValueError('a'), ExceptionGroup('inner', [TypeError('b')])])",
    ),
    ("a StopIteration in a generator", "def numbers():\n    raise StopIteration\n    yield\nlist(numbers())"),
    (
        "a trace of 602 frames",
        "def even(n): return odd(n - 1) if n else 1 / 0\ndef odd(n): return even(n - 1)\neven(600)",
    ),
    ("endless recursion", "def forever():\n    forever()\nforever()"),
    ("a message of 50 000 characters", "raise ValueError('x' * 50_000)"),
    ("a message of 100 000 characters", "raise ValueError('x' * 100_000)"),
    ("a message of half a megabyte", "raise ValueError('x' * 500_000)"),
    ("a message of a hundred thousand non-ASCII letters", "raise ValueError('\\u00e9' * 100_000)"),
):
    body = source.replace("\n", "\n    ")
    GROUP.case(f"error: {name}", files={"app.py": f"def handler(event, context):\n    {body}\n"})

for name, source in (
    ("takes no argument", "def handler(): return 1"),
    ("takes one argument", "def handler(event): return 1"),
    ("takes three arguments", "def handler(event, context, more): return 1"),
    ("takes keywords only", "def handler(*, event, context): return 1"),
    ("has other names", "def handler(a, b): return a"),
    ("is a class that takes no argument", "class handler: pass"),
    (
        "raises in a decorator's wrapper",
        "def d(f):\n    def w(*a): return f(*a)\n    return w\n@d\ndef handler(e): pass",
    ),
    ("is in a file whose last line has no end", "def handler(event, context): raise ValueError('x')"),
    (
        "removes its own file",
        "import os\ndef handler(e, c):\n    os.unlink(__file__)\n    raise ValueError('gone')",
    ),
    (
        "changes the working directory",
        "import os\ndef handler(e, c):\n    os.chdir('/')\n    raise ValueError('x')",
    ),
):
    GROUP.case(f"the handler {name}", files={"app.py": source})

GROUP.case(
    "the handler's file is called bootstrap.py and raises",
    handler="bootstrap.handler",
    files={
        "bootstrap.py": "import helper\ndef handler(event, context):\n    helper.fail()",
        "helper.py": "def fail():\n    raise ValueError('x')",
    },
)
GROUP.case(
    "an error in another module of the function",
    "import helper\ndef handler(event, context):\n    return helper.fail()",
    files={"helper.py": "def fail():\n    raise ValueError('in the helper')"},
)
GROUP.case(
    "an error in a callback of the standard library",
    "def handler(event, context):\n    return sorted([2, 1], key=lambda n: n / 0)",
)
GROUP.case(
    "an error in a file that is not UTF-8",
    files={"app.py": b"# coding: latin-1\ndef handler(e, c): raise ValueError('\xe9')\n"},
)
GROUP.case(
    "an error in a thread",
    """
    import threading

    def handler(event, context):
        def fail():
            raise ValueError("in a thread")
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()
        return "fine"
    """,
)
GROUP.case(
    "an error while an object is deleted",
    """
    class Thing:
        def __del__(self):
            raise ValueError("in __del__")
        def __repr__(self):
            return "<Thing>"

    def handler(event, context):
        Thing()
        return "fine"
    """,
)
GROUP.case(
    "an excepthook of the function is not called",
    """
    import sys

    def hook(*args):
        print("hook")

    sys.excepthook = hook

    def handler(event, context):
        raise ValueError("x")
    """,
)
GROUP.case(
    "a response that cannot be encoded, then a valid one",
    "def handler(event, context):\n    return {1} if event == 1 else 'fine'",
    "1",
    "2",
)
GROUP.case(
    "an iteration of the response that raises",
    """
    class Odd(dict):
        def items(self):
            raise ValueError("no items")

    def handler(event, context):
        return [Odd(a=1)]
    """,
)

_FAILING = """
    class Own(Exception):
        pass

    def handler(event, context):
        if event == 1:
            raise ValueError("bad thing\\nsecond line")
        if event == 2:
            raise Own
        if event == 3:
            return {1}
        if event == 4:
            raise ValueError("hé \U0001f600")
        if event == 5:
            raise ValueError("x" * 2000)
        if event == 7:
            exec(compile("raise ValueError('blank')", "a\\n\\n  file  \\n  \\n.py", "exec"))
        return "fine"
"""
_FORMATS: tuple[tuple[str, Environment, bool], ...] = (
    ("text", {}, False),
    ("JSON", {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, False),
    ("frames", {}, True),
    ("JSON frames", {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, True),
    ("text at FATAL", {"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, False),
    ("JSON at FATAL", {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "FATAL"}, False),
    ("frames at INFO", {"AWS_LAMBDA_LOG_LEVEL": "INFO"}, True),
    (
        "JSON on python3.12",
        {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
        False,
    ),
)
for format_name, environment, telemetry in _FORMATS:
    table = LOGGED.share(_FAILING, environment=environment, telemetry=telemetry)
    for name, event in (
        ("a message of two lines", "1"),
        ("no message", "2"),
        ("a response that is not JSON", "3"),
        ("non-ASCII text", "4"),
        ("a long message", "5"),
        ("an event that is not JSON", "{"),
        ("no error", "6"),
        ("a trace with empty lines and spaces", "7"),
    ):
        table.case(f"{format_name}: {name}", event)
    LOGGED.case(
        f"{format_name}: neither a frame nor a message",
        "import queue\nhandler = queue.SimpleQueue().get  # block=False raises queue.Empty, in C",
        "false",
        environment=environment,
        telemetry=telemetry,
    )

for name, source in (
    ("sys.exit with a status", "import sys\ndef handler(e, c): sys.exit(3)"),
    ("sys.exit without a status", "import sys\ndef handler(e, c): sys.exit()"),
    ("sys.exit with a text", "import sys\ndef handler(e, c): sys.exit('goodbye')"),
    ("sys.exit with a large status", "import sys\ndef handler(e, c): sys.exit(300)"),
    ("exit()", "def handler(e, c): exit(4)"),
    ("a subclass of SystemExit", "class Mine(SystemExit): pass\ndef handler(e, c): raise Mine(6)"),
    ("os._exit", "import os\ndef handler(e, c): os._exit(5)"),
    ("os._exit after output", "import os\ndef handler(e, c):\n    print('out')\n    os._exit(5)"),
    ("os.abort", "import os\ndef handler(e, c): os.abort()"),
    ("a signal", "import os, signal\ndef handler(e, c): os.kill(os.getpid(), signal.SIGKILL)"),
    ("KeyboardInterrupt", "def handler(e, c): raise KeyboardInterrupt"),
    ("GeneratorExit", "def handler(e, c): raise GeneratorExit('g')"),
    ("a BaseException", "def handler(e, c): raise BaseException('be')"),
    ("a subclass of BaseException", "class Mine(BaseException): pass\ndef handler(e, c): raise Mine('mine')"),
    ("a CancelledError", "import asyncio\ndef handler(e, c): raise asyncio.CancelledError('c')"),
    (
        "a group of BaseExceptions",
        "def handler(e, c): raise BaseExceptionGroup('beg', [KeyboardInterrupt()])",
    ),
    (
        "an exception whose str() fails",
        "class E(Exception):\n    def __str__(self): 1 / 0\ndef handler(e, c): raise E",
    ),
    (
        "an exception whose text is not a str",
        "class E(Exception):\n    def __str__(self): return 42\ndef handler(e, c): raise E",
    ),
    (
        "an exception whose text exits",
        "import sys\nclass E(Exception):\n    def __str__(self): sys.exit(9)\ndef handler(e, c): raise E",
    ),
    ("a message with a lone surrogate", "def handler(e, c): raise ValueError('\\ud800x')"),
    ("a class name with a lone surrogate", "def handler(e, c): raise type('\\ud800', (Exception,), {})('x')"),
    (
        "sys.exit in a thread ends the thread only",
        "import sys, threading\ndef handler(e, c):\n    t = threading.Thread(target=sys.exit)\n"
        "    t.start(); t.join()\n    return 'fine'",
    ),
    (
        "sys.exit runs atexit functions",
        "import atexit, sys\natexit.register(print, 'atexit')\ndef handler(e, c): sys.exit(3)",
    ),
    (
        "sys.exit in a response's _asdict",
        "import sys\nclass A:\n    def _asdict(self): sys.exit(8)\ndef handler(e, c): return A()",
    ),
):
    ENDS.case(f"handler: {name}", source, "1", "2")

ENDS.case(
    "handler: sys.exit with an invocation id",
    "import sys\ndef handler(e, c): sys.exit(3)",
    Event(b"1", {"Lambda-Runtime-Invocation-Id": "inv-9"}),
)
ENDS.case(
    "handler: sys.exit, logged as JSON",
    "import sys\ndef handler(e, c): sys.exit(3)",
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
ENDS.case(
    "handler: sys.exit after two good events",
    "import sys\ndef handler(event, c):\n    return event if event < 3 else sys.exit(1)",
    "1",
    "2",
    "3",
)

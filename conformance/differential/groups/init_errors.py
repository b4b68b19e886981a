"""Init errors: failures while the function is loaded."""

from __future__ import annotations

from ..case import Environment, Group

GROUP = Group("init errors")
GROUPS = [GROUP]

_HANDLER = "\n    def handler(event, context):\n        return 1\n"

for name, source in (
    ("an exception at import", "raise ValueError('bad thing')"),
    ("an exception without a message", "raise ValueError"),
    ("an exception with an empty message", "raise ValueError('')"),
    ("a KeyError, whose message is quoted", "{}['missing']"),
    ("an exception with several arguments", "raise ValueError('a', 1, None)"),
    ("an OSError", "open('/no/such/file')"),
    ("an AssertionError", "assert 1 == 2, 'one is not two'"),
    ("a ZeroDivisionError", "1 / 0"),
    ("a NameError", "undefined_name"),
    ("an exception with non-ASCII text", "raise ValueError('hé 中 \\U0001f600')"),
    ("an exception with several lines of text", "raise ValueError('first\\nsecond\\r\\nthird')"),
    ("an exception with a lone surrogate", "raise ValueError('\\ud800x')"),
    ("an exception with control characters", "raise ValueError('\\0\\x1b\\x7f\\t')"),
    ("an exception whose str() fails", "class E(Exception):\n    def __str__(self): 1 / 0\nraise E"),
    (
        "an exception with a cause",
        "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('v') from e",
    ),
    (
        "an exception while another is handled",
        "try:\n    1 / 0\nexcept Exception:\n    raise ValueError('v')",
    ),
    ("an exception of the function's own class", "class Own(Exception):\n    pass\nraise Own('mine')"),
    ("an exception class with non-ASCII letters", "class Größe(Exception):\n    pass\nraise Größe('mine')"),
    ("an exception class with a line break in its name", "raise type('A\\r\\nB: c', (Exception,), {})('x')"),
    ("an exception group", "raise ExceptionGroup('eg', [ValueError('a'), TypeError('b')])"),
    ("an exception with a note", "e = ValueError('v')\ne.add_note('a note')\nraise e"),
    ("an exception three calls deep", "def a(): b()\ndef b(): c()\ndef c(): raise ValueError('deep')\na()"),
    ("endless recursion", "def f(): f()\nf()"),
    ("a StopIteration", "next(iter([]))"),
    ("an exception in another module of the function", "import helper"),
    ("a module that does not exist is imported", "import not_there"),
    ("a module that does not exist is imported by another", "import imports_missing"),
    ("a name that a module lacks is imported", "from os import not_there"),
    ("an ImportError of the function's own", "raise ImportError('please install it')"),
    ("a ModuleNotFoundError of the function's own", "raise ModuleNotFoundError('nope', name='nope')"),
    ("a circular import", "import circle_a"),
    ("a relative import without a package", "from . import sibling"),
    ("a syntax error", "def handler(e, c)\n    pass"),
    ("a syntax error in another module", "import has_syntax_error"),
    ("a syntax error in text the function compiles", "exec('1 +')"),
    ("a wrong indent", "def handler(e, c):\nreturn 1"),
    ("tabs and spaces mixed", "if True:\n        x = 1\n\ty = 2"),
    ("a string that does not end", "text = 'abc"),
    ("a syntax error in a long line", "x = [" + "1, " * 100 + "}"),
    ("a SyntaxError of the function's own", "raise SyntaxError('my own')"),
    ("a BaseException", "raise BaseException('base')"),
    ("a GeneratorExit", "raise GeneratorExit"),
    ("a KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("sys.exit with a status", "import sys\nsys.exit(7)"),
    ("sys.exit without a status", "import sys\nsys.exit()"),
    ("sys.exit with a text", "import sys\nsys.exit('goodbye')"),
    ("os._exit", "import os\nos._exit(5)"),
    ("a crash by signal", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    (
        "output before the error",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nraise ValueError('v')",
    ),
    ("a log line before the error", "import logging\nlogging.error('before')\nraise ValueError('v')"),
    ("output without an end of line before the error", "print('out', end='')\nraise ValueError('v')"),
    ("a warning before the error", "import warnings\nwarnings.warn('careful')\nraise ValueError('v')"),
):
    GROUP.case(
        f"import: {name}",
        files={
            "app.py": source + "\n",
            "helper.py": "raise LookupError('in the helper')",
            "imports_missing.py": "import not_there_either",
            "circle_a.py": "from circle_b import name_b\nname_a = 1",
            "circle_b.py": "from circle_a import name_a\nname_b = 1",
            "has_syntax_error.py": "x = 1\nfor x in y\n    pass\n",
        },
    )

GROUP.case(
    "import: a file that is not UTF-8", files={"app.py": b"name = '\xff'\ndef handler(e, c): return name\n"}
)
GROUP.case(
    "import: a file in Latin-1 that says so",
    files={"app.py": b"# coding: latin-1\nname = '\xff'\ndef handler(e, c): return name\n"},
)
GROUP.case(
    "import: a file with a byte order mark", files={"app.py": b"\xef\xbb\xbfdef handler(e, c): return 1\n"}
)
GROUP.case("import: a file that declares an unknown encoding", files={"app.py": b"# coding: nonsense\n"})
GROUP.case("import: a file with a NUL byte", files={"app.py": b"x = 1\0\n"})
GROUP.case("import: an empty file", files={"app.py": b""})
GROUP.case("import: a folder where the module should be", files={"app/readme.txt": b""})
GROUP.case("import: no file at all", files={"readme.txt": b""})
GROUP.case(
    "import: an extension module that is not a library",
    "import broken",
    files={"broken.abi3.so": b"this is not an ELF file"},
)
GROUP.case(
    "import: an extension module for another version of Python",
    "import broken",
    files={"broken.cpython-27m-x86_64-linux-gnu.so": b"\x7fELF"},
)
GROUP.case(
    "import: the handler's own file is an extension module that is not a library", files={"app.abi3.so": b"x"}
)
GROUP.case(
    "import: an exception in a package's __init__",
    handler="pkg.mod.handler",
    files={"pkg/__init__.py": "raise ValueError('in the package')", "pkg/mod.py": ""},
)
GROUP.case(
    "import: an exception in a package's module",
    handler="pkg/mod.handler",
    files={"pkg/__init__.py": "", "pkg/mod.py": "raise ValueError('in the module')"},
)
GROUP.case(
    "import: the module's __getattr__ raises something else",
    "def __getattr__(name):\n    raise ValueError('no ' + name)",
)

for name, environment, telemetry in (
    ("JSON", {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, False),
    ("JSON at level ERROR", {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "ERROR"}, False),
    ("text at level FATAL", {"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, False),
    ("frames", {}, True),
    ("JSON frames", {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, True),
    ("python3.12", {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}, False),
):
    variables: Environment = dict(environment)
    for what, source, handler in (
        ("an exception", "raise ValueError('hé')", "app.handler"),
        ("a missing module", "x = 1", "nowhere.handler"),
        ("a syntax error", "def", "app.handler"),
    ):
        GROUP.case(
            f"{what}, logged as {name}", source, handler=handler, environment=variables, telemetry=telemetry
        )

GROUP.case(
    "an exception with a preview runtime",
    "raise ValueError('v')",
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.15"},
)

for status in (200, 400, 403, 500):
    GROUP.case(
        f"the server responds with {status} to the init error",
        "raise ValueError('v')",
        statuses={"init/error": status},
    )

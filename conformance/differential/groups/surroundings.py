"""The process of a function: variables, interpreter state, search path."""

from __future__ import annotations

from ..case import Event, Group

ENVIRONMENT = Group("environment")
PROCESS = Group("interpreter")
PATH = Group("search path")
GROUPS = [ENVIRONMENT, PROCESS, PATH]

_APP = """
    import asyncio, codecs, decimal, gc, locale, os, platform, signal, socket, sys, threading, time, warnings

    def handler(event, context):
        return eval(event)
"""

environment = ENVIRONMENT.share(
    _APP, environment={"MINE": "my é value", "EMPTY": "", "WITH_EQUALS": "a=b", "PYTHONUNBUFFERED": "1"}
)
for name, expression in (
    ("the names of all variables", "sorted(name for name in os.environ if name not in ('LC_CTYPE',))"),
    ("a variable of the function", "os.environ['MINE']"),
    ("an empty variable", "os.environ['EMPTY']"),
    ("a variable with an equals sign", "os.environ['WITH_EQUALS']"),
    ("a variable in bytes", "list(os.environb[b'MINE'])"),
    ("_HANDLER", "os.environ['_HANDLER']"),
    ("LAMBDA_TASK_ROOT", "os.environ['LAMBDA_TASK_ROOT']"),
    ("AWS_LAMBDA_RUNTIME_API", "os.environ['AWS_LAMBDA_RUNTIME_API']"),
    (
        "the function's settings",
        "[os.environ['AWS_LAMBDA_FUNCTION_' + n] for n in ('NAME', 'VERSION', 'MEMORY_SIZE')]",
    ),
    ("AWS_REGION", "os.environ['AWS_REGION']"),
    (
        "credentials",
        "[os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'], "
        "os.environ['AWS_SESSION_TOKEN']]",
    ),
    ("AWS_EXECUTION_ENV is not made up", "os.environ.get('AWS_EXECUTION_ENV')"),
    ("TZ", "[os.environ['TZ'], time.tzname]"),
    ("LANG", "os.environ['LANG']"),
    ("PYTHON* variables", "sorted(name for name in os.environ if name.startswith('PYTHON'))"),
    ("PATH", "os.environ['PATH']"),
):
    environment.case(f"variables: {name}", '"' + expression + '"')

for name, _value in (("AWS_Lambda_python3.11", "3.11"), ("AWS_Lambda_python3.12", "3.12"), ("nonsense", "x")):
    ENVIRONMENT.case(
        f"variables: AWS_EXECUTION_ENV={name}",
        "import os\ndef handler(e, c): return [os.environ['AWS_EXECUTION_ENV'], 'é']",
        environment={"AWS_EXECUTION_ENV": name},
    )
ENVIRONMENT.case(
    "variables: LAMBDA_TASK_ROOT is not set",
    "def handler(e, c): return 'fine'",
    environment={"LAMBDA_TASK_ROOT": None},
)
ENVIRONMENT.case(
    "variables: AWS_LAMBDA_INITIALIZATION_TYPE is not set",
    "def handler(e, c): return 'fine'",
    environment={"AWS_LAMBDA_INITIALIZATION_TYPE": None},
)
ENVIRONMENT.case(
    "variables: hardly any",
    "import os\ndef handler(e, c): return sorted(n for n in os.environ if n != 'LC_CTYPE')",
    environment={
        name: None
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "LANG",
            "TZ",
        )
    },
)
ENVIRONMENT.case(
    "variables: LANG=C",
    "import sys\ndef handler(e, c):\n    print('é')\n"
    "    return [sys.stdout.encoding, sys.getfilesystemencoding()]",
    environment={"LANG": "C"},
)
ENVIRONMENT.case(
    "variables: PYTHONIOENCODING is honoured",
    "import sys\ndef handler(e, c):\n    print('é')\n    return sys.stdout.encoding",
    environment={"PYTHONIOENCODING": "latin-1"},
)
ENVIRONMENT.case(
    "variables: PYTHONWARNINGS is honoured",
    "import warnings\ndef handler(e, c):\n    warnings.warn('x')",
    environment={"PYTHONWARNINGS": "error"},
)
ENVIRONMENT.case(
    "variables: PYTHONOPTIMIZE is honoured",
    "def handler(e, c):\n    assert False\n    return __debug__",
    environment={"PYTHONOPTIMIZE": "1"},
)
ENVIRONMENT.case(
    "variables: PYTHONDONTWRITEBYTECODE is honoured",
    "import os\ndef handler(e, c):\n    return os.path.exists('__pycache__')",
    environment={"PYTHONDONTWRITEBYTECODE": "1"},
)

process = PROCESS.share(_APP)
for name, expression in (
    ("the working directory is the task root", "os.getcwd()"),
    ("__name__ and __file__", "[__name__, __file__]"),
    ("the handler runs on the main thread", "threading.current_thread() is threading.main_thread()"),
    ("the main thread's name", "threading.current_thread().name"),
    ("no other threads", "threading.active_count()"),
    ("SIGTERM is left alone", "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL"),
    ("SIGINT is Python's", "signal.getsignal(signal.SIGINT) is signal.default_int_handler"),
    ("SIGPIPE is Python's", "signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN"),
    ("SIGCHLD is left alone", "signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL"),
    ("SIGALRM is left alone", "signal.getsignal(signal.SIGALRM) == signal.SIG_DFL"),
    ("no signals are blocked", "len(signal.pthread_sigmask(signal.SIG_BLOCK, []))"),
    ("no timer runs", "signal.getitimer(signal.ITIMER_REAL)"),
    ("the garbage collector is on", "[gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()]"),
    ("the recursion limit", "sys.getrecursionlimit()"),
    ("the switch interval", "sys.getswitchinterval()"),
    ("the locale", "[locale.setlocale(locale.LC_CTYPE), locale.setlocale(locale.LC_NUMERIC)]"),
    (
        "the preferred encoding",
        "[locale.getpreferredencoding(False), sys.getdefaultencoding(), sys.getfilesystemencoding()]",
    ),
    ("the decimal context", "str(decimal.getcontext())"),
    ("no socket timeout", "socket.getdefaulttimeout()"),
    ("warning filters", "[str(f[0]) + ' ' + f[2].__name__ for f in warnings.filters]"),
    ("sys.excepthook is Python's", "sys.excepthook is sys.__excepthook__"),
    ("threading.excepthook is Python's", "threading.excepthook is threading.__excepthook__"),
    ("no trace function", "[sys.gettrace(), sys.getprofile()]"),
    ("sys.flags", "str(sys.flags)"),
    ("sys.dont_write_bytecode", "sys.dont_write_bytecode"),
    ("no running event loop", "asyncio._get_running_loop() is None"),
    ("the limit of digits", "sys.get_int_max_str_digits()"),
    ("the umask", "[mask := os.umask(0o22), os.umask(mask)][0]"),
    ("the process leads its group", "os.getpid() == os.getpgrp()"),
    ("sys.executable", "os.path.basename(sys.executable).startswith('python')"),
    ("sys.path_hooks", "len(sys.path_hooks)"),
    (
        "sys.meta_path",
        "[getattr(f, '__name__', type(f).__name__) for f in sys.meta_path if 'setuptools' not in str(f) "
        "and 'distutils' not in str(f).lower()]",
    ),
    ("no async generator hooks", "str(sys.get_asyncgen_hooks())"),
    ("depth of the stack is small", "len(__import__('inspect').stack()) < 12"),
    ("an exception is not being handled", "sys.exc_info()[0]"),
    (
        "builtins are untouched",
        "sorted(n for n in dir(__builtins__) if n in ('handler', 'context', 'event'))",
    ),
    ("site is loaded", "'site' in sys.modules"),
    (
        "help, exit and quit are there",
        "[callable(__builtins__['exit']) if isinstance(__builtins__, dict) else callable(__builtins__.exit)]",
    ),
):
    process.case(f"process: {name}", '"' + expression + '"')
PROCESS.case(
    "process: exceptions before do not linger",
    "import sys\ndef handler(event, context):\n    if event == 1:\n        raise ValueError\n"
    "    return [sys.exc_info()[0], hasattr(sys, 'last_value')]",
    "1",
    "2",
)
PROCESS.case(
    "process: open files",
    "import os\ndef handler(event, context):\n"
    "    return sorted({os.readlink(f'/proc/self/fd/{n}').split(':')[0].rsplit('/', 1)[-1] for n in "
    "os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')})",
)
PROCESS.case(
    "process: garbage is collected while the runtime waits",
    """
    import gc, weakref

    class Thing:
        pass

    kept = []

    def handler(event, context):
        alive = [ref() is not None for ref in kept]
        gc.collect()
        thing = Thing()
        kept.append(weakref.ref(thing))
        return alive
    """,
    "1",
    "2",
)
PROCESS.case(
    "process: the event and the response are released",
    """
    import gc, weakref

    class Response(dict):
        pass

    kept = []

    def handler(event, context):
        gc.collect()
        alive = [ref() is not None for ref in kept]
        response = Response(alive=alive)
        kept.extend([weakref.ref(response), weakref.ref(context)])
        return response
    """,
    "1",
    "2",
)

for name, path in (
    ("a module of the task root", "helper.py"),
    ("a package of the task root", "helper/__init__.py"),
    ("a module in PYTHONPATH", "extra/helper.py"),
):
    PATH.case(
        f"path: {name}",
        "import helper\ndef handler(event, context):\n    return [helper.WORD, helper.__file__]",
        files={path: "WORD = 'found'"},
        environment={"PYTHONPATH": "$TASK_ROOT/extra"},
    )
PATH.case(
    "path: the task root comes before PYTHONPATH",
    "import helper\ndef handler(event, context):\n    return helper.WORD",
    files={"helper.py": "WORD = 'task root'", "extra/helper.py": "WORD = 'PYTHONPATH'"},
    environment={"PYTHONPATH": "$TASK_ROOT/extra"},
)
PATH.case(
    "path: PYTHONPATH comes before the standard library",
    "import colorsys\ndef handler(event, context):\n    return colorsys.WORD",
    files={"extra/colorsys.py": "WORD = 'PYTHONPATH'"},
    environment={"PYTHONPATH": "$TASK_ROOT/extra"},
)
PATH.case(
    "path: two folders in PYTHONPATH, in order",
    "import helper\ndef handler(event, context):\n    return helper.WORD",
    files={"one/helper.py": "WORD = 'one'", "two/helper.py": "WORD = 'two'"},
    environment={"PYTHONPATH": "$TASK_ROOT/two:$TASK_ROOT/one"},
)
PATH.case(
    "path: the handler itself in PYTHONPATH",
    handler="only_there.handler",
    files={"extra/only_there.py": "def handler(event, context):\n    return __file__"},
    environment={"PYTHONPATH": "$TASK_ROOT/extra"},
)
PATH.case(
    "path: the task root comes first",
    "import sys, os\ndef handler(event, context):\n"
    "    return os.path.abspath(sys.path[0]) == os.environ['LAMBDA_TASK_ROOT']",
)
PATH.case(
    "path: PYTHONPATH is in sys.path, in order",
    "import sys\ndef handler(event, context):\n    return [p for p in sys.path if p.startswith('/nowhere/')]",
    environment={"PYTHONPATH": "/nowhere/b:/nowhere/a"},
)
PATH.case(
    "path: a zip in PYTHONPATH is looked into",
    "import sys\ndef handler(event, context):\n    return any(p.endswith('lib.zip') for p in sys.path)",
    environment={"PYTHONPATH": "$TASK_ROOT/lib.zip"},
)
PATH.case(
    "path: a folder the function adds",
    "import sys\nsys.path.insert(0, 'vendored')\nimport helper\ndef handler(event, context):\n"
    "    import late\n    return [helper.WORD, late.WORD]",
    files={"vendored/helper.py": "WORD = 'vendored'", "vendored/late.py": "WORD = 'late'"},
)
PATH.case(
    "path: the working directory is changed at import",
    "import os\nos.mkdir('other')\nos.chdir('other')\nimport helper\ndef handler(event, context):\n"
    "    import late\n    return [helper.WORD, late.WORD]",
    files={"helper.py": "WORD = 'helper'", "late.py": "WORD = 'late'"},
)
PATH.case(
    "path: a module that is imported only in the handler",
    "def handler(event, context):\n    import helper\n    return helper.WORD",
    "1",
    "2",
    files={"helper.py": "print('imported')\nWORD = 'late'"},
)
PATH.case(
    "path: a package with subpackages and data",
    "import pkg.sub.mod\ndef handler(event, context):\n    return pkg.sub.mod.read()",
    files={
        "pkg/__init__.py": "",
        "pkg/sub/__init__.py": "",
        "pkg/sub/mod.py": "import importlib.resources, os\ndef read():\n"
        "    return open(os.path.join(os.path.dirname(__file__), 'data.txt')).read()",
        "pkg/sub/data.txt": "data",
    },
)
PATH.case(
    "path: a file of the task root is opened by its relative name",
    "def handler(event, context):\n    return open('data.txt').read()",
    files={"data.txt": "data"},
)
PATH.case(
    "path: distributions are found",
    "from importlib import metadata\ndef handler(event, context):\n    return metadata.version('something')",
    files={"something-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: something\nVersion: 1.2\n"},
)
PATH.case(
    "path: __init__ of the task root is not run",
    "def handler(event, context):\n    return [__package__]",
    files={"__init__.py": "raise ValueError('not a package')"},
)
PATH.case(
    "path: a sitecustomize in PYTHONPATH is run",
    "import os\ndef handler(event, context):\n    return os.environ.get('CUSTOMIZED')",
    files={"extra/sitecustomize.py": "import os\nos.environ['CUSTOMIZED'] = 'yes'"},
    environment={"PYTHONPATH": "$TASK_ROOT/extra"},
)
PATH.case(
    "path: a patch in sitecustomize stays",
    "import socket\ndef handler(event, context):\n    return socket.patched",
    files={"extra/sitecustomize.py": "import socket\nsocket.patched = True"},
    environment={"PYTHONPATH": "$TASK_ROOT/extra"},
)

# Files of a function with the names of modules of the standard library or of the runtimes.
_SHADOW = """
    import {module}

    def handler(event, context):
        if event == 2:
            raise ValueError("reported")
        if event == 3:
            return {{1}}
        return [{module}.WORD, event]
"""
for module in (
    "abc_of_mine",
    "app_config",
    "bootstrap",
    "codec",
    "code",
    "codecs_of_mine",
    "config",
    "connection",
    "context",
    "environment",
    "errors",
    "handler",
    "helpers",
    "hooks",
    "http1",
    "json",
    "logging",
    "logs",
    "main",
    "queue",
    "runtime",
    "runtime_api",
    "secrets",
    "select",
    "signal",
    "socket",
    "statistics",
    "streaming",
    "string",
    "traceback",
    "token",
    "types_of_mine",
    "typing",
    "uuid",
    "workers",
    "decimal",
    "importlib",
    "os",
    "re",
    "time",
    "selectors",
    "struct",
    "enum",
    "asyncio",
    "contextlib",
    "functools",
    "collections",
    "inspect",
    "warnings",
    "linecache",
    "http",
    "base64",
    "math",
    "urllib",
    "multiprocessing",
    "simplejson",
    "snapshot_restore_py",
    "datetime",
    "weakref",
):
    PATH.case(
        f"path: the function has its own {module}.py",
        _SHADOW.format(module=module),
        '"a"',
        "2",
        "3",
        '"b"',
        files={f"{module}.py": "WORD = 'mine'\n"},
    )
PATH.case(
    "path: the function has its own logging.py and logs an error",
    "import logging\ndef handler(event, context):\n    raise ValueError(logging.WORD)",
    files={"logging.py": "WORD = 'mine'"},
)
PATH.case(
    "path: the function has its own json.py and SnapStart",
    "import json\ndef handler(event, context):\n    return json.WORD",
    files={"json.py": "WORD = 'mine'"},
    environment={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"},
)
PATH.case(
    "path: a module of the function fails like a missing one",
    "import traceback\ndef handler(event, context):\n    return 1",
    Event(b"1"),
    files={"traceback.py": "import not_there"},
)

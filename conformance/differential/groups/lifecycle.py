"""SnapStart, the Runtime API's faults, shutdown, and several invocations at once."""

from __future__ import annotations

from ..case import CLOSE, FAILURE, FORBIDDEN, GARBAGE, SIGTERM, Environment, Event, Group

SNAPSTART = Group("SnapStart")
FAULTS = Group("faults of the Runtime API")
SHUTDOWN = Group("shutdown")
CONCURRENCY = Group("several invocations at once")
GROUPS = [SNAPSTART, FAULTS, SHUTDOWN, CONCURRENCY]

_SNAP: Environment = {
    "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    "AWS_LAMBDA_LOG_GROUP_NAME": None,
    "AWS_LAMBDA_LOG_STREAM_NAME": None,
}
_HOOKS = "from snapshot_restore_py import register_after_restore, register_before_snapshot\n"
_HANDLER = "\ndef handler(event, context):\n    return 'fine'\n"

for name, source in (
    ("no hooks", ""),
    (
        "hooks as decorators",
        "@register_before_snapshot\ndef before():\n    print('before')\n"
        "@register_after_restore\ndef after():\n    print('after')\n",
    ),
    (
        "the order of hooks",
        "for n in range(3):\n    register_before_snapshot(print, 'before', n)\n"
        "    register_after_restore(print, 'after', n)\n",
    ),
    (
        "hooks with arguments",
        "def show(x, y, **more):\n    print('args', x, y, more)\n"
        "register_before_snapshot(show, 5, 7, arg1='Lambda', arg2='SnapStart')\n"
        "register_after_restore(show, 11, 13, arg1='Lambda', arg2='SnapStart')\n",
    ),
    (
        "a decorator returns the function",
        "print(register_before_snapshot(print) is print, register_after_restore(len) is len)\n"
        "import snapshot_restore_py\nsnapshot_restore_py.get_after_restore().clear()\n",
    ),
    (
        "the registries can be read",
        "import snapshot_restore_py as s\nregister_before_snapshot(print, 1, sep='')\n"
        "print(s.get_before_snapshot(), s.get_after_restore())\n",
    ),
    (
        "the module's public names",
        "import snapshot_restore_py as s\nprint(sorted(s.__all__), s.__version__)\n",
    ),
    (
        "a hook registers another",
        "def first():\n    print('first')\n    register_before_snapshot(print, 'second')\n"
        "register_before_snapshot(first)\n",
    ),
    (
        "an after hook registers another",
        "def first():\n    print('first')\n    register_after_restore(print, 'second')\n"
        "register_after_restore(first)\n",
    ),
    (
        "a before hook registers an after hook",
        "register_before_snapshot(lambda: register_after_restore(print, 'after'))\n",
    ),
    ("the same hook twice", "register_before_snapshot(print, 'x')\nregister_before_snapshot(print, 'x')\n"),
    (
        "a hook's return value is ignored",
        "register_before_snapshot(lambda: 42)\nregister_after_restore(lambda: False)\n",
    ),
    (
        "a hook logs",
        "import logging\nregister_before_snapshot(logging.warning, 'before')\n"
        "register_after_restore(logging.warning, 'after')\n",
    ),
    (
        "a hook prints without an end of line",
        "register_before_snapshot(print, 'before', end='')\nregister_after_restore(print, 'after', end='')\n",
    ),
    (
        "a hook that is a method",
        "class Pool:\n    def close(self): print('closed')\n    def open(self): print('opened')\np = Pool()\n"
        "register_before_snapshot(p.close)\nregister_after_restore(p.open)\n",
    ),
    (
        "a before hook raises",
        "def fail():\n    raise ValueError('before é')\nregister_before_snapshot(fail)\n",
    ),
    (
        "a before hook raises after others",
        "register_before_snapshot(print, 'never')\nregister_before_snapshot(lambda: 1 / 0)\n"
        "register_before_snapshot(print, 'first')\n",
    ),
    ("a before hook exits", "import sys\nregister_before_snapshot(sys.exit, 3)\n"),
    (
        "a before hook raises a BaseException",
        "def fail():\n    raise KeyboardInterrupt\nregister_before_snapshot(fail)\n",
    ),
    ("a before hook kills the process", "import os\nregister_before_snapshot(os._exit, 5)\n"),
    ("a before hook takes arguments it does not get", "def hook(x): pass\nregister_before_snapshot(hook)\n"),
    ("an after hook raises", "def fail():\n    raise ValueError('after é')\nregister_after_restore(fail)\n"),
    (
        "an after hook raises after others",
        "register_after_restore(print, 'first')\nregister_after_restore(lambda: 1 / 0)\n"
        "register_after_restore(print, 'never')\n",
    ),
    ("an after hook exits", "import sys\nregister_after_restore(sys.exit, 3)\n"),
    (
        "an after hook raises a BaseException",
        "def fail():\n    raise KeyboardInterrupt\nregister_after_restore(fail)\n",
    ),
    ("a hook that is not a function", "register_before_snapshot(42)\n"),
    (
        "a cause in a hook",
        "def fail():\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n"
        "        raise KeyError('k') from e\nregister_before_snapshot(fail)\n",
    ),
    ("an error at import", "raise ValueError('import')\n"),
):
    SNAPSTART.case(
        f"SnapStart: {name}",
        files={"app.py": _HOOKS + source + _HANDLER},
        environment=_SNAP,
    )
    if name in ("hooks as decorators", "a before hook raises"):
        SNAPSTART.case(f"on-demand: {name}", files={"app.py": _HOOKS + source + _HANDLER})
SNAPSTART.case(
    "SnapStart: variables change in a hook",
    files={
        "app.py": _HOOKS
        + "import os\nregister_after_restore(os.environ.update, AWS_LAMBDA_FUNCTION_NAME='restored')\n"
        + "def handler(event, context):\n    return context.function_name\n"
    },
    environment=_SNAP,
)
SNAPSTART.case(
    "SnapStart: a fault of the function has its type in the header",
    "x = 1",
    handler="nowhere.handler",
    environment=_SNAP,
)
for initialization in ("provisioned-concurrency", "Snap-Start", "snap-start ", ""):
    SNAPSTART.case(
        f"SnapStart: AWS_LAMBDA_INITIALIZATION_TYPE={initialization!r}",
        files={"app.py": _HOOKS + "register_before_snapshot(print, 'before')\n" + _HANDLER},
        environment={"AWS_LAMBDA_INITIALIZATION_TYPE": initialization},
    )
for status in (403, 500):
    SNAPSTART.case(
        f"SnapStart: restore/next responds with {status}",
        files={"app.py": _HOOKS + "register_after_restore(print, 'after')\n" + _HANDLER},
        environment=_SNAP,
        statuses={"restore/next": status},
    )
SNAPSTART.case(
    "SnapStart: restore/error responds with 403",
    files={"app.py": _HOOKS + "register_after_restore(lambda: 1 / 0)\n" + _HANDLER},
    environment=_SNAP,
    statuses={"restore/error": 403},
)
SNAPSTART.case(
    "SnapStart: init/error responds with 500 for a before hook",
    files={"app.py": _HOOKS + "register_before_snapshot(lambda: 1 / 0)\n" + _HANDLER},
    environment=_SNAP,
    statuses={"init/error": 500},
)
SNAPSTART.case(
    "SnapStart: a before hook raises, logged as JSON",
    files={"app.py": _HOOKS + "register_before_snapshot(lambda: 1 / 0)\n" + _HANDLER},
    environment={**_SNAP, "AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
SNAPSTART.case(
    "SnapStart: an after hook raises, logged as frames",
    files={"app.py": _HOOKS + "register_after_restore(lambda: 1 / 0)\n" + _HANDLER},
    environment=_SNAP,
    telemetry=True,
)
SNAPSTART.case(
    "SnapStart: the function does not import the hooks' module",
    "def handler(event, context):\n    return str(context)",
    "1",
    "2",
    environment=_SNAP,
)
SNAPSTART.case(
    "SnapStart: the function has its own hooks' module",
    files={
        "snapshot_restore_py.py": "before, after = [], []\n"
        "def register_before_snapshot(f, *a, **k):\n    before.append((f, a, k))\n    return f\n"
        "def register_after_restore(f, *a, **k):\n    after.append((f, a, k))\n    return f\n"
        "def get_before_snapshot():\n    return before\ndef get_after_restore():\n    return after\n",
        "app.py": _HOOKS
        + "register_before_snapshot(print, 'own before')\nregister_after_restore(print, 'own after')\n"
        + _HANDLER,
    },
    environment=_SNAP,
)
SNAPSTART.case(
    "SnapStart: several events",
    files={"app.py": _HOOKS + "register_after_restore(print, 'once')\n" + _HANDLER},
    environment=_SNAP,
)

# The handler fails for 1 and responds to other events.
_EITHER = (
    "def handler(event, context):\n    if event == 1:\n        raise ValueError('x')\n    return event\n"
)
for status in (400, 403, 404, 410, 413, 500):
    FAULTS.case(f"a response gets {status}", _EITHER, Event(b"2", statuses=(status,)), Event(b"3"))
    FAULTS.case(f"an error gets {status}", _EITHER, Event(b"1", statuses=(status,)), Event(b"3"))
FAULTS.case("a response gets 200", _EITHER, Event(b"2", statuses=(200,)), Event(b"3"))
FAULTS.case("an error gets 200", _EITHER, Event(b"1", statuses=(200,)), Event(b"3"))
FAULTS.case(
    "a response that is not JSON gets 410",
    "def handler(e, c):\n    return {1}",
    Event(b"1", statuses=(410,)),
    "2",
)
for name, ending in (
    ("closes the connection", CLOSE),
    ("responds to next with 403", FORBIDDEN),
    ("responds to next with 500", FAILURE),
    ("responds to next with bytes that are not HTTP", GARBAGE),
):
    FAULTS.case(f"the server {name}", _EITHER, "2", ending=ending)
    FAULTS.case(
        f"the server {name}, on python3.12",
        _EITHER,
        "2",
        ending=ending,
        environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
    )
FAULTS.case("no request id", _EITHER, Event(b"2", {"Lambda-Runtime-Aws-Request-Id": None}), "3")
FAULTS.case("an empty request id", _EITHER, Event(b"2", {"Lambda-Runtime-Aws-Request-Id": ""}), "3")
FAULTS.case("nobody listens", _EITHER, environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"})
FAULTS.case("an address without a port", _EITHER, environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1"})
FAULTS.case(
    "nothing listens for the init error", "1 / 0", environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}
)
for name, source in (("an address of colons", _EITHER), ("an address of colons for the init error", "1 / 0")):
    FAULTS.case(name, source, environment={"AWS_LAMBDA_RUNTIME_API": "::::"})
FAULTS.case("no address", _EITHER, environment={"AWS_LAMBDA_RUNTIME_API": None})
FAULTS.case(
    "a response of six megabytes", "def handler(event, context):\n    return 'x' * 6_291_400", "1", "2"
)
FAULTS.case(
    "a response of seven megabytes gets 413",
    "def handler(event, context):\n    return 'x' * 7_000_000 if event == 1 else event",
    Event(b"1", statuses=(413,)),
    "2",
)
FAULTS.case(
    "an event of six megabytes",
    "def handler(event, context):\n    return len(event)",
    b'"' + b"x" * 6_291_000 + b'"',
)
FAULTS.case(
    "an event of six megabytes in chunks",
    "def handler(event, context):\n    return len(event)",
    Event(b'"' + b"x" * 6_291_000 + b'"', chunked=True),
)

SHUTDOWN.case("SIGTERM, and the function does not handle it", "def handler(e, c): return 1", ending=SIGTERM)
SHUTDOWN.case(
    "SIGTERM, and the function handles it",
    "import signal, sys\ndef stop(*args):\n    print('stopping')\n    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, stop)\ndef handler(e, c): return 1",
    ending=SIGTERM,
)
SHUTDOWN.case(
    "SIGTERM, and the function handles it, on python3.12",
    "import signal, sys\ndef stop(*args):\n    print('stopping')\n    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, stop)\ndef handler(e, c): return 1",
    ending=SIGTERM,
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
SHUTDOWN.case(
    "SIGTERM, and the function continues",
    "import signal\ndef stop(*args):\n    print('not yet')\nsignal.signal(signal.SIGTERM, stop)\n"
    "def handler(e, c): return 1",
    ending=SIGTERM,
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
SHUTDOWN.case(
    "SIGTERM, and the function continues, and atexit",
    "import atexit, signal\natexit.register(print, 'atexit')\n"
    "signal.signal(signal.SIGTERM, lambda *args: print('not yet'))\ndef handler(e, c): return 1",
    ending=SIGTERM,
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
SHUTDOWN.case(
    "SIGTERM, and the function's handler raises",
    "import signal\ndef stop(*args):\n    raise ValueError('stop')\nsignal.signal(signal.SIGTERM, stop)\n"
    "def handler(e, c): return 1",
    ending=SIGTERM,
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
for name, source in (
    ("ignores it", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
    ("has its default restored", "signal.signal(signal.SIGTERM, print)\nsignal.signal(15, signal.SIG_DFL)"),
    ("handles SIGINT", "signal.signal(signal.SIGINT, lambda *args: print('interrupted'))"),
):
    SHUTDOWN.case(
        f"SIGTERM, and the function {name}",
        f"import signal\n{source}\ndef handler(e, c): return 1",
        ending=SIGTERM,
        environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
    )
SHUTDOWN.case(
    "SIGTERM, and the running handler responds to it",
    "import signal\ndef handler(e, c):\n    signal.signal(signal.SIGTERM, lambda *args: print('not yet'))",
    ending=SIGTERM,
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"},
)
SHUTDOWN.case(
    "atexit functions are not run when the process is killed",
    "import atexit\natexit.register(print, 'atexit')\ndef handler(e, c): return 1",
)
SHUTDOWN.case(
    "a signal of the function's own while it works",
    """
    import os, signal

    seen = []
    signal.signal(signal.SIGUSR1, lambda *args: seen.append(args[0] == signal.SIGUSR1))

    def handler(event, context):
        os.kill(os.getpid(), signal.SIGUSR1)
        return seen
    """,
    "1",
    "2",
)
SHUTDOWN.case(
    "an alarm that rings while the handler works",
    """
    import signal

    class TooLong(Exception):
        pass

    def ring(*args):
        raise TooLong("alarm")

    signal.signal(signal.SIGALRM, ring)

    def handler(event, context):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.pause()
    """,
    "1",
    "2",
)
SHUTDOWN.case(
    "a daemon thread that never ends",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    "import sys\ndef handler(event, context):\n    return 1 if event == 1 else sys.exit(2)",
    "1",
    "2",
)

_CONCURRENT: Environment = {
    "AWS_LAMBDA_MAX_CONCURRENCY": "2",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
}
_SLOW = """
    import logging, time

    logging.warning("loaded")

    def handler(event, context):
        time.sleep(0.2)
        logging.warning("event %s", event)
        if event == 2:
            raise ValueError("two")
        return [event, context.aws_request_id]
"""
CONCURRENCY.case("two at once", _SLOW, "1", "2", "3", "4", environment=_CONCURRENT, pollers=2)
CONCURRENCY.case(
    "two at once, each with its trace id",
    "import os, time\ndef handler(event, context):\n    time.sleep(0.2)\n"
    "    return os.environ.get('_X_AMZN_TRACE_ID')",
    Event(b"1", {"Lambda-Runtime-Trace-Id": "Root=1"}),
    Event(b"2", {"Lambda-Runtime-Trace-Id": "Root=2"}),
    environment=_CONCURRENT,
    pollers=2,
)
CONCURRENCY.case(
    "a level shows the worker pool",
    "def handler(event, context):\n    return 1",
    environment={**_CONCURRENT, "AWS_LAMBDA_LOG_LEVEL": "DEBUG"},
    pollers=2,
)
CONCURRENCY.case(
    "one at once",
    "import logging\ndef handler(event, context):\n    logging.warning('x')\n    return event",
    "1",
    "2",
    environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
)
CONCURRENCY.case(
    "a response gets 410, and the worker continues",
    "def handler(event, context):\n    return event",
    Event(b"1", statuses=(410,)),
    Event(b"2"),
    environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
)
CONCURRENCY.case(
    "an error gets 410, and the worker continues",
    _EITHER,
    Event(b"1", statuses=(410,)),
    Event(b"2"),
    environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
)
for status in (400, 413):
    CONCURRENCY.case(
        f"a response gets {status}, and the worker continues",
        _EITHER,
        Event(b"3", statuses=(status,)),
        Event(b"2"),
        environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
    )
CONCURRENCY.case(
    "an init error of all workers that gets 403",
    "raise ValueError('init')",
    environment=_CONCURRENT,
    pollers=2,
    statuses={"init/error": 403},
)
CONCURRENCY.case(
    "an init error of the only worker that gets 500",
    "raise ValueError('init')",
    environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
    statuses={"init/error": 500},
)
CONCURRENCY.case(
    "output goes to the provider socket",
    "import sys\ndef handler(event, context):\n    print('out', event)\n"
    "    print('err', event, file=sys.stderr)",
    "1",
    environment={**_CONCURRENT, "AWS_LAMBDA_MAX_CONCURRENCY": "1"},
    provider_socket=True,
)
CONCURRENCY.case(
    "an init error of all workers",
    "raise ValueError('init')",
    environment=_CONCURRENT,
    pollers=2,
)

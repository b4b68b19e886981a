"""Sequences with state: what is kept from one event to the next, and what must not be."""

from __future__ import annotations

from ..case import Event, Group

GROUP = Group("sequences")
GROUPS = [GROUP]

_TRACE = "Lambda-Runtime-Trace-Id"
_TENANT = "Lambda-Runtime-Aws-Tenant-Id"
_INVOCATION = "Lambda-Runtime-Invocation-Id"

GROUP.case(
    "globals last",
    """
    count = 0

    def handler(event, context):
        global count
        count += 1
        return count
    """,
    "1",
    "2",
    "3",
)
GROUP.case(
    "a default argument lasts",
    "def handler(event, context, seen=[]):\n    seen.append(event)\n    return seen",
    "1",
    "2",
)
GROUP.case(
    "the trace id is set, changed and removed",
    "import os\ndef handler(event, context):\n    return os.environ.get('_X_AMZN_TRACE_ID', 'not set')",
    Event(b"1", {_TRACE: "Root=1"}),
    Event(b"2", {_TRACE: "Root=2"}),
    Event(b"3"),
    Event(b"4", {_TRACE: ""}),
    Event(b"5", {_TRACE: "Root=5"}),
    Event(b"6", {_TRACE: ""}),
)
GROUP.case(
    "a trace id from the environment is removed",
    "import os\nfirst = os.environ.get('_X_AMZN_TRACE_ID')\n"
    "def handler(event, context):\n    return [first, os.environ.get('_X_AMZN_TRACE_ID', 'not set')]",
    Event(b"1"),
    environment={"_X_AMZN_TRACE_ID": "Root=0"},
)
GROUP.case(
    "child processes see the trace id",
    "import subprocess\ndef handler(event, context):\n"
    "    return subprocess.run('echo $_X_AMZN_TRACE_ID', shell=True, stdout=subprocess.PIPE).stdout.decode()",
    Event(b"1", {_TRACE: "Root=1"}),
    Event(b"2"),
)
GROUP.case(
    "the function changes the trace id itself",
    "import os\ndef handler(event, context):\n    before = os.environ.get('_X_AMZN_TRACE_ID')\n"
    "    os.environ['_X_AMZN_TRACE_ID'] = 'mine'\n    return before",
    Event(b"1", {_TRACE: "Root=1"}),
    Event(b"2"),
)
GROUP.case(
    "the tenant id is set and removed",
    "import logging\ndef handler(event, context):\n    logging.warning('x')\n    return context.tenant_id",
    Event(b"1", {_TENANT: "blue"}),
    Event(b"2"),
    Event(b"3", {_TENANT: "green"}),
    Event(b"4", {_TENANT: ""}),
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
GROUP.case(
    "the invocation id is sent back when there is one",
    "def handler(event, context):\n    if event % 2:\n        raise ValueError(event)\n    return event",
    Event(b"1", {_INVOCATION: "one"}),
    Event(b"2", {_INVOCATION: "two"}),
    Event(b"3"),
    Event(b"4"),
    Event(b"5", {_INVOCATION: ""}),
    Event(b"6", {_INVOCATION: "six é"}),
)
GROUP.case(
    "the client context is set and removed",
    "def handler(event, context):\n    return str(context.client_context)",
    Event(b"1", {"Lambda-Runtime-Client-Context": '{"custom": {"a": 1}}'}),
    Event(b"2"),
    Event(b"3", {"Lambda-Runtime-Client-Context": "bad"}),
    Event(b"4"),
)
GROUP.case(
    "the identity is set and removed",
    "def handler(event, context):\n    return str(context.identity)",
    Event(b"1", {"Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "a"}'}),
    Event(b"2"),
)
GROUP.case(
    "errors and responses alternate",
    """
    def handler(event, context):
        if event == "raise":
            raise ValueError("x")
        if event == "set":
            return {1}
        return event
    """,
    '"raise"',
    '"fine"',
    '"set"',
    '"fine"',
    "not json",
    '"fine"',
    Event(b"1", {"Content-Type": "text/plain"}),
    '"fine"',
)
GROUP.case(
    "the same exception raised twice",
    "error = ValueError('kept')\ndef handler(event, context):\n    raise error",
    "1",
    "2",
)
GROUP.case(
    "an event that the function changes and keeps",
    "kept = []\ndef handler(event, context):\n    event['n'] = len(kept)\n    kept.append(event)\n"
    "    return kept",
    '{"a": 1}',
    '{"a": 1}',
)
GROUP.case(
    "a response that the function keeps and changes",
    "kept = {'n': 0}\ndef handler(event, context):\n    kept['n'] += 1\n    return kept",
    "1",
    "2",
)
GROUP.case(
    "variables that the function sets last",
    "import os\ndef handler(event, context):\n    before = os.environ.get('MINE')\n"
    "    os.environ['MINE'] = str(event)\n    return before",
    "1",
    "2",
)
GROUP.case(
    "AWS_EXECUTION_ENV set by the function has no effect",
    "import os\ndef handler(event, context):\n"
    "    os.environ['AWS_EXECUTION_ENV'] = 'AWS_Lambda_python3.12'\n    return 'é'",
    "1",
    "2",
    environment={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.11"},
)
GROUP.case(
    "variables cleared by the function",
    "import os\ndef handler(event, context):\n    os.environ.clear()\n    return str(context)",
    "1",
    "2",
)
GROUP.case(
    "the working directory lasts",
    "import os\ndef handler(event, context):\n    before = os.getcwd()\n    os.chdir('/')\n    return before",
    "1",
    "2",
)
GROUP.case(
    "the log level lasts",
    "import logging\ndef handler(event, context):\n    logging.info('shown from the second on')\n"
    "    logging.getLogger().setLevel('INFO')",
    "1",
    "2",
)
GROUP.case(
    "the recursion limit lasts",
    "import sys\ndef handler(event, context):\n    before = sys.getrecursionlimit()\n"
    "    sys.setrecursionlimit(before + 10)\n    return before",
    "1",
    "2",
)
GROUP.case(
    "an endless recursion, then a response",
    "def forever():\n    forever()\ndef handler(event, context):\n"
    "    return forever() if event == 1 else event",
    "1",
    "2",
)
GROUP.case(
    "a decimal context of the function lasts, and does not affect responses",
    "import decimal\ndecimal.getcontext().prec = 3\n"
    "def handler(event, context):\n    return [decimal.Decimal('1.23456789'), decimal.Decimal('1') / 3]",
    "1",
    "2",
)
GROUP.case(
    "output without a line end is logged before the next event",
    "def handler(event, context):\n    print(event, end='')",
    "1",
    "2",
)
GROUP.case(
    "a thread that continues logs with the id of the moment",
    """
    import logging, threading

    step = threading.Semaphore(0)
    done = threading.Semaphore(0)

    def work():
        while True:
            step.acquire()
            logging.warning("from the thread")
            done.release()

    threading.Thread(target=work, daemon=True).start()

    def handler(event, context):
        step.release()
        done.acquire()
    """,
    "1",
    "2",
)
GROUP.case(
    "modules replaced by the function: json",
    """
    import json, sys

    def handler(event, context):
        json.dumps = json.loads = None
        sys.modules["json"] = None
        return {"event": event}
    """,
    '"a"',
    '"b"',
)
GROUP.case(
    "print replaced by the function",
    """
    import builtins

    def handler(event, context):
        builtins.print = None
        if event == 2:
            raise ValueError("still reported")
        return event
    """,
    "1",
    "2",
    "3",
)
GROUP.case(
    "time replaced by the function, as test libraries do",
    """
    import time

    def handler(event, context):
        time.time = lambda: 1_700_000_000.5
        return context.get_remaining_time_in_millis() > 0
    """,
    "1",
    "2",
)
GROUP.case(
    "a socket timeout set by the function",
    "import socket\nsocket.setdefaulttimeout(0.05)\nimport time\ndef handler(event, context):\n"
    "    time.sleep(0.1)\n    return event",
    "1",
    "2",
)
GROUP.case(
    "proxies set by the function are not used",
    "def handler(event, context):\n    return event",
    "1",
    environment={
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    },
)
GROUP.case(
    "a garbage collector that is off",
    "import gc\ngc.disable()\ngc.freeze()\ndef handler(event, context):\n    return gc.isenabled()",
    "1",
    "2",
)
GROUP.case(
    "a child process that inherits everything",
    "import os\ndef handler(event, context):\n    pid = os.fork()\n    if pid == 0:\n"
    "        os._exit(0)\n    return os.waitpid(pid, 0)[1]",
    "1",
    "2",
)
GROUP.case(
    "a multiprocessing process",
    "import multiprocessing\ndef work(q): q.send('from the child')\ndef handler(event, context):\n"
    "    a, b = multiprocessing.Pipe()\n    p = multiprocessing.Process(target=work, args=(b,))\n"
    "    p.start()\n    p.join()\n    return a.recv()",
    "1",
    "2",
)
GROUP.case(
    "a thread pool",
    "from concurrent.futures import ThreadPoolExecutor\ndef handler(event, context):\n"
    "    with ThreadPoolExecutor(2) as pool:\n        return list(pool.map(abs, [-1, -2]))",
    "1",
    "2",
)
GROUP.case(
    "asyncio.run within the handler",
    "import asyncio\nasync def work():\n    await asyncio.sleep(0)\n    return 'awaited'\n"
    "def handler(event, context):\n    return asyncio.run(work())",
    "1",
    "2",
)
GROUP.case(
    "an event loop kept by the function",
    "import asyncio\nloop = asyncio.new_event_loop()\nasync def work():\n"
    "    return id(asyncio.get_running_loop()) == id(loop)\n"
    "def handler(event, context):\n    return loop.run_until_complete(work())",
    "1",
    "2",
)
GROUP.case(
    "temporary files last",
    "import os, tempfile\nfolder = tempfile.mkdtemp()\ndef handler(event, context):\n"
    "    open(os.path.join(folder, str(event)), 'w').close()\n    return sorted(os.listdir(folder))",
    "1",
    "2",
)
GROUP.case(
    "twenty events",
    "def handler(event, context):\n    return event * 2",
    *[str(number) for number in range(20)],
)

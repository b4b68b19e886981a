"""What the runtime costs: the modules before the first event, the requests and system calls of each."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import unittest

from tests.costs import can_count_system_calls, traced_calls
from tests.support import BOOTSTRAP, PYPY, ROOT, FunctionTestCase, accepted, event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter

# The modules that may be loaded in addition to those of the interpreter: our own, and these.
OUR_OWN = {
    "lambda_runtime",
    "lambda_runtime.codec",
    "lambda_runtime.connection",
    "lambda_runtime.context",
    "lambda_runtime.diagnostics",
    "lambda_runtime.process_exit",
    "lambda_runtime.environment",
    "lambda_runtime.errors",
    "lambda_runtime.handler",
    "lambda_runtime.http1",
    "lambda_runtime.logging_hook",
    "lambda_runtime.logs",
    "lambda_runtime.main",
    "lambda_runtime.runtime_api",
    "lambda_runtime.search_path",
    "lambda_runtime.stdlib_import",
}
ALLOWED = {"__future__", "_json", "_socket", "function"} | OUR_OWN

# Written in C and built into the interpreter: their cost is negligible.
BUILT_IN = set(sys.builtin_module_names)

# The runtime does not load these because of their cost (milliseconds on a slow machine).
EXPENSIVE = """
    argparse asyncio collections contextlib dataclasses datetime decimal email enum functools http.client
    inspect json logging pathlib re select selectors signal socket ssl string subprocess tempfile threading
    traceback typing urllib.parse uuid
""".split()  # noqa: SIM905

WITHOUT_SITE = [sys.executable, "-S", str(BOOTSTRAP)]

RECORD = """
    import sys
    at_import = sorted(sys.modules)

    def handler(event, context):
        return [at_import, sorted(sys.modules)]
"""
# The same without the runtime. -S excludes modules that `site` or a .pth file loads; otherwise one that the
# runtime also loads could go unnoticed.
BARE = "import io, os, sys; loaded = sorted(sys.modules); import json; print(json.dumps(loaded))"


class Modules(FunctionTestCase):
    def bare(self) -> set[str]:
        script = self.write({"bare.py": BARE})
        command = [sys.executable, "-S", f"{script}/bare.py"]
        output = subprocess.check_output(command, env={"LANG": "C.UTF-8"})
        return set(json.loads(output.decode()))

    @unittest.skipIf(PYPY, "PyPy's json is written in Python, and needed from the start")
    def test_nothing_is_loaded_that_is_not_on_the_list(self) -> None:
        function = self.start(RECORD, command=WITHOUT_SITE)
        at_import, at_first_event = map(set, self.call(function))
        extra = at_import - self.bare() - BUILT_IN
        self.assertEqual(sorted(extra - ALLOWED), [])
        self.assertEqual(sorted(at_first_event - at_import), [], "loaded for the first event")
        self.assertLessEqual({"lambda_runtime.main", "function"}, extra)

    @unittest.skipIf(PYPY, "PyPy's json is written in Python, and needed from the start")
    def test_nothing_expensive_is_loaded_for_ordinary_events_and_results(self) -> None:
        function = self.start(RECORD.replace("return", "print(event); return"), command=WITHOUT_SITE)
        ordinary = {"Records": [{"body": "é", "n": 1.5, "ok": True, "none": None}] * 20}
        for _ in range(3):
            _, loaded = self.call(function, ordinary, client_context=b'{"custom": {"a": "b"}}', tenant_id="t")
        expensive = set(EXPENSIVE) - self.bare()
        self.assertGreater(len(expensive), 15)
        self.assertEqual(sorted(expensive & set(loaded)), [])

    @unittest.skipUnless(PYPY, "only for PyPy")
    def test_on_pypy_little_more_than_json_is_loaded(self) -> None:
        function = self.start(RECORD, command=WITHOUT_SITE)
        at_import, _ = map(set, self.call(function))
        output = subprocess.check_output(
            [sys.executable, "-S", "-c", f"import json, _socket; {BARE}"], env={"LANG": "C.UTF-8"}
        )
        extra = at_import - set(json.loads(output.decode())) - BUILT_IN - ALLOWED
        self.assertEqual(sorted(extra), [])

    def test_our_modules_need_no_more_than_the_list_says(self) -> None:
        # Add a new module to the list if it is imported before the first event, otherwise not.
        function = self.start(RECORD, command=WITHOUT_SITE)
        at_import, _ = self.call(function)
        ours = {name for name in at_import if name.partition(".")[0] == "lambda_runtime"}
        self.assertEqual(sorted(ours), sorted(OUR_OWN))

    def test_no_module_of_ours_imports_typing(self) -> None:
        for path in sorted((ROOT / "runtime" / "lambda_runtime").glob("*.py")):
            with self.subTest(path.name):
                code = (
                    "import sys\n"
                    f"sys.path.insert(0, {str(ROOT / 'runtime')!r})\n"
                    "before = set(sys.modules)\n"
                    f"import lambda_runtime.{path.stem}\n"
                    "added = set(sys.modules) - before\n"
                    "print(sorted({'typing', 'dataclasses', 'http.client'} & added))\n"
                )
                command = [sys.executable, "-S", "-c", code]
                output = subprocess.check_output(command, env={"LANG": "C.UTF-8"})
                # logging and asyncio import them on some versions, which we cannot change.
                late = ("asgi", "event_loop", "lifespan", "log_handler", "logging_hook", "snapstart")
                if path.stem not in late:
                    self.assertEqual(output, b"[]\n")

    def test_the_first_request_of_the_process_is_next(self) -> None:
        outcome = self.play(event(), accepted())
        self.assertEqual(outcome.calls, ["next", "r1/response", "next"])


class Requests(FunctionTestCase):
    def test_they_are_short_and_have_a_user_agent(self) -> None:
        outcome = self.play(event(), accepted())
        get, post, _ = outcome.requests
        self.assertEqual(get.head.partition(b"\r\n")[0], b"GET /2018-06-01/runtime/invocation/next HTTP/1.1")
        self.assertEqual(sorted(get.headers), ["host", "user-agent"])
        version = ".".join(map(str, sys.version_info[:3]))
        self.assertRegex(get.headers["user-agent"], rf"\A[a-z-]+/\d+\.\d+\.\d+ python/{version}\Z")
        self.assertEqual(post.head.partition(b"\r\n")[0].split()[0], b"POST")
        self.assertEqual(sorted(post.headers), ["content-length", "content-type", "host", "user-agent"])
        self.assertRegex(get.headers["host"], r"\A127\.0\.0\.1:\d+\Z")


class SystemCalls(FunctionTestCase):
    """Each is some microseconds of every invocation. They are counted by strace."""

    # For each of the two requests: whether this is the process that fetched the event, whether the connection
    # is ours and open, the request, its response.
    EXPECTED = {"getpid": 2, "getsockopt": 2, "recvfrom": 2, "sendto": 2}

    def counts(self, invocations: int) -> Counter[str]:
        replies = [reply for number in range(invocations) for reply in (event(f"r{number}"), accepted())]
        with tempfile.NamedTemporaryFile() as trace:
            strace = ["strace", "-f", "-o", trace.name]
            self.play(*replies, command=[*strace, sys.executable, "-B", str(BOOTSTRAP)])
            return traced_calls(trace.name)

    @unittest.skipUnless(can_count_system_calls(), "needs strace, and the permission to use it")
    def test_an_invocation_needs_eight(self) -> None:
        few, many = self.counts(20), self.counts(70)
        few.pop("sched_yield", None)
        many.pop("sched_yield", None)  # CPython 3.13t, while it waits for the lock of a stream that it holds
        # Pauses of the garbage collector and of other threads add some that are not of each invocation.
        found = {name: round((many[name] - few[name]) / 50) for name in many}
        self.assertEqual({name: number for name, number in found.items() if number > 0}, self.EXPECTED)


if __name__ == "__main__":
    unittest.main()

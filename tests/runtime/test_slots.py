"""Several invocations at once in one process: threads, and one event loop for all."""

from __future__ import annotations

import json
import re
import signal
import time
import unittest
from pathlib import Path

from tests.support import BOOTSTRAP, PATIENCE_S, joined
from tests.workers import LENIENT_BOOTSTRAP, NO_DEADLINE, WorkerTestCase, usable_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.workers import Environment

# Each invocation waits until all others have begun; then all show what they see.
MEET = """
    import asyncio, logging, os, threading, time
    log = logging.getLogger()
    begun = []

    def show(context):
        log.warning("of %s", context.aws_request_id)
        print("print of", context.aws_request_id)
        return {
            "pid": os.getpid(),
            "id": context.aws_request_id,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "bytes": os.environb[b"_X_AMZN_TRACE_ID"].decode(),
            "copy": os.environ.copy()["_X_AMZN_TRACE_ID"],
            "counted": len(os.environ) == len(list(os.environ)) and "_X_AMZN_TRACE_ID" in os.environ,
        }
"""
THREADS = (
    MEET
    + """
    def handler(event, context):
        begun.append(event)
        while len(begun) < 4:
            time.sleep(0.01)
        return show(context)
"""
)
TASKS = (
    MEET
    + """
    async def handler(event, context):
        begun.append(event)
        while len(begun) < 4:
            await asyncio.sleep(0.01)
        return await asyncio.ensure_future(later(context))

    async def later(context):
        return show(context)
"""
)
SHARED = (("thread", THREADS), ("thread", TASKS), ("async", TASKS), ("", TASKS))
MODES = ("thread", "async")


def deadline(seconds: float) -> str:
    return f"Lambda-Runtime-Deadline-Ms: {int((time.time() + seconds) * 1000)}"


class Invocations(WorkerTestCase):
    """What belongs to an invocation is right, although others run at the same time."""

    def test_each_invocation_sees_its_own_ids(self) -> None:
        for mode, source in SHARED:
            for log_format in ("", "JSON"):
                with self.subTest(mode, log_format=log_format):
                    variables = {"AWS_LAMBDA_LOG_FORMAT": log_format}
                    environment = self.launch(source, 4, mode, variables=variables)
                    for request_id in "abcd":
                        environment.send(request_id)
                    responses = environment.responses(4)
                    self.assertEqual(len({body.pop("pid") for body in responses.values()}), 1)
                    for request_id, body in responses.items():
                        trace = f"Root={request_id}"
                        self.assertEqual(
                            body,
                            {
                                "id": request_id,
                                "trace": trace,
                                "bytes": trace,
                                "copy": trace,
                                "counted": True,
                            },
                        )
                    records = [line for line in environment.log().splitlines() if "of " in line]
                    if log_format:
                        logged = [json.loads(line) for line in records if line.startswith("{")]
                        found = [(one["requestId"], one["message"]) for one in logged]
                    else:
                        found = re.findall(r"\[WARNING\]\t\S+Z\t(\S*)\t(.*)", "\n".join(records))
                    self.assertEqual(sorted(found), [(one, f"of {one}") for one in "abcd"])
                    printed = sorted(line for line in records if line.startswith("print"))
                    self.assertEqual(printed, [f"print of {one}" for one in "abcd"])

    def test_a_trace_id_does_not_outlive_its_invocation(self) -> None:
        source = """
            import os
            async def handler(event, context):
                return os.environ.get("_X_AMZN_TRACE_ID"), dict(os.environ).get("_X_AMZN_TRACE_ID")
            """
        environment = self.launch(source, 2)
        for number in range(6):
            environment.send(f"r{number}")
            self.assertEqual(environment.responses(1), {f"r{number}": [f"Root=r{number}"] * 2})

    def test_child_processes_inherit_no_trace_id_of_another_invocation(self) -> None:
        source = """
            import os, subprocess, sys
            def handler(event, context):
                return subprocess.check_output(["env"], env=None).decode().count("_X_AMZN_TRACE_ID")
            """
        environment = self.launch(source, 2, "thread")
        environment.send("a")
        self.assertEqual(environment.responses(1), {"a": 0})

    def test_a_line_that_is_printed_in_parts_stays_together(self) -> None:
        source = """
            import asyncio
            async def handler(event, context):
                for number in range(20):
                    print("<", end="")
                    await asyncio.sleep(0.001)
                    print(event * 10, end="")
                    await asyncio.sleep(0.001)
                    print(">")
                print(f"rest of {event}", end="")
            """
        environment = self.launch(source, 4)
        for request_id in "abcd":
            environment.send(request_id, request_id)
        environment.responses(4)
        environment.wait_until_idle(8)
        log = environment.log()
        self.assertEqual(len(re.findall(r"^<(a{10}|b{10}|c{10}|d{10})>$", log, re.MULTILINE)), 80, log)
        self.assertEqual(sorted(re.findall("rest of .", log)), [f"rest of {one}" for one in "abcd"])

    def test_a_line_of_a_thread_that_has_ended_is_not_continued_by_another_thread(self) -> None:
        source = """
            import threading
            go_on = threading.Event()

            def keep():
                print("a line ", end="")
                go_on.wait()
                print("of a living thread")

            living = threading.Thread(target=keep)
            living.start()

            def handler(event, context):
                if event is None:
                    go_on.set()
                    return living.join()
                ended = threading.Thread(target=print, args=(event,), kwargs={"end": "", "flush": True})
                ended.start()
                ended.join()
            """
        environment = self.launch(source, 2, "thread")
        environment.wait_until_idle(2)
        for request_id, value in (("a", "secret of a"), ("b", "text of b"), ("c", None)):
            environment.send(request_id, value)
            environment.responses(1)
            environment.wait_until_idle(1)
        expected = ["secret of a", "text of b", "a line of a living thread"]
        self.assertEqual(environment.log().splitlines(), expected)

    def test_streams_and_calls_after_the_response_work(self) -> None:
        source = """
            import asyncio
            def handler(event, context):
                context.after_response(print, "after", context.aws_request_id)
                for number in range(3):
                    yield f"{event}{number} "
            async def awaited(event, context):
                async def after(): print("after", context.aws_request_id)
                context.after_response(after)
                for number in range(3):
                    await asyncio.sleep(0.01)
                    yield f"{event}{number} "
            """
        for mode, name in (("thread", "handler"), ("thread", "awaited"), ("async", "awaited")):
            with self.subTest(mode, name=name):
                variables = {"_HANDLER": f"function.{name}"}
                environment = self.launch(source, 3, mode, variables=variables)
                for request_id in "abc":
                    environment.send(request_id, request_id)
                responses = environment.responses(3)
                self.assertEqual(responses, {one: f"{one}0 {one}1 {one}2 ".encode() for one in "abc"})
                environment.wait_until_idle(6)
                self.assertEqual(
                    sorted(re.findall("after .", environment.log())), ["after a", "after b", "after c"]
                )

    def test_errors_are_reported_with_the_request_and_the_functions_lines_only(self) -> None:
        source = """
            async def handler(event, context):
                raise ValueError(event)
            """
        environment = self.launch(source, 2)
        environment.send("a", "x")
        path, body = environment.next_response()
        self.assertEqual(
            (path, body["errorType"], body["requestId"]), ("invocation/a/error", "ValueError", "a")
        )
        self.assertEqual(len(body["stackTrace"]), 1, body["stackTrace"])


class Process(WorkerTestCase):
    """What one invocation does to the process that it shares."""

    def test_sys_exit_is_reported_and_ends_nothing(self) -> None:
        sync = "import sys\ndef handler(event, context): return sys.exit(3) if event else 'works'"
        for mode, source in (("thread", sync), ("async", sync.replace("def", "async def"))):
            with self.subTest(mode):
                environment = self.launch(source, 2, mode)
                environment.send("a", 1)
                path, body = environment.next_response()
                self.assertEqual((path, body["errorType"]), ("invocation/a/error", "SystemExit"))
                self.assertEqual(
                    body["errorMessage"],
                    "The function called sys.exit(3), which does not end a process that others share",
                )
                environment.send("b", 0)
                self.assertEqual(environment.responses(1), {"b": "works"})
                self.assertIsNone(environment.process.poll())
                self.assertNotIn("Worker", environment.log())

    def test_a_coroutine_is_cancelled_one_second_after_its_deadline(self) -> None:
        source = """
            import asyncio
            async def handler(event, context):
                try:
                    await asyncio.sleep(event)
                finally:
                    print("finally")
            """
        environment = self.launch(source, 2)
        environment.wait_until_idle(2)
        began = time.monotonic()
        environment.send("a", 60, deadline(0.2))
        path, body = environment.next_response()
        self.assertEqual((path, body["errorType"]), ("invocation/a/error", "TimeoutError"))
        self.assertIn("1 s after the deadline", body["errorMessage"])
        self.assertGreater(time.monotonic() - began, 1.0)
        environment.wait_for_log("finally")
        environment.send("b", 0)
        self.assertEqual(environment.responses(1), {"b": None})

    def test_a_stream_that_is_cancelled_ends_before_its_error(self) -> None:
        source = """
            import asyncio
            async def handler(event, context):
                try:
                    while True:
                        yield "x"
                        await asyncio.sleep(0.01)
                finally:
                    await asyncio.sleep(0.3)
                    print("cleaned up")
            """
        environment = self.launch(source, 2)
        environment.wait_until_idle(2)
        environment.send("a", None, deadline(0.2))
        self.assertRegex(environment.next_response()[1], rb"^x+$")
        self.assertIn("cleaned up", environment.log())
        self.assertIn("TimeoutError", environment.log())

    def test_a_thread_that_continues_after_its_deadline_is_named(self) -> None:
        source = """
            import time
            def handler(event, context):
                time.sleep(event)
                return 1
            """
        environment = self.launch(source, 2, "thread")
        environment.send("a", 4, deadline(0.1))
        environment.wait_for_log("Request a is still running 1 s after its deadline, and keeps its slot")
        self.assertEqual(environment.responses(1), {"a": 1})
        self.assertEqual(environment.log().count("still running"), 1)

    def test_what_blocks_the_loop_while_others_wait_is_named_once(self) -> None:
        folder = Path(self.write({}))
        source = f"""
            import os, time
            async def handler(event, context):
                if event:
                    block(event)

            def block(name):
                open(f"{folder}/begun-{{name}}", "w").close()
                while not os.path.exists(f"{folder}/go-{{name}}"): time.sleep(0.01)
            """
        environment = self.launch(source, 2)
        environment.wait_until_idle(2)
        for name in ("a0", "a1"):
            environment.send(name, name, NO_DEADLINE)
            self.wait_for_file(folder / f"begun-{name}")
            environment.send(f"after-{name}", None, NO_DEADLINE)
            environment.wait_for_log("blocked")
            if name == "a1":
                time.sleep(0.6)  # in which it is not reported again
            (folder / f"go-{name}").touch()
            environment.responses(2)
        log = environment.log()
        self.assertRegex(
            log,
            r"\[WARNING\]\t\S+\ta0\tLAMBDA_RUNTIME The event loop has been blocked for 250 ms while other "
            r"invocations wait: \S+"
            r"function\.py, line 9, in block, during request a0\. Await instead of blocking "
            r"\(asyncio\.to_thread\), or set LAMBDA_RUNTIME_WORKERS=fork",
        )
        self.assertEqual(log.count("blocked"), 1)

    def test_a_blocked_event_loop_is_reported_to_invocations_that_have_begun(self) -> None:
        folder = Path(self.write({}))
        source = f"""
            import asyncio, os, time
            blocked = []
            async def handler(event, context):
                if event == "block":
                    blocked.append(1)
                    while not os.path.exists("{folder}/go"): time.sleep(0.01)
                elif event == "wait":
                    open("{folder}/waiting", "w").close()
                    while not blocked:
                        await asyncio.sleep(0.01)
            """
        environment, lonely = self.launch(source, 2), self.launch(source, 2)
        lonely.wait_until_idle(2)
        lonely.send("a", "block", NO_DEADLINE)
        environment.wait_until_idle(2)
        environment.send("a", "wait", NO_DEADLINE)
        self.wait_for_file(folder / "waiting")
        environment.send("b", "block", NO_DEADLINE)
        environment.wait_for_log(r"function\.py, line 7, in handler, during request b\. Await instead")
        (folder / "go").touch()
        environment.responses(2)
        lonely.responses(1)
        self.assertNotIn("blocked", lonely.log())

    def test_the_event_loop_is_loaded_for_the_first_coroutine_of_a_thread(self) -> None:
        source = """
            import sys
            async def later(event):
                import asyncio
                await asyncio.sleep(0.1)
                return event
            def handler(event, context):
                return later(event) if event else "asyncio" in sys.modules
            """
        environment = self.launch(source, 4, "thread", command=["-S", str(BOOTSTRAP)])
        environment.send("before")
        self.assertEqual(environment.responses(1), {"before": False})
        for request_id in "abcd":  # all at once
            environment.send(request_id, request_id)
        self.assertEqual(environment.responses(4), {request_id: request_id for request_id in "abcd"})

    def test_a_task_that_cannot_begin_is_an_error_of_its_invocation(self) -> None:
        source = """
            import asyncio
            async def handler(event, context):
                if event == "fail":
                    asyncio.get_running_loop().set_task_factory(fail)
                if event == "cancel":
                    asyncio.get_running_loop().set_task_factory(cancel)
                return event
            def fail(loop, coroutine, **options):
                loop.set_task_factory(None)
                coroutine.close()
                raise ValueError("no task")
            def cancel(loop, coroutine, **options):
                loop.set_task_factory(None)
                task = asyncio.Task(coroutine, loop=loop, **options)
                task.cancel()
                return task
            """
        environment = self.launch(source, 2)
        for event, error in (("fail", "ValueError"), ("cancel", "CancelledError")):
            environment.send(event, event)
            self.assertEqual(environment.responses(1), {event: event})
            environment.send("a", "a")
            path, body = environment.next_response()
            self.assertEqual((path, body["errorType"]), ("invocation/a/error", error))
            environment.send("b", "b")
            self.assertEqual(environment.responses(1), {"b": "b"})

    def test_a_slot_without_a_server_ends_the_process_while_the_event_loop_is_loaded(self) -> None:
        source = "async def wait(): pass\ndef handler(event, context): return wait()"
        environment = self.launch(source, 2, "thread")
        environment.wait_until_idle(2)
        environment.send("a")
        time.sleep(0.03)  # importing asyncio takes longer
        for _ in range(2):
            environment.server.events.put(None)  # the server hangs up, also after another try
        self.assertEqual(environment.process.wait(PATIENCE_S), 1)

    def test_a_nested_event_fails_its_invocation_only_also_where_threads_have_small_stacks(self) -> None:
        prefix = ("sh", "-c", 'ulimit -s 1024; exec "$@"', "sh")  # as with musl; glibc takes the limit
        environment = self.launch("def handler(event, context): return event", 2, "thread", prefix=prefix)
        environment.send("a", b"[" * 100_000)
        self.assertEqual(environment.next_response()[0], "invocation/a/error")
        environment.send("b", 1)
        self.assertEqual(environment.responses(1), {"b": 1})

    def test_variables_can_be_copied_while_another_invocation_sets_some(self) -> None:
        source = """
            import os, sys, time
            sys.setswitchinterval(1e-5)
            def handler(event, context):
                end = time.monotonic() + 0.5
                while time.monotonic() < end:
                    if event:
                        os.environ[str(time.monotonic())] = "new"
                        time.sleep(0.0001)
                    else:
                        list(os.environ)
            """
        environment = self.launch(source, 2, "thread")
        environment.send("a", 1)
        environment.send("b", 0)
        self.assertEqual(environment.responses(2), {"a": None, "b": None})

    def test_a_delay_without_a_line_of_the_function_is_not_reported(self) -> None:
        # It looks like a machine that is busy: the loop does not begin, and the function does not run.
        source = """
            import asyncio, time
            async def handler(event, context):
                if event:
                    asyncio.get_running_loop().call_later(0.1, time.sleep, 0.8)
            """
        environment = self.launch(source, 2)
        environment.send("a", 1)
        environment.responses(1)
        time.sleep(0.2)
        environment.send("b", 0)
        environment.responses(1)
        self.assertNotIn("blocked", environment.log())

    def test_a_function_that_stops_or_closes_the_loop_or_runs_its_own(self) -> None:
        source = """
            import asyncio
            async def handler(event, context):
                if event == "stop":
                    asyncio.get_running_loop().stop()
                if event == "run":
                    asyncio.run(asyncio.sleep(0))
                return event
            """
        environment = self.launch(source, 2)
        for number in range(3):
            environment.send(f"stop{number}", "stop")
            self.assertEqual(environment.responses(1), {f"stop{number}": "stop"})
        environment.send("run", "run")
        path, body = environment.next_response()
        self.assertEqual((path, body["errorType"]), ("invocation/run/error", "RuntimeError"))
        environment.send("a", "works")
        self.assertEqual(environment.responses(1), {"a": "works"})
        threads = """
            import asyncio
            def handler(event, context):
                return asyncio.run(asyncio.sleep(0, event))
            """
        environment = self.launch(threads, 2, "thread")
        for request_id in "ab":
            environment.send(request_id, request_id)
        self.assertEqual(environment.responses(2), {"a": "a", "b": "b"})

    def test_a_process_that_the_function_forks_is_not_a_slot(self) -> None:
        source = """
            import os
            def handler(event, context):
                child = os.fork()
                if child == 0:
                    return "of the child"
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            """.replace("os.waitstatus_to_exitcode", "os.WEXITSTATUS")
        environment = self.launch(source, 2, "thread")
        environment.send("a")
        self.assertEqual(environment.responses(1), {"a": 0})
        self.assertTrue(environment.server.responses.empty())

    def test_stacks_are_written_before_the_earliest_deadline(self) -> None:
        source = """
            import time
            def handler(event, context):
                if event == "late": late()
                time.sleep(event if event != "late" else 0)
            def late():
                time.sleep(4)
            """
        variables = {"LAMBDA_RUNTIME_DUMP_STACKS_MS": "500"}
        environment = self.launch(source, 3, "thread", variables=variables)
        environment.wait_until_idle(3)
        environment.send("a", 0.3, deadline(20))
        environment.send("b", "late", deadline(3))
        environment.send("c", 4.5, deadline(20))
        environment.responses(3)
        self.assertIn("in late", environment.log())
        self.assertEqual(environment.log().count("Timeout"), 1)

    def test_stacks_are_written_for_each_invocation_that_hangs(self) -> None:
        source = """
            import time
            def handler(event, context):
                time.sleep(30)
            """
        variables = {"LAMBDA_RUNTIME_DUMP_STACKS_MS": "1000"}
        for mode in MODES:
            with self.subTest(mode):
                environment = self.launch(source, 2, mode, variables=variables)
                environment.wait_until_idle(2)
                environment.send("a", 0, deadline(1.5))
                environment.send("b", 0, deadline(4))  # or one dump would do for both if they begin late
                environment.wait_for_log(r"(?s)Timeout.*Timeout")

    @unittest.skipIf(len(usable_cpus()) < 2, "needs two CPUs")
    def test_there_is_a_process_for_each_cpu_and_no_slot_is_lost(self) -> None:
        source = """
            import asyncio, os
            async def handler(event, context):
                await asyncio.sleep(0.3)
                return os.getpid()
            """
        environment = self.launch(source, 5, cpus=2)
        environment.wait_until_idle(5)
        for request_id in "abcde":
            environment.send(request_id)
        pids = list(environment.responses(5).values())
        self.assertEqual(sorted(pids.count(pid) for pid in set(pids)), [2, 3])

    def test_the_default_follows_the_handler(self) -> None:
        for source, processes in [
            ("async def handler(event, context): return os.getpid()", 1),
            ("def handler(event, context): return os.getpid()", 2),
            ("class Handler:\n  async def __call__(self, *a): return os.getpid()\nhandler = Handler()", 1),
            (
                "import functools\nasync def function(x, e, c): return os.getpid()\n"
                "handler = functools.partial(function, 1)",
                1,
            ),
            (
                "from lambda_runtime import asgi\nasync def app(scope, receive, send): ...\n"
                "handler = asgi.handler(app, lifespan='off')",
                1,
            ),
        ]:
            with self.subTest(source):
                environment = self.launch(f"import os\n{source}", 2)
                environment.wait_until_idle(2)
                children = f"/proc/{environment.process.pid}/task/{environment.process.pid}/children"
                with open(children, encoding="ascii") as file:
                    self.assertEqual(len(file.read().split()), processes)


class WebApplications(WorkerTestCase):
    """ASGI and WSGI applications that serve several requests at once."""

    ASGI = """
        import asyncio
        from lambda_runtime import asgi
        starts = []

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                starts.append(1)
                while is_early():
                    await asyncio.sleep(0.005)
                scope["state"]["loop"] = id(asyncio.get_running_loop())
                await send({"type": "lifespan.startup.complete"})
                await receive()
                print("shut down")
                await send({"type": "lifespan.shutdown.complete"})
                return
            body = f"{len(starts)} {scope['state']['loop'] == id(asyncio.get_running_loop())}"
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})
        """
    HTTP = {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    EVENT = {"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": {"http": HTTP}}

    def bodies(self, source: str, mode: str, *, count: int = 2) -> tuple[list[str], str]:
        """The bodies of the responses to ``count`` requests at once, and the log, with that of the end."""
        environment = self.launch(source, count, mode, command=LENIENT_BOOTSTRAP)
        for number in range(count):
            environment.send(f"r{number}", self.EVENT, deadline(PATIENCE_S))
        bodies = [response["body"] for response in environment.responses(count).values()]
        environment.process.send_signal(signal.SIGTERM)
        environment.process.wait(PATIENCE_S)
        return bodies, environment.log()

    def test_requests_on_one_loop_wait_for_the_same_startup(self) -> None:
        source = """
            web = None
            requests = []

            def is_early():
                return len(requests) < 2

            async def handler(event, context):
                global web
                web = web or asgi.handler(app, streaming=False)
                requests.append(1)
                return await web(event, context)
            """
        for mode in MODES:
            with self.subTest(mode):
                bodies, log = self.bodies(joined(self.ASGI, source), mode)
                self.assertEqual((bodies, log), (["1 True"] * 2, ""))

    def test_each_loop_has_its_own_startup(self) -> None:
        source = f"""
            from lambda_runtime.web import lifespan
            lifespan.SHUTDOWN_S = {PATIENCE_S}

            def is_early():
                return len(starts) == 2

            web = asgi.handler(app, streaming=False)

            def handler(event, context):
                return asyncio.run(web(event, context))
            """
        bodies, log = self.bodies(joined(self.ASGI, source), "thread")
        self.assertEqual(bodies, ["3 True"] * 2)
        self.assertEqual(log, "shut down\n")  # on the loop of the init phase, the only one that is open

    def test_wsgi_applications_know_that_they_share_the_process(self) -> None:
        source = """
            from lambda_runtime import wsgi

            def app(environ, start_response):
                start_response("200 OK", [("content-type", "text/plain")])
                return [f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']}".encode()]

            handler = wsgi.handler(app, streaming=False)
            """
        for mode, is_shared in (("thread", True), ("async", True), ("fork", False), ("preload", False)):
            with self.subTest(mode):
                self.assertEqual(self.bodies(source, mode)[0], [f"{is_shared} True"] * 2)


class Shutdown(WorkerTestCase):
    """SIGTERM while several invocations are in progress."""

    HOOK = """
        import asyncio, atexit, signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
        atexit.register(print, "at exit")
        """
    SYNC = """
        def handler(event, context):
            print("begun", flush=True)
            time.sleep(event)
            return event
        """
    ASYNC = SYNC.replace("def", "async def").replace("time", "await asyncio")

    def launch_leniently(self, hook: str, source: str, mode: str) -> Environment:
        """Start three slots without time limits after SIGTERM, and wait until they are idle."""
        environment = self.launch(joined(hook, source), 3, mode, command=LENIENT_BOOTSTRAP)
        environment.wait_until_idle(3)
        return environment

    def terminate_busy(self, environment: Environment) -> None:
        """Send SIGTERM during two invocations, and expect that they end before the process."""
        durations_s = {"a": 0.1, "b": 0.3}
        for request_id, duration_s in durations_s.items():
            environment.send(request_id, duration_s)
        environment.wait_for_log("begun\nbegun\n")
        environment.process.send_signal(signal.SIGTERM)
        self.assertEqual(environment.responses(2), durations_s)
        self.assertEqual(environment.process.wait(PATIENCE_S), 128 + signal.SIGTERM)

    def test_invocations_in_progress_may_end_and_then_the_process_does(self) -> None:
        for mode, source in (("thread", self.SYNC), ("async", self.ASYNC)):
            with self.subTest(mode):
                environment = self.launch_leniently(self.HOOK, source, mode)
                self.terminate_busy(environment)
                self.assertEqual(environment.log(), "begun\nbegun\ntold\nat exit\n")

    def test_a_handler_that_takes_longer_than_the_invocations_is_called_to_its_end(self) -> None:
        for mode, source in (("thread", self.SYNC), ("async", self.ASYNC)):
            with self.subTest(mode):
                hook = self.HOOK.replace("*_: print", "*_: time.sleep(1) or print")
                environment = self.launch_leniently(hook, source, mode)
                self.terminate_busy(environment)
                self.assertEqual(environment.log(), "begun\nbegun\ntold\nat exit\n")

    def test_a_handler_that_exits_or_fails_does_not_end_invocations_in_progress(self) -> None:
        for call, status in (("sys.exit(3)", 3), ("1 / 0", 1)):
            for mode, source in (("thread", self.SYNC), ("async", self.ASYNC)):
                with self.subTest(call, mode=mode):
                    hook = self.HOOK.replace('print("told", flush=True)', call)
                    environment = self.launch_leniently(hook, source, mode)
                    self.terminate_busy(environment)
                    self.assertIn("at exit\n", environment.log())
                    self.assertEqual("ZeroDivisionError" in environment.log(), status == 1)

    def test_an_idle_process_ends_soon(self) -> None:
        for mode, source in (("thread", self.SYNC), ("async", self.ASYNC)):
            with self.subTest(mode):
                environment = self.launch_leniently(self.HOOK, source, mode)
                environment.process.send_signal(signal.SIGTERM)
                self.assertEqual(environment.process.wait(PATIENCE_S), 128 + signal.SIGTERM)
                self.assertEqual(environment.log(), "told\nat exit\n")

    def test_calls_of_the_event_loop_are_made(self) -> None:
        source = """
            import asyncio, atexit, signal
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.add_signal_handler(signal.SIGTERM, lambda: print("told", flush=True))
            atexit.register(print, "at exit")
            async def handler(event, context): return event
            """
        environment = self.launch(source, 3, command=LENIENT_BOOTSTRAP)
        environment.send("a", 1)
        environment.responses(1)
        environment.wait_until_idle(4)  # at the start, and the one that has responded
        environment.process.send_signal(signal.SIGTERM)
        self.assertEqual(environment.process.wait(PATIENCE_S), 128 + signal.SIGTERM)
        self.assertEqual(environment.log(), "told\nat exit\n")

    def test_the_parent_keeps_the_extension_although_the_first_worker_dies(self) -> None:
        for mode in ("fork", "preload"):
            with self.subTest(mode):
                source = "import os\ndef handler(event, context): os._exit(1)"
                environment = self.launch(joined(self.HOOK, source), 2, mode)
                environment.wait_until_idle(2)
                self.assertTrue(environment.server.extension_waits.acquire(timeout=PATIENCE_S))
                open_before = environment.server.open_connections
                for request_id in "ab":
                    environment.send(request_id, 1)
                environment.wait_until_idle(2)
                self.assertEqual(environment.server.registrations, [200])
                until = time.monotonic() + PATIENCE_S
                while environment.server.open_connections != open_before and time.monotonic() < until:
                    time.sleep(0.01)
                self.assertEqual(environment.server.open_connections, open_before)


if __name__ == "__main__":
    unittest.main()

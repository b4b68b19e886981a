"""Several invocations at once in several processes: what Lambda's managed instances ask for."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import sys
import time
import unittest

from tests.support import BOOTSTRAP, PATIENCE_S, PYPY
from tests.workers import NO_DEADLINE, WorkerTestCase, usable_cpus

SLOW = """
    import os, time
    time.sleep(0.05)

    def handler(event, context):
        if event == "die":
            os._exit(3)
        time.sleep(0.2)
        return {"pid": os.getpid(), "trace": os.environ["_X_AMZN_TRACE_ID"], "id": context.aws_request_id}
"""


class Fork(WorkerTestCase):
    """A process for each slot, each of which loads the function."""

    def test_as_many_invocations_run_at_once_each_with_its_own_process_and_trace(self) -> None:
        for mode in ("", "fork", "preload"):
            with self.subTest(mode):
                environment = self.launch(SLOW, 3, mode)
                environment.wait_until_idle(3)
                for request_id in ("a", "b", "c"):
                    environment.send(request_id)
                responses = environment.responses(3)
                for request_id, body in responses.items():
                    self.assertEqual((body["id"], body["trace"]), (request_id, f"Root={request_id}"))
                self.assertEqual(len({body["pid"] for body in responses.values()}), 3)

    def test_the_first_worker_loads_the_function_alone(self) -> None:
        source = """
            import os, sys, time
            print("begin", flush=True)
            time.sleep(0.3)
            print("end", flush=True)
            def handler(event, context): return 1
            """
        environment = self.launch(source, 3)
        environment.wait_until_idle(3)
        self.assertEqual(re.findall("begin|end", environment.log())[:2], ["begin", "end"])

    def test_the_environment_serves_while_the_other_workers_load(self) -> None:
        source = """
            import os, time
            if os.path.exists("loaded"): time.sleep(60)
            open("loaded", "w").close()
            def handler(event, context): return os.getpid()
            """
        environment = self.launch(source, 2)
        environment.send("a")
        environment.send("b")
        self.assertEqual(set(environment.responses(2)), {"a", "b"})

    @unittest.skipIf(PYPY, "PyPy's json and select are written in Python")
    def test_a_worker_has_only_small_modules_that_the_function_does_not_import(self) -> None:
        source = """
            import sys
            loaded = sorted(sys.modules)
            def handler(event, context): return loaded
            """
        environment = self.launch(source, 2, command=["-S", str(BOOTSTRAP)])
        environment.wait_until_idle(2)
        environment.send("a")
        loaded = set(environment.responses(1)["a"])
        self.assertEqual(
            loaded & {"asyncio", "collections", "enum", "functools", "re", "signal", "threading"}, set()
        )

    def test_the_parent_imports_the_modules_of_the_standard_library_for_the_others(self) -> None:
        source = """
            import sys
            before = {"sched", "wave"} & set(sys.modules)
            import sched, own
            def handler(event, context):
                import time
                time.sleep(0.2)
                return sorted(before)
            """
        environment = self.launch(source, 3, files={"own.py": "import sys; assert 'own' in sys.modules"})
        environment.wait_until_idle(3)
        for request_id in ("a", "b", "c"):
            environment.send(request_id)
        self.assertEqual(sorted(environment.responses(3).values()), [[], ["sched"], ["sched"]])

    def test_a_module_that_the_function_replaces_is_its_own_in_all_workers(self) -> None:
        source = """
            import string, time
            def handler(event, context):
                time.sleep(0.2)
                return [string.OWN, string.__file__.startswith(__file__[:-len("function.py")])]
            """
        environment = self.launch(source, 3, files={"string.py": "OWN = 1\nascii_letters = 'a'\n"})
        environment.wait_until_idle(3)
        for request_id in ("a", "b", "c"):
            environment.send(request_id)
        self.assertEqual(list(environment.responses(3).values()), [[1, True]] * 3)

    def test_modules_that_the_parent_needs_may_have_the_names_of_the_functions(self) -> None:
        names = ["fcntl", "mmap", "select", "signal", "own"]
        names = [name for name in names if name not in sys.builtin_module_names]  # these come first
        results = ", ".join(f"{name}.OWN" for name in names)
        source = f"""
            import time
            import {", ".join(names)}
            def handler(event, context):
                time.sleep(0.1)
                return [{results}, "x" * 1_000_000][:event]
            """
        files = {f"{name}.py": f"OWN = {name!r}\n" for name in names}
        for mode in ("fork", "preload", "thread"):
            with self.subTest(mode):
                environment = self.launch(source, 4, mode, files=files)
                environment.wait_until_idle(4)
                for request_id in "abcdefgh":
                    environment.send(request_id, len(names) + (request_id > "d"))
                for body in environment.responses(8).values():
                    self.assertEqual(body[: len(names)], names)
                self.assertEqual(environment.log(), "")

    def test_a_function_that_cannot_be_loaded_is_reported_once(self) -> None:
        for mode in ("", "fork", "preload", "thread", "async"):
            with self.subTest(mode):
                environment = self.launch("1 / 0", 3, mode)
                path, body = environment.next_response()
                self.assertEqual((path, body["errorType"]), ("init/error", "ZeroDivisionError"))
                self.assertEqual(environment.process.wait(PATIENCE_S), 1)
                self.assertTrue(environment.server.responses.empty())

    def test_values_that_cannot_be_used_are_init_errors(self) -> None:
        for count, variables, message in [
            ("0", {}, "AWS_LAMBDA_MAX_CONCURRENCY is '0', expected a number from 1 to 1600"),
            ("x", {}, "AWS_LAMBDA_MAX_CONCURRENCY is 'x', expected a number from 1 to 1600"),
            ("1601", {}, "AWS_LAMBDA_MAX_CONCURRENCY is '1601', expected a number from 1 to 1600"),
            (
                "2",
                {"LAMBDA_RUNTIME_WORKERS": "threads"},
                "LAMBDA_RUNTIME_WORKERS is 'threads', expected fork, preload, thread, async",
            ),
            (
                "2",
                {"AWS_LAMBDA_CONCURRENCY_MODE": "fork"},
                "AWS_LAMBDA_CONCURRENCY_MODE is 'fork', expected process, thread, hybrid",
            ),
        ]:
            with self.subTest(message):
                environment = self.launch(SLOW, count, variables=variables)
                path, body = environment.next_response()
                self.assertEqual((path, body["errorMessage"]), ("init/error", message))
                self.assertEqual(body["errorType"], "Runtime.InvalidConfiguration")
                self.assertEqual(environment.process.wait(PATIENCE_S), 1)

    def test_the_modes_of_aws_are_understood_and_ours_wins(self) -> None:
        source = """
            import os, threading, time
            def handler(event, context):
                time.sleep(0.3)
                return os.getpid()
            """
        for aws_mode, mode, cpus, processes in [
            ("process", "", 1, 3),
            ("thread", "", 2, 1),
            ("hybrid", "", 2, 2),
            ("process", "thread", 1, 1),
        ]:
            if cpus > len(usable_cpus()):
                continue
            with self.subTest(aws_mode, mode=mode):
                variables = {"AWS_LAMBDA_CONCURRENCY_MODE": aws_mode}
                environment = self.launch(source, 3, mode, variables=variables, cpus=cpus)
                environment.wait_until_idle(3)  # no slot of a remainder is lost
                for request_id in ("a", "b", "c"):
                    environment.send(request_id)
                self.assertEqual(len(set(environment.responses(3).values())), processes)

    def test_lines_of_several_workers_are_not_mixed(self) -> None:
        source = """
            import os, sys, time

            def handler(event, context):
                time.sleep(0.2)  # so that all workers have an event
                for number in range(500):
                    print("<", os.getpid(), "x" * 200, number, ">")
                    print("<", os.getpid(), "y" * 200, number, ">", file=sys.stderr)
            """
        for mode in ("fork", "thread"):
            with self.subTest(mode):
                reader, writer = os.pipe()
                environment = self.launch(source, 4, mode, output=writer)
                os.close(writer)
                for request_id in "abcd":
                    environment.send(request_id, None, NO_DEADLINE)
                lines: list[str] = []
                with open(reader, encoding="utf-8") as output:
                    while len(lines) < 4000:
                        lines.append(output.readline())
                broken = [line for line in lines if not re.fullmatch(r"< \d+ (x{200}|y{200}) \d+ >\n", line)]
                self.assertEqual(broken[:5], [])

    def test_lines_that_a_pipe_does_not_take_in_one_piece_are_not_mixed_either(self) -> None:
        source = """
            import os, sys, time

            def handler(event, context):
                time.sleep(0.2)  # so that all workers have an event
                for number in range(100):
                    print("<", event * 20_000, ">")
                    print("<", event * 10, ">", file=sys.stderr)
                print(event)
            """
        for mode in ("fork", "preload", "thread"):
            with self.subTest(mode):
                reader, writer = os.pipe()
                environment = self.launch(source, 4, mode, output=writer)
                os.close(writer)
                for request_id in "abcd":
                    environment.send(request_id, request_id, NO_DEADLINE)
                lines: list[str] = []
                with open(reader, encoding="utf-8") as output:
                    while len(lines) < 804:
                        lines.append(output.readline())
                whole = re.compile("|".join(f"< ({one}{{20000}}|{one}{{10}}) >|{one}" for one in "abcd"))
                broken = [line[:80] for line in lines if not whole.fullmatch(line.rstrip("\n"))]
                self.assertEqual(broken[:5], [])

    def test_a_signal_handler_that_raises_while_a_pipe_is_locked_unlocks_it(self) -> None:
        source = """
            import signal, sys

            class Late(Exception): pass

            def ring(number, frame): raise kind("late")
            signal.signal(signal.SIGALRM, ring)

            def watch(frame, what, function):
                if what == when and function.__name__ == "lockf":
                    sys.setprofile(None)
                    signal.raise_signal(signal.SIGALRM)

            def handler(event, context):
                global when, kind
                when, kind = event[0], eval(event[1])
                sys.setprofile(watch)
                try:
                    print("x")
                except kind as error:
                    return str(error)
            """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        environment = self.launch(source, 1, "fork", output=writer)
        environment.wait_until_idle(1)
        moments = ("c_call", "c_return")  # before and after the system call
        for moment in itertools.product(moments, ("TimeoutError", "Late")):
            with self.subTest(moment):
                environment.send("a", moment)
                self.assertEqual(environment.responses(1), {"a": "late"})
                environment.wait_until_idle(1)
                fcntl.lockf(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if the worker holds the lock
                fcntl.lockf(writer, fcntl.LOCK_UN)

    def test_a_worker_survives_that_the_function_closes_and_reuses_descriptors(self) -> None:
        source = """
            import os, tempfile
            os.closerange(3, 100)
            kept = [tempfile.TemporaryFile() for _ in range(12)]

            def handler(event, context):
                return [os.fstat(file.fileno()).st_size for file in kept]
            """
        environment = self.launch(source, 2)
        environment.wait_until_idle(2)
        environment.send("a")
        self.assertEqual(environment.responses(1), {"a": [0] * 12})
        self.assertIsNone(environment.process.poll())


class Preload(WorkerTestCase):
    """The parent loads the function, then forks."""

    def test_the_function_is_loaded_once_and_the_hooks_run_around_the_fork(self) -> None:
        source = """
            import os, random, snapshot_restore_py, time
            loader = os.getpid()
            events = []
            snapshot_restore_py.register_before_snapshot(lambda: events.append(["before", os.getpid()]))
            snapshot_restore_py.register_after_restore(lambda: events.append(["after", os.getpid()]))
            random.seed(1)

            def handler(event, context):
                time.sleep(0.2)
                return [loader, os.getpid(), events, random.random()]
            """
        environment = self.launch(source, 3, "preload")
        environment.wait_until_idle(3)
        for request_id in ("a", "b", "c"):
            environment.send(request_id)
        responses = environment.responses(3).values()
        for loader, pid, events, _ in responses:
            self.assertEqual(loader, environment.process.pid)
            self.assertEqual(events, [["before", loader], ["after", pid]])
        self.assertEqual(len({number for *_, number in responses}), 3)

    def test_an_event_loop_that_was_created_while_loading_works_in_every_worker(self) -> None:
        source = """
            import asyncio, signal, time
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.run_until_complete(asyncio.sleep(0))
            loop.add_signal_handler(signal.SIGUSR1, print, "told")

            def handler(event, context):
                loop.run_until_complete(loop.run_in_executor(None, time.sleep, 0.01))

            async def awaited(event, context):
                signal.raise_signal(signal.SIGUSR1)
                await loop.run_in_executor(None, time.sleep, 0.01)
            """
        for name in ("handler", "awaited"):
            with self.subTest(name):
                variables = {"_HANDLER": f"function.{name}"}
                environment = self.launch(source, 4, "preload", variables=variables)
                for number in range(100):
                    environment.send(f"r{number}")
                self.assertEqual(len(environment.responses(100)), 100)
                self.assertEqual(environment.log(), "told\n" * 100 * (name == "awaited"))

    def test_the_startup_of_a_web_application_runs_in_each_worker(self) -> None:
        source = """
            import asyncio, os
            from lambda_runtime import asgi

            async def app(scope, receive, send):
                if scope["type"] == "lifespan":
                    await receive()
                    scope["state"]["process"] = os.getpid()
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                await asyncio.sleep(0.1)
                headers = [(b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                body = f"{scope['state']['process']} {os.getpid()}"
                await send({"type": "http.response.body", "body": body.encode()})

            handler = asgi.handler(app, streaming=False)
            """
        environment = self.launch(source, 3, "preload")
        environment.wait_until_idle(3)
        http = {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        event = {"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": {"http": http}}
        for request_id in "abc":
            environment.send(request_id, event)
        pairs = [body["body"].split() for body in environment.responses(3).values()]
        self.assertEqual([one for one, other in pairs if one != other], [])
        self.assertEqual(len({one for one, _ in pairs}), 3)
        self.assertEqual(environment.log(), "")

    def test_a_hook_that_fails_is_an_init_error(self) -> None:
        for when in ("before_snapshot", "after_restore"):
            with self.subTest(when):
                source = f"""
                    import snapshot_restore_py
                    snapshot_restore_py.register_{when}(lambda: 1 / 0)
                    def handler(event, context): return 1
                    """
                environment = self.launch(source, 2, "preload")
                path, body = environment.next_response()
                self.assertEqual((path, body["errorType"]), ("init/error", "ZeroDivisionError"))
                self.assertEqual(environment.process.wait(PATIENCE_S), 1)

    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_what_does_not_survive_the_fork_is_named(self) -> None:
        source = """
            import socket, threading, time
            kept = socket.socket()
            threading.Thread(target=time.sleep, args=(60,), daemon=True, name="poller").start()
            def handler(event, context): return 1
            """
        environment = self.launch(source, 2, "preload")
        environment.wait_until_idle(2)
        self.assertRegex(
            environment.log(),
            r"LAMBDA_RUNTIME The function was loaded before the fork \(preload\) and has threads, which end "
            r"\(poller\) and 1 open socket, which the workers share\. Create them when they are first needed",
        )
        environment = self.launch(SLOW, 2, "preload")
        environment.wait_until_idle(2)
        self.assertEqual(environment.log(), "")


class Supervision(WorkerTestCase):
    """Workers that die, and a parent that does."""

    def test_a_worker_that_dies_is_named_and_replaced(self) -> None:
        for mode in ("fork", "preload", "thread"):
            with self.subTest(mode):
                environment = self.launch(SLOW, 1, mode)
                for number in range(3):
                    environment.send(f"dead{number}", "die", f"Lambda-Runtime-Invocation-Id: i{number}")
                    path, body = environment.next_response()
                    self.assertEqual(path, f"invocation/dead{number}/error")
                    self.assertEqual(body["errorType"], "Runtime.ExitError")
                    self.assertRegex(body["errorMessage"], r"\AWorker \d+ exited with status 3\Z")
                    self.assertEqual(environment.server.invocation_ids[f"dead{number}"], f"i{number}")
                    environment.send(f"r{number}")
                    self.assertEqual(set(environment.responses(1)), {f"r{number}"})
                self.assertIsNone(environment.process.poll())
                self.assertEqual(
                    re.findall(
                        r"LAMBDA_RUNTIME Worker \d+ (exited with status 3 during request dead\d)\. "
                        r"A new one starts (now|in 0\.\d s)\n",
                        environment.log(),
                    ),
                    [
                        ("exited with status 3 during request dead0", "now"),
                        ("exited with status 3 during request dead1", "in 0.1 s"),
                        ("exited with status 3 during request dead2", "in 0.2 s"),
                    ],
                )

    def test_a_log_in_json_stays_json_when_a_worker_or_the_runtime_ends(self) -> None:
        environment = self.launch(SLOW, 1, "fork", variables={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        environment.send("dead", "die")
        environment.next_response()
        environment.send("r")
        environment.responses(1)
        environment.wait_until_idle(3)  # at the start, after the death, and now
        environment.server.close()
        environment.process.wait(30)
        entries = [json.loads(line) for line in environment.log().splitlines()]
        died, lost, ended = (entry["message"] for entry in entries)
        self.assertRegex(died, r"\AWorker \d+ exited with status 3 during request dead\. A new one starts")
        self.assertIn("The runtime exits", lost)
        self.assertRegex(ended, r"\AWorker \d+ exited with status 1\. It is not replaced\Z")
        self.assertEqual({entry["logger"] for entry in entries}, {"LAMBDA_RUNTIME"})

    def test_all_invocations_of_a_worker_that_dies_are_reported(self) -> None:
        source = """
            import os, time
            begun = []
            def handler(event, context):
                begun.append(1)
                while len(begun) < 3:
                    time.sleep(0.01)
                os._exit(3)
            """
        environment = self.launch(source, 3, "thread")
        environment.wait_until_idle(3)
        for request_id in ("a", "b", "c"):
            environment.send(request_id)
        paths = sorted(environment.next_response()[0] for _ in range(3))
        self.assertEqual(paths, [f"invocation/{one}/error" for one in ("a", "b", "c")])
        environment.wait_for_log(r"exited with status 3 during request \w, \w, \w\. A new one starts now")

    def test_an_idle_worker_that_is_killed_is_named_without_a_request(self) -> None:
        environment = self.launch(SLOW, 1)
        environment.send("a")
        worker = environment.responses(1)["a"]["pid"]
        environment.wait_until_idle(2)
        os.kill(worker, signal.SIGKILL)
        environment.wait_for_log(
            rf"Worker {worker} was killed by signal 9 \(SIGKILL\)\. A new one starts now\n"
        )

    def test_workers_that_all_die_at_once_are_replaced_after_longer_and_longer_waits(self) -> None:
        source = """
            import os, threading
            if os.path.exists("ready"):
                os._exit(7)
            def handler(event, context):
                open("ready", "w").close()
                os._exit(7)
            """
        environment = self.launch(source, 3)
        environment.wait_until_idle(3)
        environment.send("a", 1)
        environment.wait_for_log(r"exited with status 7\. A new one starts in 0.8 s")
        self.assertLess(environment.log().count("starts"), 8)

    def test_a_first_worker_that_dies_before_it_is_ready_ends_the_environment(self) -> None:
        environment = self.launch("import os; os._exit(4)", 3)
        self.assertEqual(environment.process.wait(PATIENCE_S), 4)
        self.assertEqual(environment.log(), "")  # because Lambda reports the status
        environment = self.launch("import os; os.kill(os.getpid(), 9)", 3)
        self.assertEqual(environment.process.wait(PATIENCE_S), 128 + 9)
        self.assertRegex(
            environment.log(),
            r"\ALAMBDA_RUNTIME Worker \d+ was killed by signal 9 \(SIGKILL\)\. It is not replaced\n\Z",
        )

    def test_no_worker_is_replaced_when_the_runtime_api_is_lost(self) -> None:
        for mode in ("fork", "thread"):
            with self.subTest(mode):
                environment = self.launch(SLOW, 2, mode)
                environment.wait_until_idle(2)
                for _ in range(8):
                    environment.server.events.put(
                        None
                    )  # ends a connection, and the one that is tried after it
                self.assertEqual(environment.process.wait(PATIENCE_S), 1)

    @unittest.skipUnless(shutil.which("setpriv") and os.getuid() == 0, "needs a user with a process limit")
    def test_a_fork_that_fails_is_logged_and_tried_again(self) -> None:
        # Root has no process limit. This user may still read all files.
        rights = "+dac_override,+dac_read_search"
        prefix = ["setpriv", "--clear-groups", f"--inh-caps={rights}", f"--ambient-caps={rights}"]
        user = 100_000 + 2 * os.getpid()  # nobody else's
        limited = (
            "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NPROC, ({0}, {0})); "
            "runpy.run_path(sys.argv[1], run_name='__main__')"
        )
        environment = self.launch(
            SLOW, 3, command=["-c", limited.format(2), str(BOOTSTRAP)], prefix=[*prefix, f"--reuid={user}"]
        )
        environment.send("a")
        self.assertEqual(set(environment.responses(1)), {"a"})
        environment.wait_for_log(r"A worker cannot be started: .*\. A new one starts in 0.2 s\n")
        self.assertIsNone(environment.process.poll())
        environment = self.launch(
            SLOW,
            3,
            command=["-c", limited.format(1), str(BOOTSTRAP)],
            prefix=[*prefix, f"--reuid={user + 1}"],
        )
        environment.wait_for_log(r"A worker cannot be started: .*\. A new one starts in 0.8 s\n")

    def test_descriptors_that_run_out_are_logged_and_those_above_1023_work(self) -> None:
        limited = (
            "import os, resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0})); "
            "os.dup2(0, {1}); os.closerange(3, {1}); [os.dup(0) for _ in range({1} - 3)]; "
            "runpy.run_path(sys.argv[1], run_name='__main__')"
        )
        environment = self.launch(SLOW, 10, command=["-c", limited.format(20, 3), str(BOOTSTRAP)])
        environment.send("a")
        self.assertEqual(set(environment.responses(1)), {"a"})
        reason = os.strerror(errno.EMFILE)
        environment.wait_for_log(rf"A worker cannot be started: {reason}\. A new one starts")
        self.assertIsNone(environment.process.poll())
        environment = self.launch(SLOW, 3, command=["-c", limited.format(2000, 1100), str(BOOTSTRAP)])
        environment.wait_until_idle(3)
        self.assertEqual(environment.log(), "")

    def test_the_parent_takes_its_workers_with_it(self) -> None:
        for mode in ("fork", "thread"):
            with self.subTest(mode):
                environment = self.launch(SLOW, 2, mode)
                for request_id in ("a", "b"):
                    environment.send(request_id)
                workers = {body["pid"] for body in environment.responses(2).values()}
                environment.process.send_signal(signal.SIGTERM)
                self.assertEqual(environment.process.wait(PATIENCE_S), 128 + signal.SIGTERM)
                self.assertEnded(workers)

    @unittest.skipUnless(sys.platform == "linux", "on other systems no signal comes when a pipe is closed")
    def test_workers_end_when_their_parent_is_killed(self) -> None:
        for mode in ("fork", "preload", "thread"):
            with self.subTest(mode):
                environment = self.launch(SLOW, 2, mode)
                environment.wait_until_idle(2)
                for request_id in ("a", "b"):
                    environment.send(request_id)
                workers = {body["pid"] for body in environment.responses(2).values()}
                environment.send("busy")  # one is idle, one at work
                time.sleep(0.05)
                environment.process.kill()
                environment.process.wait()
                self.assertEnded(workers)

    @unittest.skipIf(PYPY, "its processes are too large for this number")
    def test_many_slots_work(self) -> None:
        environment = self.launch("async def handler(event, context): return event", 200)
        environment.wait_until_idle(200)
        for number in range(400):
            environment.send(f"r{number}", number)
        self.assertEqual(environment.responses(400), {f"r{number}": number for number in range(400)})


if __name__ == "__main__":
    unittest.main()

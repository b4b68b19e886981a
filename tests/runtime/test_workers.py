"""Several invocations at once, one process each, as on Lambda's managed instances."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import time
import unittest

from tests.scripted_server import Request, RuntimeApiServer, accepted, event_bytes
from tests.support import BOOTSTRAP, PATIENCE_S, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Set, Tuple

    Response = Tuple[str, Dict[str, Any]]  # path below /runtime/, body

SLOW = """
    import os, time
    time.sleep(0.05)

    def handler(event, context):
        if event == "die":
            os._exit(3)
        time.sleep(0.2)
        return {"pid": os.getpid(), "trace": os.environ["_X_AMZN_TRACE_ID"], "id": context.aws_request_id}
"""


class SharedServer(RuntimeApiServer):
    """A Runtime API with one queue of events for any number of workers."""

    def __init__(self) -> None:
        self.events: queue.Queue[Tuple[str, object] | None] = queue.Queue()
        self.responses: queue.Queue[Response] = queue.Queue()
        super().__init__(self._reply)

    def _reply(self, request: Request) -> bytes | None:
        if request.method == "POST":
            self.responses.put((request.path.partition("/runtime/")[2], json.loads(request.body)))
            return accepted().data
        event = self.events.get()
        if event is None:
            return None
        request_id, value = event
        return event_bytes(
            request_id, json.dumps(value).encode(), f"Lambda-Runtime-Trace-Id: Root={request_id}"
        )


class Workers(FunctionTestCase):
    def launch(
        self, source: str, count: int, output: Any = subprocess.DEVNULL
    ) -> Tuple[SharedServer, subprocess.Popen[bytes]]:
        server = SharedServer()
        root = self.write({"function.py": source})
        environment = {
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "AWS_LAMBDA_MAX_CONCURRENCY": str(count),
            "LAMBDA_TASK_ROOT": root,
            "_HANDLER": "function.handler",
        }
        process = subprocess.Popen(
            [sys.executable, BOOTSTRAP],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

        def stop() -> None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            for _ in range(2 * count):
                server.events.put(None)
            server.close()

        self.addCleanup(stop)
        return server, process

    def next_response(self, server: SharedServer) -> Response:
        return server.responses.get(timeout=PATIENCE_S)

    def test_invocations_run_at_once_each_with_its_own_process_and_trace(self) -> None:
        server, _ = self.launch(SLOW, 3)
        for request_id in ("a", "b", "c"):
            server.events.put((request_id, {}))
        responses = dict(self.next_response(server) for _ in range(3))
        self.assertEqual(set(responses), {f"invocation/{one}/response" for one in ("a", "b", "c")})
        for path, body in responses.items():
            request_id = path.split("/")[1]
            self.assertEqual((body["id"], body["trace"]), (request_id, f"Root={request_id}"))
        self.assertEqual(len({body["pid"] for body in responses.values()}), 3)

    def test_a_worker_that_dies_is_replaced(self) -> None:
        server, process = self.launch(SLOW, 1)
        for round_number in range(3):
            server.events.put(("dead", "die"))
            server.events.put((f"r{round_number}", {}))
            self.assertEqual(self.next_response(server)[0], f"invocation/r{round_number}/response")
        self.assertIsNone(process.poll())

    def test_if_the_function_cannot_be_loaded_each_worker_reports_it_and_all_end(self) -> None:
        server, process = self.launch("1 / 0", 2)
        for _ in range(2):
            path, body = self.next_response(server)
            self.assertEqual((path, body["errorType"]), ("init/error", "ZeroDivisionError"))
        self.assertEqual(process.wait(PATIENCE_S), 1)

    def test_no_worker_is_replaced_when_the_runtime_api_is_lost(self) -> None:
        server, process = self.launch(SLOW, 2)
        server.events.put(("a", {}))
        self.next_response(server)
        for _ in range(2):
            server.events.put(None)  # close this connection and the next one
            server.events.put(None)
        self.assertEqual(process.wait(PATIENCE_S), 1)

    def test_workers_end_with_their_parent(self) -> None:
        server, process = self.launch(SLOW, 2)
        for request_id in ("a", "b"):
            server.events.put((request_id, {}))
        workers = {self.next_response(server)[1]["pid"] for _ in range(2)}
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 128 + signal.SIGTERM)
        self.assertEnded(workers)

    @unittest.skipUnless(sys.platform == "linux", "other systems do not send a signal when a pipe is closed")
    def test_workers_end_when_their_parent_is_killed(self) -> None:
        server, process = self.launch(SLOW, 2)
        for request_id in ("a", "b"):
            server.events.put((request_id, {}))
        workers = {self.next_response(server)[1]["pid"] for _ in range(2)}
        server.events.put(("busy", {}))  # one is idle, one is working
        time.sleep(0.05)
        process.kill()
        process.wait()
        self.assertEnded(workers)

    def test_lines_of_several_workers_are_not_mixed(self) -> None:
        source = """
            import os, sys, time

            def handler(event, context):
                time.sleep(0.2)  # so that all workers have an event
                for number in range(500):
                    print("<", os.getpid(), "x" * 200, number, ">")
                    print("<", os.getpid(), "y" * 200, number, ">", file=sys.stderr)
            """
        reader, writer = os.pipe()
        server, _ = self.launch(source, 4, writer)
        os.close(writer)
        for request_id in "abcd":
            server.events.put((request_id, {}))
        lines: list[str] = []
        with open(reader, encoding="utf-8") as output:
            while len(lines) < 4000:
                lines.append(output.readline())
        broken = [line for line in lines if not re.fullmatch(r"< \d+ (x{200}|y{200}) \d+ >\n", line)]
        self.assertEqual(broken[:5], [])

    def test_a_worker_survives_that_the_function_closes_and_reuses_descriptors(self) -> None:
        source = """
            import os, tempfile
            os.closerange(3, 100)
            kept = [tempfile.TemporaryFile() for _ in range(12)]

            def handler(event, context):
                return [os.fstat(file.fileno()).st_size for file in kept]
            """
        server, process = self.launch(source, 2)
        server.events.put(("a", {}))
        self.assertEqual(self.next_response(server), ("invocation/a/response", [0] * 12))
        self.assertIsNone(process.poll())

    def assertEnded(self, workers: Set[int]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual([worker for worker in workers if _is_alive(worker)], [])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # dead, but not yet reaped
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc, or the process has just ended
        return os.path.isdir("/proc") is False

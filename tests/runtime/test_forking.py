"""Processes that the function forks: they exit as usual in Python, and never send their parent's response."""

from __future__ import annotations

import signal
import textwrap
import unittest

from tests.support import FunctionTestCase, joined

# The event is the child's code. The handler's response is the child's exit status, negative for a signal.
FORKING = """
    import os, signal, sys, time
    {preamble}

    def run_child(code, context):
        exec(code, {{**globals(), "context": context}})

    def exit_status(child):
        status = os.waitpid(child, 0)[1]
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
"""
HANDLERS = {
    "fork": """
        def handler(event, context):
            child = os.fork()
            if child == 0:
                return run_child(event, context)
            return exit_status(child)
        """,
    "forkpty": """
        def handler(event, context):
            child, terminal = os.forkpty()
            if child == 0:
                return run_child(event, context)
            return exit_status(child)
        """,
    "async": """
        async def handler(event, context):
            child = os.fork()
            if child == 0:
                return run_child(event, context)
            return exit_status(child)
        """,
    "generator": """
        def handler(event, context):
            yield "0"  # a stream that has begun
            child = os.fork()
            if child == 0:
                run_child(event, context)
                yield "from the child"
            yield str(exit_status(child))
        """,
    "async generator": """
        async def handler(event, context):
            child = os.fork()
            if child == 0:
                run_child(event, context)
                yield "from the child"
            yield str(exit_status(child))
        """,
}
ENDINGS = {"sys.exit(3)": 3, "sys.exit()": 0, "sys.exit('text')": 1, "1 / 0": 1, "pass": 0, "os._exit(5)": 5}


class ForkedChildren(FunctionTestCase):
    def test_a_child_ends_with_the_status_that_python_would_give_it(self) -> None:
        for kind, source in HANDLERS.items():
            function = self.start(joined(FORKING.format(preamble=""), textwrap.dedent(source)))
            for code, status in ENDINGS.items():
                with self.subTest(kind, code=code):
                    self.assertEqual(int(self.streamed(function, code).decode()), status)
            with self.subTest(kind):
                self.assertOneResponseEach(function)
                self.assertStillWorks(function)

    def test_a_child_that_is_terminated_has_that_status(self) -> None:
        function = self.start(joined(FORKING.format(preamble=""), HANDLERS["fork"]))
        self.assertResponse(function, "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", -signal.SIGTERM)
        self.assertOneResponseEach(function)

    def test_a_child_calls_the_functions_own_sigterm_handler(self) -> None:
        preamble = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))"
        function = self.start(joined(FORKING.format(preamble=preamble), HANDLERS["fork"]))
        self.assertResponse(function, "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", 4)
        self.assertStillWorks(function)

    def test_a_childs_error_is_printed_to_stderr_and_not_reported(self) -> None:
        function = self.start(joined(FORKING.format(preamble=""), HANDLERS["fork"]))
        result = self.invoke(function, "1 / 0")
        self.assertIsNone(result.function_error)
        self.assertIn(b"ZeroDivisionError", result.log)
        self.assertNotIn(b"[ERROR]", result.log)

    def test_a_child_may_be_forked_after_the_response(self) -> None:
        source = """
            def work():
                child = os.fork()
                if child == 0:
                    return run_child(work.code, None)
                print("the child has ended with", exit_status(child))

            def handler(event, context):
                work.code = event
                context.after_response(work)
                context.after_response(print, "once")
            """
        function = self.start(joined(FORKING.format(preamble=""), source))
        for code, status in ENDINGS.items():
            with self.subTest(code):
                self.assertResponse(function, code, None)
                self.assertResponse(function, code, None)  # after it, the log has the first one's output
                self.assertIn(f"the child has ended with {status}\n", function.log_text())
        self.assertOneResponseEach(function)
        function.close()
        self.assertEqual(function.log_text().count("once"), 2 * len(ENDINGS))

    def test_a_child_may_be_forked_while_the_function_is_loaded(self) -> None:
        for code, status in ENDINGS.items():
            with self.subTest(code):
                source = f"""
                    child = os.fork()
                    if child == 0:
                        run_child({code!r}, None)
                    else:
                        status = exit_status(child)

                    def handler(event, context):
                        return status
                    """
                function = self.start(joined(FORKING.format(preamble=""), source))
                self.assertResponse(function, None, status)
                self.assertOneResponseEach(function)

    def test_a_child_of_a_snapstart_hook_does_not_request_the_restore(self) -> None:
        for hook in ("before_snapshot", "after_restore"):
            for code, status in ENDINGS.items():
                with self.subTest(hook, code=code):
                    source = f"""
                        import snapshot_restore_py

                        @snapshot_restore_py.register_{hook}
                        def hook():
                            child = os.fork()
                            if child == 0:
                                return run_child({code!r}, None)
                            hook.status = exit_status(child)

                        def handler(event, context):
                            return hook.status
                        """
                    function = self.start(
                        joined(FORKING.format(preamble=""), source),
                        initialization_type="snap-start",
                    )
                    self.assertResponse(function, None, status)

    def test_processes_of_multiprocessing_end_by_themselves(self) -> None:
        worker = """
            import sys

            def work(code):
                exec(code, {"sys": sys})
            """
        source = """
            import multiprocessing, worker

            def handler(event, context):
                method, code = event
                process = multiprocessing.get_context(method).Process(target=worker.work, args=(code,))
                process.start()
                process.join()
                return process.exitcode
            """
        function = self.start(source, files={"worker.py": worker})
        for method in ("fork", "forkserver", "spawn"):
            for code, status in (("sys.exit(3)", 3), ("1 / 0", 1), ("pass", 0)):
                with self.subTest(method, code=code):
                    self.assertResponse(function, [method, code], status)
        self.assertOneResponseEach(function)

    def test_a_replaced_getpid_does_not_make_the_runtime_a_child(self) -> None:
        function = self.start("""
            import os

            def handler(event, context):
                os.getpid = lambda: 1
                return event
            """)
        for number in range(2):
            self.assertResponse(function, number, number)
        self.assertStillWorks(function)

    def test_children_of_workers_do_not_post(self) -> None:
        function = self.start(
            joined(FORKING.format(preamble=""), HANDLERS["fork"]),
            environment={"AWS_LAMBDA_MAX_CONCURRENCY": "1"},
        )
        for code, status in ENDINGS.items():
            with self.subTest(code):
                self.assertResponse(function, code, status)
        self.assertStillWorks(function)


if __name__ == "__main__":
    unittest.main()

"""SnapStart: hooks before the snapshot and after the restore, and their errors."""

from __future__ import annotations

import json

from tests.support import FunctionTestCase, posts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.function import Function

HOOKS = """
    import snapshot_restore_py as hooks
    calls = []

    @hooks.register_before_snapshot
    def first(): calls.append("before, registered first")

    hooks.register_before_snapshot(calls.append, "before, registered last")
    hooks.register_after_restore(calls.append, "after, registered first")
    hooks.register_after_restore(lambda *, text: calls.append(text), text="after, registered last")

    def handler(event, context):
        return calls
"""


class SnapStart(FunctionTestCase):
    def start_snap(self, source: str, **settings: Any) -> Function:
        return self.start(source, initialization_type="snap-start", **settings)

    def test_hooks_run_before_and_after_the_snapshot_in_the_documented_order(self) -> None:
        function = self.start_snap(HOOKS)
        self.assertResponse(
            function,
            None,
            [
                "before, registered last",
                "before, registered first",
                "after, registered first",
                "after, registered last",
            ],
        )
        paths = [request.path.rpartition("/runtime/")[2] for request in function.requests]
        self.assertEqual(paths[:2], ["restore/next", "invocation/next"])

    def test_async_hooks_are_awaited(self) -> None:
        source = """
            import asyncio
            import snapshot_restore_py as hooks
            calls = []

            @hooks.register_before_snapshot
            async def before():
                await asyncio.sleep(0)
                calls.append("before")

            async def fail(): {}["after"]

            if "fail" in __import__("os").environ: hooks.register_after_restore(fail)

            def handler(event, context):
                return calls
        """
        self.assertResponse(self.start_snap(source), None, ["before"])
        function = self.start_snap(source, environment={"fail": "yes"})
        self.assertIn("KeyError", self.invoke(function).payload.decode())

    def test_without_hooks_the_runtime_still_waits_for_the_restore(self) -> None:
        function = self.start_snap("def handler(event, context): return event")
        self.assertResponse(function, 1, 1)
        self.assertTrue(function.requests[0].path.endswith("/restore/next"))

    def test_without_snapstart_no_hook_runs(self) -> None:
        function = self.start(HOOKS)
        self.assertResponse(function, None, [])
        self.assertFalse([request for request in function.requests if "restore" in request.path])

    def test_an_error_before_the_snapshot_is_an_init_error_and_ends_with_64(self) -> None:
        for raised, error_type in [
            ("ValueError('bad thing')", "ValueError"),
            ("SystemExit(3)", "SystemExit"),
        ]:
            with self.subTest(raised):
                function = self.start_snap(
                    f"import snapshot_restore_py as s\n"
                    f"@s.register_before_snapshot\ndef hook(): raise {raised}\n"
                    f"def handler(event, context): pass"
                )
                self.assertReported(function, "init/error", "Runtime.BeforeSnapshotError", error_type)
                self.assertEqual(self.assertEnds(function), 64)

    def test_an_error_after_the_restore_is_a_restore_error_and_ends_with_65(self) -> None:
        function = self.start_snap(
            """
            import snapshot_restore_py as s
            s.register_after_restore(lambda: 1 / 0)
            def handler(event, context): pass
            """
        )
        self.assertReported(function, "restore/error", "Runtime.AfterRestoreError", "ZeroDivisionError")
        self.assertEqual(self.assertEnds(function), 65)

    def test_the_functions_own_registry_takes_precedence(self) -> None:
        function = self.start_snap(
            "import snapshot_restore_py as s\ndef handler(event, context): return [s.mine, s.ran]",
            files={
                "snapshot_restore_py.py": """
                    mine, ran = True, []
                    def get_before_snapshot(): return [(ran.append, ("before",), {})]
                    def get_after_restore(): return [(ran.append, ("after",), {})]
                """
            },
        )
        self.assertResponse(function, None, [True, ["before", "after"]])

    def test_random_numbers_differ_in_each_copy_of_the_environment(self) -> None:
        function = self.start_snap(
            """
            import random
            random.seed(1)
            expected = random.Random(1).random()
            def handler(event, context): return random.random() == expected
            """
        )
        self.assertResponse(function, None, False)

    def assertReported(self, function: Function, path: str, header: str, error_type: str) -> None:
        status = self.assertEnds(function)
        self.assertEqual(len(posts(function)), 1, f"status {status}, log: {function.log_text()}")
        (report,) = posts(function)
        self.assertTrue(report.path.endswith(path), report.path)
        self.assertEqual(report.header("Lambda-Runtime-Function-Error-Type"), header)
        self.assertEqual(json.loads(report.body.decode())["errorType"], error_type)

"""Async handlers: awaited, on one event loop that lives as long as the environment."""

from __future__ import annotations

import json

from tests.support import FunctionTestCase, own_log

LOOPS = """
    import asyncio
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    async def handler(event, context):
        if event == "start":
            asyncio.get_running_loop().create_task(tick())
        await asyncio.sleep(0.03)
        return [id(asyncio.get_running_loop()), len(ticks)]
"""


class AsyncHandlers(FunctionTestCase):
    def test_what_it_returns_is_the_answer(self) -> None:
        function = self.start(
            """
            import asyncio
            async def handler(event, context):
                await asyncio.sleep(0)
                return {"event": event, "id": context.aws_request_id}
            """
        )
        for value in (1, "two"):
            result = self.invoke(function, value)
            answer = json.loads(result.payload.decode())
            self.assertEqual(answer, {"event": value, "id": result.request_id})
        self.assertOneAnswerEach(function)

    def test_whatever_the_call_returns_is_awaited_if_it_can_be(self) -> None:
        function = self.start(
            """
            import functools
            class Later:
                def __init__(self, value): self.value = value
                def __await__(self):
                    yield from ()
                    return self.value
            class Callable:
                async def __call__(self, event, context): return ["call", event]
            async def two(event, context, more): return ["partial", event]
            wrapped = functools.partial(two, more=1)
            instance = Callable()
            def handler(event, context): return Later(["awaitable", event])
            """
        )
        self.assertAnswer(function, 1, ["awaitable", 1])
        source = function.configuration.task_root
        for name, expected in [("instance", "call"), ("wrapped", "partial")]:
            with self.subTest(name):
                other = self.start(handler=f"function.{name}", task_root=source)
                self.assertAnswer(other, 2, [expected, 2])

    def test_one_event_loop_lives_as_long_as_the_environment_with_its_tasks(self) -> None:
        function = self.start(LOOPS)
        first, before = self.answer(function, "start")
        second, after = self.answer(function)
        self.assertEqual(first, second)
        self.assertGreater(after, before)

    def test_an_error_is_reported_with_the_frames_of_the_function_only(self) -> None:
        function = self.start(
            """
            import asyncio
            async def inner(): raise ValueError("bad thing")
            async def handler(event, context):
                await asyncio.sleep(0)
                await inner()
            """
        )
        payload = self.error(function)
        self.assertEqual((payload["errorType"], payload["errorMessage"]), ("ValueError", "bad thing"))
        self.assertEqual(
            [entry.split("in ")[1].split("\n")[0] for entry in payload["stackTrace"]], ["handler", "inner"]
        )
        self.assertStillWorks(function)

    def test_cancelling_and_leaving_are_reported_like_in_other_handlers(self) -> None:
        function = self.start(
            """
            import asyncio, sys
            async def handler(event, context):
                if event == "cancelled": raise asyncio.CancelledError("stop")
                if event == "left": sys.exit(5)
                return event
            """
        )
        self.assertEqual(self.error(function, "cancelled")["errorType"], "CancelledError")
        self.assertAnswer(function, 1, 1)
        self.assertEqual(self.error(function, "left")["errorType"], "SystemExit")
        self.assertEqual(self.assertEnds(function), 5)

    def test_a_plain_handler_has_no_loop_running_and_may_run_one(self) -> None:
        function = self.start(
            """
            import asyncio
            async def work(event): return event
            def handler(event, context):
                try:
                    asyncio.get_running_loop()
                    return "one is running"
                except RuntimeError:
                    return asyncio.run(work(event))
            """
        )
        self.assertAnswer(function, [1], [1])
        self.assertAnswer(function, [2], [2])

    def test_its_log_records_carry_the_request_id(self) -> None:
        function = self.start(
            """
            import asyncio, logging
            async def handler(event, context):
                await asyncio.sleep(0)
                logging.warning("here")
            """
        )
        result = self.invoke(function)
        self.assertRegex(own_log(result), rf"\[WARNING\]\t\S+\t{result.request_id}\there\n")

"""Call the functions that a handler passed to ``context.after_response``."""

from __future__ import annotations

from .. import diagnostics, process_exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..context import Call
    from ..logs import FunctionLog


def run(calls: list[Call], log: FunctionLog, *, accepted: bool) -> None:
    """Run ``calls``, including those that they add. Run none if the response was not ``accepted``."""
    if not accepted:
        log.write_runtime_message(
            "Lambda did not accept the response, so "
            f"{len(calls)} callbacks of context.after_response are not run"
        )
        return
    while calls and process_exit.end_at is None:  # after SIGTERM there is no time
        function, arguments, keywords = calls.pop(0)
        try:
            result = function(*arguments, **keywords)
            if hasattr(result.__class__, "__await__"):
                from .. import event_loop

                event_loop.wait_for(result)
            elif hasattr(result.__class__, "__next__"):
                raise TypeError(
                    "Expected a function, got a generator function: calling it does not run its body"
                )
            process_exit.stop_child()
        except BaseException as error:  # the caller has its response, so not even sys.exit ends the process
            if process_exit.in_child():
                raise
            if process_exit.end_at is not None and issubclass(type(error), SystemExit):
                # The function's SIGTERM handler raised it.
                process_exit.exit_now(process_exit.exit_status(error))
            diagnostic = diagnostics.describe(error)
            if issubclass(type(error), SystemExit):
                diagnostic.message = (
                    "sys.exit was called after the response, where it does not end the process"
                )
            by_application = getattr(function, "__module__", "") == "lambda_runtime.asgi"
            diagnostic.notes.append(
                "Raised by the web application after its response; the caller already has it"
                if by_application
                else "Raised in a context.after_response callback; the caller already has its response"
            )
            log.write_error(diagnostic)

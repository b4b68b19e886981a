"""A program named in AWS_LAMBDA_EXEC_WRAPPER: executed once, with our interpreter and our script."""

from __future__ import annotations

import os
import sys

from tests.support import BOOTSTRAP, FunctionTestCase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambda_emulator.functions.function import Function

SHOW = """
    import os
    def handler(event, context): return [event, os.environ.get("WRAPPED"), os.environ.get("_HANDLER")]
    def other(event, context): return "other"
"""


class Wrappers(FunctionTestCase):
    def start_wrapped(self, wrapper: str, *arguments: str, handler: str = "function.handler") -> Function:
        root = self.write({"function.py": SHOW, "wrapper": "#!/bin/sh\n" + wrapper})
        path = os.path.join(root, "wrapper")
        os.chmod(path, 0o755)
        return self.start(
            handler=handler,
            task_root=root,
            command=[sys.executable, BOOTSTRAP, *arguments],
            environment={"AWS_LAMBDA_EXEC_WRAPPER": path},
        )

    def test_it_is_executed_once_and_its_variables_are_set(self) -> None:
        function = self.start_wrapped(
            'echo "called with $# words"\nexport WRAPPED="${WRAPPED}x"\nexec "$@"\n'
        )
        self.assertResponse(function, 1, [1, "x", "function.handler"])
        self.assertEqual(function.log_text().count("called with 2 words"), 1)

    def test_it_may_change_the_handler(self) -> None:
        self.assertResponse(self.start_wrapped('export _HANDLER=function.other\nexec "$@"\n'), 1, "other")

    def test_it_may_put_options_before_the_script(self) -> None:
        function = self.start_wrapped('export WRAPPED=y\nexec "$1" -X utf8 "$2"\n')
        self.assertResponse(function, 1, [1, "y", "function.handler"])

    def test_it_may_remove_its_variable(self) -> None:
        function = self.start_wrapped('unset AWS_LAMBDA_EXEC_WRAPPER\nexport WRAPPED=z\nexec "$@"\n')
        self.assertResponse(function, 1, [1, "z", "function.handler"])

    def test_it_finds_the_handler_of_an_image_in_the_variable(self) -> None:
        function = self.start_wrapped(
            'export WRAPPED="$_HANDLER"\nexec "$@"\n', "function.handler", handler=""
        )
        self.assertResponse(function, 1, [1, "function.handler", "function.handler"])

    def test_if_lambda_calls_bootstrap_as_the_wrapper_no_other_wrapper_runs(self) -> None:
        function = self.start_wrapped("echo never\nexit 9\n", sys.executable, "/var/runtime/bootstrap.py")
        self.assertResponse(function, 1, [1, None, "function.handler"])

    def test_a_wrapper_that_cannot_be_executed_is_an_init_error(self) -> None:
        function = self.start(SHOW, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/nowhere/wrapper"})
        self.assertInitError(function, "Runtime.InvalidEntrypoint", "/nowhere/wrapper")

    def test_bootstrap_itself_as_the_wrapper_does_not_loop(self) -> None:
        function = self.start(SHOW, environment={"AWS_LAMBDA_EXEC_WRAPPER": str(BOOTSTRAP)})
        self.assertResponse(function, 1, [1, None, "function.handler"])

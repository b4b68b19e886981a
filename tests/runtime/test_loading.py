"""Handler strings: the callable that they name, or the error."""

from __future__ import annotations

import os
import unittest

from tests.support import FunctionTestCase

GREET = 'def handler(event, context): return "%s"'

FILES = {
    "hello.py": GREET % "hello",
    "my-function.py": GREET % "hyphen",
    "2nd.py": GREET % "digit",
    "función.py": GREET % "unicode",
    "package/__init__.py": """
        def top(event, context): return 'top of the package'
        class namesake:
            def handler(event, context): return "the class, though there is a module of that name"
    """,
    "package/namesake.py": "import not_there_either",
    "package/module.py": GREET % "module in a package",
    "package/deeper/__init__.py": "",
    "package/deeper/still.py": GREET % "module in a package in a package",
    "folder/module.py": GREET % "module in a folder",
    "folder/in-folder/module.py": GREET % "in a folder in a folder",
    "callables.py": """
        import functools

        class Application:
            class Inner:
                @staticmethod
                def static(event, context): return "static method"

            @classmethod
            def of_class(cls, event, context): return f"class method of {cls.__name__}"

            def __init__(self, greeting): self.greeting = greeting
            def __call__(self, event, context): return f"instance: {self.greeting}"
            def method(self, event, context): return f"method: {self.greeting}"

        class Record(dict):
            def __init__(self, event, context): super().__init__(made="by a class")

        class Resource:
            def __getattr__(self, name): return lambda event, context: f"made up: {name}"

        def with_prefix(prefix, event, context): return prefix + "partial"

        def decorated(function):
            @functools.wraps(function)
            def wrapper(*arguments): return function(*arguments) + " and wrapped"
            return wrapper

        @decorated
        def wrapped(event, context): return "function"

        instance = Application("hi")
        partial = functools.partial(with_prefix, "a ")
        anonymous = lambda event, context: "lambda"
        resource = Resource()
        number = 42
    """,
    "imports_nothing_good.py": "import not_there_either",
    "imports_a_wrong_name.py": "from hello import goodbye",
    "package/imports_nothing_good.py": "import not_there_either",
    "package/imports_a_missing_sibling.py": "import package.sibling",
    "wrong_syntax.py": "def handler(event, context)\n    return event\n",
    "lazy.py": "def __getattr__(name):\n    raise AttributeError(name)",
}

WORKING = [
    ("a function in a module", "hello.handler", "hello"),
    ("a function in a package itself", "package.top", "top of the package"),
    ("a module in a package", "package.module.handler", "module in a package"),
    ("a module in a package, by path", "package/module.handler", "module in a package"),
    ("two packages", "package.deeper.still.handler", "module in a package in a package"),
    ("two packages, by path and by name", "package/deeper.still.handler", "module in a package in a package"),
    ("a folder that is no package", "folder/module.handler", "module in a folder"),
    ("the same by name", "folder.module.handler", "module in a folder"),
    ("a folder whose name has a hyphen", "folder/in-folder/module.handler", "in a folder in a folder"),
    ("a module whose name has a hyphen", "my-function.handler", "hyphen"),
    ("a module whose name begins with a digit", "2nd.handler", "digit"),
    ("a module whose name is not ASCII", "función.handler", "unicode"),
    ("a static method of a nested class", "callables.Application.Inner.static", "static method"),
    ("a class method", "callables.Application.of_class", "class method of Application"),
    ("a bound method", "callables.instance.method", "method: hi"),
    ("an instance that can be called", "callables.instance", "instance: hi"),
    ("a class", "callables.Record", {"made": "by a class"}),
    ("an attribute that exists when asked for", "callables.resource.anything", "made up: anything"),
    ("a partial", "callables.partial", "a partial"),
    ("a decorated function", "callables.wrapped", "function and wrapped"),
    ("a lambda", "callables.anonymous", "lambda"),
    ("a function of the standard library, written in C", "operator.is_not", True),
]

REFUSED = [
    ("no dot", "hello", "Runtime.MalformedHandlerName", "Bad handler 'hello'"),
    ("empty", "", "Runtime.MalformedHandlerName", "Bad handler ''.*hello.handler"),
    ("only a dot", ".", "Runtime.MalformedHandlerName", r"Bad handler '\.'"),
    ("no module", ".handler", "Runtime.MalformedHandlerName", r"Bad handler '\.handler'"),
    ("a relative path", "./hello.handler", "Runtime.MalformedHandlerName", r"Bad handler '\./hello"),
    ("an absolute path", "/var/task/hello.handler", "Runtime.MalformedHandlerName", "Bad handler '/var"),
    (
        "built into the interpreter",
        "sys.exit",
        "Runtime.BuiltInModuleConflict",
        "Cannot use built-in module sys as a handler module",
    ),
    ("the builtins", "builtins.print", "Runtime.BuiltInModuleConflict", "built-in module builtins"),
    ("a C module", "time.sleep", "Runtime.BuiltInModuleConflict", "built-in module time"),
    (
        "no such module",
        "nowhere.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'nowhere': No module named 'nowhere'",
    ),
    (
        "no such package",
        "nowhere.module.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'nowhere.module': No module named 'nowhere'",
    ),
    (
        "no such folder",
        "nowhere/module.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'nowhere[./]module': No module named 'nowhere'",
    ),
    (
        "no such module in a package",
        "package.nowhere.handler",
        "Runtime.ImportModuleError",
        r"^Unable to import module 'package\.nowhere': No module named 'package\.nowhere'",
    ),
    (
        "neither a module nor a class",
        "hello.Nobody.handler",
        "Runtime.ImportModuleError",
        r"^Unable to import module 'hello\.Nobody': No module named 'hello\.Nobody'",
    ),
    (
        "a module that imports what is not there",
        "imports_nothing_good.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'imports_nothing_good': No module named 'not_there_either'",
    ),
    (
        "the same in a package",
        "package.imports_nothing_good.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'package.imports_nothing_good': No module named 'not_there_either'",
    ),
    (
        "the same beside a class of that name",
        "package.namesake.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'package.namesake': No module named 'not_there_either'",
    ),
    (
        "a module that imports a sibling that is not there",
        "package.imports_a_missing_sibling.handler",
        "Runtime.ImportModuleError",
        r"No module named 'package\.sibling'",
    ),
    (
        "a module that imports a name that is not there",
        "imports_a_wrong_name.handler",
        "Runtime.ImportModuleError",
        "^Unable to import module 'imports_a_wrong_name': cannot import name 'goodbye' from 'hello'",
    ),
    (
        "no such function",
        "hello.missing",
        "Runtime.HandlerNotFound",
        "^Handler 'missing' missing on module 'hello'",
    ),
    ("no name after the dot", "hello.", "Runtime.HandlerNotFound", "^Handler '' missing on module 'hello'"),
    (
        "no such function in a package's module",
        "package.module.missing",
        "Runtime.HandlerNotFound",
        r"^Handler 'missing' missing on module 'package\.module'",
    ),
    (
        "no such method",
        "callables.Application.missing",
        "Runtime.HandlerNotFound",
        r"^Handler 'Application\.missing' missing on module 'callables'",
    ),
    (
        "a module that finds no name when asked",
        "lazy.handler",
        "Runtime.HandlerNotFound",
        "^Handler 'handler' missing on module 'lazy'",
    ),
    (
        "not a callable",
        "callables.number",
        "Runtime.HandlerNotFound",
        "'number'.*'callables'.*not callable.*found int",
    ),
    ("a module", "package.module", "Runtime.HandlerNotFound", "module"),
    (
        "wrong syntax",
        "wrong_syntax.handler",
        "Runtime.UserCodeSyntaxError",
        r"^Syntax error in module 'wrong_syntax': .*\(wrong_syntax\.py, line 1\)",
    ),
]


class HandlerStrings(FunctionTestCase):
    def test_every_form_of_handler_string_works(self) -> None:
        root = self.write(FILES)
        for name, handler, expected in WORKING:
            with self.subTest(name, handler=handler):
                function = self.start(task_root=root, handler=handler)
                self.assertResponse(function, {}, expected)
                function.close()

    def test_a_module_that_cannot_be_loaded_is_an_init_error_with_the_reason(self) -> None:
        root = self.write(FILES)
        for name, handler, error_type, message in REFUSED:
            with self.subTest(name, handler=handler):
                function = self.start(task_root=root, handler=handler)
                body = self.assertInitError(function, error_type, message)
                if error_type != "Runtime.UserCodeSyntaxError":
                    self.assertEqual(body["stackTrace"], [])

    def test_a_missing_handler_setting_is_an_init_error(self) -> None:
        function = self.start(environment={"_HANDLER": None})
        self.assertInitError(function, "Runtime.MalformedHandlerName", "_HANDLER")


class Modules(FunctionTestCase):
    def test_the_handler_s_module_is_imported_once_under_its_own_name(self) -> None:
        function = self.start(
            """
            import sys
            print("imported")

            def handler(event, context):
                import function
                return [__name__, function.handler is handler, sys.modules["function"] is function]
            """
        )
        self.assertResponse(function, None, ["function", True, True])
        self.assertResponse(function, None, ["function", True, True])
        self.assertEqual(function.log_text().count("imported"), 1)

    def test_a_module_is_not_imported_twice_after_a_failed_attempt(self) -> None:
        # If a.b.c is not a module, a.b may be a module that contains c. a.b must not be executed twice.
        function = self.start(
            handler="package.module.Class.handler",
            files={
                "package/__init__.py": "print('package imported')",
                "package/module.py": """
                    print("module imported")

                    class Class:
                        @staticmethod
                        def handler(event, context): return "found"
                """,
            },
        )
        self.assertResponse(function, None, "found")
        self.assertEqual(function.log_text().count("imported"), 2)

    def test_modules_beside_the_handler_can_be_imported_early_and_late(self) -> None:
        function = self.start(
            """
            import early

            def handler(event, context):
                import late
                return [early.name, late.name]
            """,
            files={"early.py": "name = 'early'", "late.py": "name = 'late'"},
        )
        self.assertResponse(function, None, ["early", "late"])

    def test_a_module_may_replace_itself(self) -> None:
        function = self.start(
            """
            import sys

            class Module:
                @staticmethod
                def handler(event, context): return "from the replacement"

            sys.modules[__name__] = Module()
            """
        )
        self.assertResponse(function, None, "from the replacement")

    def test_modules_in_a_zip_on_the_search_path_are_found(self) -> None:
        import zipfile

        root = self.write({})
        with zipfile.ZipFile(os.path.join(root, "code.zip"), "w") as archive:
            archive.writestr("zipped.py", "def handler(event, context): return __file__[-10:]")
        environment = {"PYTHONPATH": os.path.join(root, "code.zip")}
        function = self.start(task_root=root, handler="zipped.handler", environment=environment)
        self.assertResponse(function, None, "/zipped.py")


if __name__ == "__main__":
    unittest.main()

"""Handler strings: the forms that name a handler, and the errors for all others."""

from __future__ import annotations

from ..case import Group

GROUP = Group("handler strings")
GROUPS = [GROUP]

_HELLO = """
    def handler(event, context):
        return "hello"
"""
_CLASSES = """
    class Greeter:
        def __init__(self, word):
            self.word = word

        def __call__(self, event, context):
            return [self.word, event]

        def greet(self, event, context):
            return [self.word, event]

        @staticmethod
        def static(event, context):
            return ["static", event]

        @classmethod
        def of_class(cls, event, context):
            return [cls.__name__, event]

    import functools

    instance = Greeter("instance")
    bound = Greeter("bound").greet
    unbound = Greeter.static
    of_class = Greeter.of_class
    small = lambda event, context: ["lambda", event]
    partial = functools.partial(lambda word, event, context: [word, event], "partial")
    number = 42
    nothing = None
    builtin_type = int

    def keywords(event=None, context=None):
        return ["keywords", event]

    def everything(*args, **kwargs):
        return [len(args), kwargs]

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args):
            return ["decorated", function(*args)]
        return wrapper

    wrapped = decorated(keywords)

    class Pair:
        def __init__(self, event, context):
            self.event = event

        def _asdict(self):
            return {"event": self.event}

    def __getattr__(name):
        if name == "made_on_demand":
            return lambda event, context: ["on demand", event]
        raise AttributeError(name)
"""

for name, handler in (
    ("no dot in the handler string", "nodot"),
    ("an empty handler string", ""),
    ("only a dot", "."),
    ("no module before the dot", ".handler"),
    ("no function after the dot", "app."),
    ("two dots in a row", "app..handler"),
    ("a function that the module lacks", "app.missing"),
    ("a private name that the module lacks", "app.__missing__"),
    ("a module that does not exist", "nowhere.handler"),
    ("a package that does not exist", "nowhere.module.handler"),
    ("a submodule that a package lacks", "email.nowhere.handler"),
    ("a folder that does not exist", "nowhere/module.handler"),
    ("a colon instead of a dot", "app:handler"),
    ("a slash instead of a dot", "app/handler"),
    ("the file's suffix in the handler string", "app.py.handler"),
    ("a space at the end of the handler string", "app.handler "),
    ("a space at the start of the handler string", " app.handler"),
    ("non-ASCII letters in the handler string", "é.ü"),
    ("a relative path with a dot", "./app.handler"),
    ("a path to the folder above", "../app.handler"),
    ("an absolute path", "/app.handler"),
    ("a quote in the handler string", "it's.handler"),
    ("the built-in module sys", "sys.x"),
    ("the built-in module builtins", "builtins.print"),
    ("the built-in module time", "time.sleep"),
    ("a built-in module with a leading underscore", "_io.open"),
    ("a name below a built-in module", "sys.sub.handler"),
    ("a function of the standard library that wants other arguments", "math.sqrt"),
    ("a function of the standard library's packages", "os.path.join"),
):
    GROUP.case(name, _HELLO, handler=handler)

for name, handler, path in (
    ("a handler in the task root", "hello.handler", "hello.py"),
    ("a handler in a package's __init__", "pkg.handler", "pkg/__init__.py"),
    ("a handler in a package's module, with dots", "pkg.mod.handler", "pkg/mod.py"),
    ("a handler in a package's module, with a slash", "pkg/mod.handler", "pkg/mod.py"),
    ("a handler in a folder of folders", "a/b/c/mod.handler", "a/b/c/mod.py"),
    ("dots and slashes mixed", "a/b.c.mod.handler", "a/b/c/mod.py"),
    ("a module name with a dash", "my-app.handler", "my-app.py"),
    ("a module name that starts with a digit", "2fast.handler", "2fast.py"),
    ("a module named like a keyword", "class.handler", "class.py"),
    ("a module name with a space", "my app.handler", "my app.py"),
    ("a module name with non-ASCII letters", "grüße.handler", "grüße.py"),
    ("a built-in module's name within a package, with dots", "pkg.sys.handler", "pkg/sys.py"),
    ("a built-in module's name within a folder", "folder/sys.handler", "folder/sys.py"),
    ("a function's file called handler.py", "handler.handler", "handler.py"),
    ("a function's file called main.py", "main.handler", "main.py"),
    ("a function's file called runtime.py", "runtime.handler", "runtime.py"),
    ("a function's file called context.py", "context.handler", "context.py"),
    ("a function's file called index.py", "index.handler", "index.py"),
    ("a function's file called bootstrap.py", "bootstrap.handler", "bootstrap.py"),
    ("a function's file called test.py, as in the standard library", "test.handler", "test.py"),
):
    GROUP.case(name, handler=handler, files={path: _HELLO})

for name, attribute in (
    ("a callable instance", "instance"),
    ("a bound method", "bound"),
    ("a static method", "unbound"),
    ("a class method", "of_class"),
    ("a lambda", "small"),
    ("a partial", "partial"),
    ("arguments with other names and defaults", "keywords"),
    ("a function that takes anything", "everything"),
    ("a decorated function", "wrapped"),
    ("a class whose instances can be responses", "Pair"),
    ("a built-in type", "builtin_type"),
    ("an attribute made by the module's __getattr__", "made_on_demand"),
    ("a number", "number"),
    ("None", "nothing"),
    ("a module that the module imported", "functools"),
):
    GROUP.case(f"the handler is {name}", _CLASSES, '"e"', handler=f"app.{attribute}")

GROUP.case("a method named through its class", _CLASSES, '"e"', handler="app.Greeter.static")
GROUP.case("a method named through an instance", _CLASSES, '"e"', handler="app.instance.greet")
GROUP.case(
    "a class's method in a package's module",
    handler="pkg.mod.Greeter.of_class",
    files={"pkg/mod.py": _CLASSES},
)
GROUP.case("an attribute of a class that lacks it", _CLASSES, handler="app.Greeter.missing")
GROUP.case(
    "a package without __init__",
    handler="space.mod.handler",
    files={"space/mod.py": _HELLO},
)
GROUP.case(
    "a package and its module are imported once",
    """
    """,
    "1",
    "2",
    handler="pkg.mod.handler",
    files={
        "pkg/__init__.py": "print('package')",
        "pkg/mod.py": "print('module')\ndef handler(event, context):\n    return __name__, __package__",
    },
)
GROUP.case(
    "a slash and a dot give the same module name",
    handler="pkg/mod.handler",
    files={
        "pkg/__init__.py": "",
        "pkg/mod.py": "def handler(e, c):\n    return [__name__, __package__, __file__]",
    },
)
GROUP.case(
    "relative imports in a package",
    handler="pkg.mod.handler",
    files={
        "pkg/__init__.py": "",
        "pkg/other.py": "WORD = 'other'",
        "pkg/mod.py": "from . import other\nfrom .other import WORD\ndef handler(e, c):\n"
        "    return WORD + other.WORD",
    },
)
GROUP.case(
    "the handler's module is in sys.modules under its name, and is not __main__",
    """
    import sys

    def handler(event, context):
        return [__name__, sys.modules["app"] is not None, sys.modules[__name__].handler is handler]

    if __name__ == "__main__":
        raise RuntimeError("run as a script")
    """,
)
GROUP.case(
    "a module that puts another object in its place",
    """
    import sys

    class Module:
        __name__ = "app"

        def handler(self, event, context):
            return "other object"

    sys.modules[__name__] = Module()
    """,
)
GROUP.case(
    "the handler is looked up once",
    """
    def handler(event, context):
        global handler
        handler = lambda event, context: "new"
        return "old"
    """,
    "1",
    "2",
)

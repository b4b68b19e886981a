"""Generators and awaitables as results, which AWS's runtime refuses."""

from __future__ import annotations

from ..case import Event, Group

RESULTS = Group("results that are not generators")
STREAMS = Group("streamed responses")
AWAITED = Group("awaited results")
GROUPS = [RESULTS, STREAMS, AWAITED]

# The event is an expression; its value is returned.
_APP = """
    import asyncio, collections, concurrent.futures, io, itertools, re, types
    from unittest import mock

    class Iterable:
        def __iter__(self):
            return iter("ab")

    class Iterator(Iterable):
        def __next__(self):
            raise StopIteration

    class Thrower:
        def throw(self, *args):
            pass

    class AsyncIterable:
        def __aiter__(self):
            return self

    class AsyncIterator(AsyncIterable):
        async def __anext__(self):
            raise StopAsyncIteration

    class Awaitable:
        def __await__(self):
            yield

    class GeneratorLike:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def throw(self, *args):
            raise args[0]

        def close(self):
            pass

    class Items(dict):  # as in addict and DotMap: what is not there is empty
        def __getattr__(self, name):
            return Items()

    class Lenient(dict):  # as in Box with a default: what is not there is None
        __getattr__ = dict.get

    class Proxy:
        def __getattr__(self, name):
            return lambda *args: None

    class HasAttributes(list):
        pass

    def with_attributes():
        value = HasAttributes([1])
        value.__await__ = value.__next__ = value.throw = value.close = lambda *args: None
        return value

    def generator_function():
        yield "a"

    async def coroutine_function():
        return 1

    async def async_generator_function():
        yield "a"

    def handler(event, context):
        return eval(event)
"""

results = RESULTS.share(_APP)
for name, expression in (
    ("an iterator of a list", "iter(['a'])"),
    ("an iterator of text", "iter('ab')"),
    ("a map", "map(str, [1])"),
    ("a filter", "filter(None, ['a'])"),
    ("an enumerate", "enumerate('ab')"),
    ("a reversed", "reversed(['a'])"),
    ("a chain", "itertools.chain('a', 'b')"),
    ("an endless iterator", "itertools.count()"),
    ("matches of a pattern", "re.finditer('a', 'aa')"),
    ("an iterator that calls", "iter(lambda: 'a', 'b')"),
    ("an open file", "open(__file__)"),
    ("a file of bytes", "io.BytesIO(b'a')"),
    ("an iterable of the function's own", "Iterable()"),
    ("an iterator of the function's own", "Iterator()"),
    ("an object that has only throw", "Thrower()"),
    ("an asynchronous iterable", "AsyncIterable()"),
    ("an asynchronous iterator", "AsyncIterator()"),
    ("an object with __getattr__ for any name", "Proxy()"),
    ("a class of awaitables", "Awaitable"),
    ("a class of generators", "GeneratorLike"),
    ("the class of all generators", "types.GeneratorType"),
    ("a future of a thread", "concurrent.futures.Future()"),
    ("a mock", "mock.Mock(name='m', spec=['a'])"),
    ("a generator function", "generator_function"),
    ("a coroutine function", "coroutine_function"),
    ("an asynchronous generator function", "async_generator_function"),
    ("a generator as a member", "{'a': (x for x in 'ab')}"),
    ("a generator in a tuple", "((x for x in 'ab'),)"),
    ("a generator as a key", "{(x for x in 'ab'): 1}"),
    ("a generator within bytes", "[b'a', (x for x in 'ab')]"),
    ("an asynchronous generator within a list", "[async_generator_function()]"),
    ("a list whose attributes make it look like a generator", "with_attributes()"),
    ("a dict whose missing attributes are empty", "Items(a=1)"),
    ("a dict whose missing attributes are None", "Lenient(a=1)"),
    ("an exhausted iterator", "iter([])"),
):
    results.case(f"result: {name}", '"' + expression + '"')

# Each of these gets two events, because a stream must not affect the next event. They are separate programs,
# because our records contain their line numbers.
for name, source in (
    ("a generator", "def handler(event, context):\n    yield 'first, '\n    yield 'second'"),
    ("a generator expression", "def handler(event, context):\n    return (str(n) for n in range(3))"),
    ("text is UTF-8", "def handler(event, context):\n    yield 'hé 中 '\n    yield '\\U0001f600'"),
    (
        "bytes of all kinds",
        "def handler(event, context):\n    yield b'\\0\\xff'\n    yield bytearray(b'a')\n"
        "    yield memoryview(b'b')",
    ),
    ("nothing", "def handler(event, context):\n    return\n    yield"),
    ("empty chunks", "def handler(event, context):\n    yield ''\n    yield b''\n    yield 'end'"),
    (
        "a head",
        "def handler(event, context):\n"
        "    yield {'statusCode': 201, 'headers': {'x': 'é'}, 'cookies': ['a=1']}\n    yield 'body'",
    ),
    ("a head without a body", "def handler(event, context):\n    yield {}"),
    ("a chunk of 100 000 bytes", "def handler(event, context):\n    yield 'x' * 100_000\n    yield 'y'"),
    (
        "a value that is returned at the end",
        "def handler(event, context):\n    yield 'a'\n    return 'b'",
    ),
    (
        "an object that acts like a generator",
        "class Chunks:\n    def __init__(self): self.left = ['a', 'b']\n    def __iter__(self): return self\n"
        "    def __next__(self):\n        if not self.left: raise StopIteration\n"
        "        return self.left.pop(0)\n    def throw(self, *error): raise error[0]\n"
        "    def close(self): print('closed')\ndef handler(event, context):\n    return Chunks()",
    ),
    (
        "a generator of a library function",
        "import contextlib\n@contextlib.contextmanager\ndef chunks():\n    yield 'a'\n"
        "def handler(event, context):\n    return chunks().gen",
    ),
    (
        "a proxy of a generator",  # as wrapt makes them, with which many tools wrap what a function returns
        "class Proxy:\n    def __init__(self, wrapped): self.wrapped = wrapped\n"
        "    def __getattr__(self, name): return getattr(self.wrapped, name)\n"
        "    @property\n    def __class__(self): return self.wrapped.__class__\n"
        "def chunks():\n    yield 'a'\ndef handler(event, context):\n    return Proxy(chunks())",
    ),
    ("an asynchronous generator", "async def handler(event, context):\n    yield 'a'\n    yield 'b'"),
    (
        "an asynchronous generator that waits",
        "import asyncio\nasync def handler(event, context):\n    yield {'statusCode': 404}\n"
        "    await asyncio.sleep(0.01)\n    yield 'a'",
    ),
    (
        "a coroutine that returns a generator",
        "def chunks():\n    yield 'a'\nasync def handler(event, context):\n    return chunks()",
    ),
    (
        "output while it streams",
        "def handler(event, context):\n    print('one')\n    yield 'a'\n    print('two')",
    ),
    (
        "an error before the first chunk",
        "def handler(event, context):\n    raise ValueError('early')\n    yield",
    ),
    (
        "an error before the first chunk, asynchronous",
        "async def handler(event, context):\n    raise ValueError('early')\n    yield",
    ),
    ("an error midway", "def handler(event, context):\n    yield 'a'\n    raise ValueError('midway')"),
    (
        "an error midway, asynchronous",
        "async def handler(event, context):\n    yield 'a'\n    raise ValueError('midway')",
    ),
    (
        "an error midway with a cause and a note",
        "def handler(event, context):\n    yield 'a'\n    try:\n        {}['missing']\n"
        "    except KeyError as error:\n        late = ValueError('wrapped')\n"
        "        late.add_note('a note')\n        raise late from error",
    ),
    ("an error after a head", "def handler(event, context):\n    yield {}\n    raise ValueError('no body')"),
    ("KeyboardInterrupt midway", "def handler(event, context):\n    yield 'a'\n    raise KeyboardInterrupt"),
    ("sys.exit midway", "import sys\ndef handler(event, context):\n    yield 'a'\n    sys.exit(4)"),
    ("a number first", "def handler(event, context):\n    yield 1"),
    ("a number midway", "def handler(event, context):\n    yield 'a'\n    yield 1"),
    ("a head midway", "def handler(event, context):\n    yield 'a'\n    yield {'statusCode': 500}"),
    ("a head with another key", "def handler(event, context):\n    yield {'status': 200}"),
    (
        "a bad chunk is raised at its yield",
        "def handler(event, context):\n    try:\n        yield None\n    except TypeError:\n"
        "        yield 'mended'",
    ),
    ("a lone surrogate", "def handler(event, context):\n    yield 'a'\n    yield '\\ud800'"),
    (
        "work after it",
        "def handler(event, context):\n    context.after_response(print, 'after')\n    yield 'a'\n"
        "    print('at its end')",
    ),
):
    STREAMS.case(f"stream: {name}", source + "\n", "1", "2")

STREAMS.case(
    "stream: with an invocation id",
    "def handler(event, context):\n    yield 'a'\n",
    Event(b"1", {"Lambda-Runtime-Invocation-Id": "inv-9"}),
)
for status in (400, 403, 404, 410, 413, 500):
    STREAMS.case(
        f"a stream gets {status}",
        "def handler(event, context):\n    yield 'a'\n",
        Event(b"1", statuses=(status,)),
        "2",
    )

for name, source in (
    ("a value", "async def handler(event, context):\n    return {'a': event}"),
    ("bytes", "async def handler(event, context):\n    return b'\\0'"),
    ("None", "async def handler(event, context):\n    pass"),
    ("a value that JSON cannot hold", "async def handler(event, context):\n    return {1}"),
    (
        "an awaitable of the function's own",
        "class Soon:\n    def __await__(self):\n        yield from ()\n        return 'done'\n"
        "def handler(event, context):\n    return Soon()",
    ),
    (
        "a task",
        "import asyncio\nasync def work():\n    await asyncio.sleep(0.01)\n    return 'done'\n"
        "async def handler(event, context):\n    return await asyncio.create_task(work())",
    ),
    (
        "a coroutine within",
        "async def inner(): return 1\nasync def handler(event, context):\n    return await inner()",
    ),
    (
        "asyncio.run",
        "import asyncio\nasync def work():\n    return 'done'\ndef handler(event, context):\n"
        "    return asyncio.run(work())",
    ),
    (
        "a loop of the function's own",
        "import asyncio\nasync def work():\n    return 'done'\ndef handler(event, context):\n"
        "    loop = asyncio.new_event_loop()\n    try:\n        return loop.run_until_complete(work())\n"
        "    finally:\n        loop.close()",
    ),
    (
        "the loop that lasts",
        "import asyncio\nseen = []\nasync def handler(event, context):\n"
        "    seen.append(asyncio.get_running_loop())\n    return len(set(seen))",
    ),
    ("an exception", "async def handler(event, context):\n    raise ValueError('bad thing')"),
    (
        "an exception with a cause",
        "async def handler(event, context):\n    try:\n        {}['missing']\n"
        "    except KeyError as error:\n        raise ValueError('wrapped') from error",
    ),
    (
        "an exception two awaits deep",
        "async def fail():\n    raise ValueError('deep')\nasync def handler(event, context):\n"
        "    await fail()",
    ),
    ("KeyboardInterrupt", "async def handler(event, context):\n    raise KeyboardInterrupt"),
    (
        "a CancelledError",
        "import asyncio\nasync def handler(event, context):\n    raise asyncio.CancelledError('c')",
    ),
    ("a BaseException", "async def handler(event, context):\n    raise BaseException('be')"),
    ("sys.exit", "import sys\nasync def handler(event, context):\n    sys.exit(3)"),
    (
        "a group of exceptions",
        "async def handler(event, context):\n    raise ExceptionGroup('eg', [ValueError('a')])",
    ),
    ("too many arguments", "async def handler(event):\n    return 1"),
):
    AWAITED.case(f"awaited: {name}", source + "\n", "1", "2")

"""Logging: text, JSON, levels, telemetry frames, print, stderr and context.log."""

from __future__ import annotations

from ..case import Environment, Event, Group

LINES = Group("log lines")
LEVELS = Group("log levels")
SETUP = Group("the function's own logging")
OUTPUT = Group("output")
GROUPS = [LINES, LEVELS, SETUP, OUTPUT]

# The event is a statement, which is executed with the names of the module.
_APP = """
    import collections, datetime, decimal, logging, sys, threading, warnings

    root = logging.getLogger()
    named = logging.getLogger("a.b")
    Point = collections.namedtuple("Point", "x y")
    logging.addLevelName(25, "NOTICE")

    class Thing:
        def __str__(self):
            return "a thing"

        def __repr__(self):
            return "Thing()"

    def failing():
        raise ValueError("bad é thing")

    def caught(log, *args, **kwargs):
        try:
            failing()
        except ValueError:
            log(*args, **kwargs)

    def chained(log, *args):
        try:
            try:
                failing()
            except ValueError as error:
                raise KeyError("outer") from error
        except KeyError:
            log(*args)

    def in_thread(function, *args):
        thread = threading.Thread(target=function, args=args)
        thread.start()
        thread.join()

    def handler(event, context):
        exec(event, {**globals(), "context": context})
        return "fine"
"""

_FORMATS: tuple[tuple[str, Environment, bool], ...] = (
    ("text", {}, False),
    ("JSON", {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, False),
    ("text at DEBUG", {"AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, False),
    ("frames", {}, True),
    ("frames at DEBUG", {"AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, True),
    ("JSON frames at DEBUG", {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, True),
)
_STATEMENTS = (
    ("every level", "for level in range(0, 70, 5): root.log(level, 'level %s', level)"),
    (
        "debug, info, warning, error, critical",
        "root.debug('d'); root.info('i'); root.warning('w'); root.error('e'); root.critical('c')",
    ),
    ("a named logger", "named.warning('named')"),
    ("a level with a custom name", "root.log(35, 'between'); root.log(25, 'notice')"),
    ("arguments", "root.warning('%s and %d', 'one', 2)"),
    ("a dict as argument", "root.warning('%(a)s', {'a': 1})"),
    ("an empty message", "root.warning('')"),
    ("a message with percent signs and no arguments", "root.warning('100 %s')"),
    ("a message of several lines", "root.warning('test \\nwith \\nnew \\r\\nlines')"),
    ("a message with non-ASCII text", "root.warning('hé 中 \U0001f600')"),
    ("a message with control characters", "root.warning('\\0\\x1b\\x7f\\t\\u2028')"),
    ("a message with quotes", "root.warning('\"quoted\" \\\\ back')"),
    ("a number as message", "root.warning(42)"),
    ("None as message", "root.warning(None)"),
    ("an object as message", "root.warning(Thing())"),
    ("an exception as message", "root.warning(ValueError('v'))"),
    ("a list as message", "root.warning([1, Thing()])"),
    ("a dict as message", "root.warning({'a': 1, 'b': [True, None]})"),
    ("an empty dict as message", "root.warning({})"),
    (
        "a dict that JSON cannot hold as message",
        "root.warning({'when': datetime.datetime(2026, 9, 3, 12), 'amount': decimal.Decimal('1.5'), "
        "'blob': b'bytes', 's': {1}})",
    ),
    ("a dict with number keys as message", "root.warning({1: 'a', None: 'b'})"),
    (
        "a dict with tuple keys as message",
        "\ntry:\n    root.warning({(1, 2): 'a'})\nexcept TypeError as error:\n    print(error)",
    ),
    ("a dict and arguments", "root.warning({'a': 1}, 'x')"),
    ("a dict subclass as message", "root.warning(collections.OrderedDict(a=1))"),
    ("too few arguments", "root.warning('%s %s', 1)"),
    ("exception()", "caught(root.exception, 'it failed')"),
    ("exception() with a cause", "chained(root.exception, 'it failed')"),
    ("exception() of a named logger", "caught(named.exception, 'it failed')"),
    ("exception() with no exception", "root.exception('none')"),
    ("exc_info=True", "caught(root.warning, 'it failed', exc_info=True)"),
    ("exc_info with an exception", "root.warning('given', exc_info=ValueError('given'))"),
    ("exc_info=False", "caught(root.error, 'it failed', exc_info=False)"),
    ("a line after exception()", "caught(root.exception, 'it failed'); root.warning('next')"),
    ("stack_info", "(lambda: root.warning('with stack', stack_info=True))()"),
    ("extra", "root.warning('more', extra={'order': 7, 'who': 'é', 'nested': {'a': [1]}})"),
    ("extra of None", "root.warning('more', extra={'nothing': None})"),
    (
        "extra that JSON cannot hold",
        "root.warning('more', extra={'when': datetime.date(2026, 1, 2), 'thing': Thing(), 'amount': "
        "decimal.Decimal('1.50')})",
    ),
    (
        "extra that names members of the line",
        "root.warning('more', extra={'level': 'x', 'timestamp': 'y', 'requestId': 'z', 'errorType': 'e'})",
    ),
    ("extra that names a namedtuple", "root.warning('more', extra={'point': Point(1, 2)})"),
    ("extra that clashes with a record's attribute", "root.warning('more', extra={'message': 'x'})"),
    ("extra with taskName", "root.warning('more', extra={'taskName': 'x', 'stack': 's'})"),
    (
        "extra with the names of the record's own fields",
        "root.warning('more', extra={'aws_request_id': 'mine', 'tenant_id': 'mine'})",
    ),
    ("extra with a frame type", "root.warning('x', extra={'_frame_type': b'\\xa5\\x5a\\x00\\x17'})"),
    ("a LoggerAdapter", "logging.LoggerAdapter(named, {'adapted': 1}).warning('adapted')"),
    ("a thread", "in_thread(root.warning, 'from a thread')"),
    ("warnings.warn", "warnings.warn('careful', stacklevel=1)"),
    (
        "captured warnings",
        "logging.captureWarnings(True); warnings.warn_explicit('careful', UserWarning, 'file.py', 7); "
        "logging.captureWarnings(False)",
    ),
    (
        "the record's attributes in a filter",
        "f = lambda record: print(record.name, record.levelname, record.getMessage()) or True; "
        "named.addFilter(f); named.warning('x'); named.removeFilter(f)",
    ),
    (
        "a filter that refuses",
        "f = lambda record: False; named.addFilter(f); named.error('x'); named.removeFilter(f)",
    ),
    ("a logger that does not propagate", "named.propagate = False; named.error('x'); named.propagate = True"),
    (
        "logging.disable",
        "logging.disable(logging.ERROR); root.error('x'); root.critical('y'); "
        "logging.disable(logging.NOTSET)",
    ),
    (
        "a handler of the function's own",
        "h = logging.StreamHandler(sys.stderr); named.addHandler(h); named.warning('x'); "
        "named.removeHandler(h)",
    ),
    ("context.log", "context.log('plain')"),
    ("context.log with a line end", "context.log('plain\\n')"),
    (
        "context.log of other values",
        "context.log(1); context.log(None); context.log(b'x'); context.log({'a': 1}); context.log(Thing())",
    ),
    ("context.log with non-ASCII text", "context.log('hé \U0001f600')"),
    ("context.log of an empty text", "context.log('')"),
    ("print", "print('printed', 1)"),
    ("print to stderr", "print('printed', file=sys.stderr)"),
    ("alternating print and log lines", "print('1'); root.warning('2'); print('3'); context.log('4\\n')"),
    ("a message of 300 000 characters", "root.warning('x' * 300_000)"),
)
for format_name, environment, telemetry in _FORMATS:
    table = LINES.share(_APP, environment=environment, telemetry=telemetry)
    for name, statement in _STATEMENTS:
        escaped = statement.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        table.case(f"{format_name}: {name}", f'"{escaped}"')
    table.case(
        f"{format_name}: the tenant id",
        "\"root.warning('x'); caught(root.exception, 'y')\"",
        {"Lambda-Runtime-Aws-Tenant-Id": "blue é"},
    )

_EVERY_LEVEL = """
    import logging

    logger = logging.getLogger()
    at_import = [logger.level, logger.getEffectiveLevel(), [type(h).__name__ for h in logger.handlers]]

    def handler(event, context):
        for level in (5, 10, 20, 30, 40, 50):
            logging.log(level, "level %d", level)
        return at_import + [logging.getLogger("x").isEnabledFor(20)]
"""
for level in (
    "TRACE",
    "DEBUG",
    "INFO",
    "WARN",
    "WARNING",
    "ERROR",
    "FATAL",
    "CRITICAL",
    "NOTSET",
    "",
    "info",
    "Trace",
    "trace",
    "nonsense",
    "20",
    " INFO",
    "OFF",
):
    for format_name in ("Text", "JSON"):
        LEVELS.case(
            f"AWS_LAMBDA_LOG_LEVEL={level!r} with {format_name}",
            _EVERY_LEVEL,
            environment={"AWS_LAMBDA_LOG_LEVEL": level, "AWS_LAMBDA_LOG_FORMAT": format_name},
        )
for value in ("JSON", "json", "Json", "Text", "TEXT", "", "XML", "JSON ", None):
    LEVELS.case(
        f"AWS_LAMBDA_LOG_FORMAT={value!r}", _EVERY_LEVEL, environment={"AWS_LAMBDA_LOG_FORMAT": value}
    )
LEVELS.case(
    "an unknown log format with a level",
    _EVERY_LEVEL,
    environment={"AWS_LAMBDA_LOG_FORMAT": "XML", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
)
LEVELS.case(
    "JSON frames without a level", _EVERY_LEVEL, environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"}, telemetry=True
)
for level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL"):
    LEVELS.case(
        f"a dict as message at DEBUG is shown only there: {level}",
        "import logging\ndef handler(event, context):\n    logging.debug({'event': 'pool', 'count': 17})",
        environment={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level},
    )
for value in ("INFO", "TRACE", "nonsense"):
    LEVELS.case(
        f"frames with AWS_LAMBDA_LOG_LEVEL={value!r}",
        _EVERY_LEVEL,
        environment={"AWS_LAMBDA_LOG_LEVEL": value},
        telemetry=True,
    )

_INSPECT = """
    import logging, sys

    root = logging.getLogger()

    def handler(event, context):
        return eval(event)
"""
inspect = SETUP.share(_INSPECT)
for name, expression in (
    ("one handler on the root logger", "len(root.handlers)"),
    ("the name of its class", "type(root.handlers[0]).__name__"),
    ("it is a logging.Handler", "isinstance(root.handlers[0], logging.Handler)"),
    ("its level", "root.handlers[0].level"),
    ("its format", "root.handlers[0].formatter._fmt"),
    ("its date format", "root.handlers[0].formatter.datefmt"),
    ("its formatter's class", "type(root.handlers[0].formatter).__name__"),
    ("its filters", "[type(f).__name__ for f in root.handlers[0].filters]"),
    ("its log sink", "hasattr(root.handlers[0], 'log_sink')"),
    ("the root logger's level", "[root.level, root.getEffectiveLevel()]"),
    ("the root logger's name and filters", "[root.name, len(root.filters), root.disabled]"),
    ("the clock of formatters", "logging.Formatter.converter.__name__"),
    ("logging.lastResort is there", "logging.lastResort is not None"),
    ("logging.raiseExceptions", "logging.raiseExceptions"),
    ("the logger class", "logging.getLoggerClass().__name__"),
    ("the record factory", "logging.getLogRecordFactory().__name__"),
    (
        "no named loggers are configured",
        "[n for n, l in logging.root.manager.loggerDict.items() if getattr(l, 'handlers', None)]",
    ),
    ("hasHandlers", "[root.hasHandlers(), logging.getLogger('x').hasHandlers()]"),
):
    inspect.case(f"logging: {name}", '"' + expression + '"')

_HANDLER = '\n    def handler(event, context):\n        logging.getLogger("x").info("info é")\n'
'        logging.warning("warning")\n        return "fine"\n'
for name, source in (
    ("basicConfig does nothing", "logging.basicConfig(level=logging.DEBUG, format='%(message)s')"),
    ("basicConfig with force", "logging.basicConfig(level=logging.DEBUG, format='%(message)s', force=True)"),
    ("setLevel of the root logger", "logging.getLogger().setLevel(logging.INFO)"),
    ("setLevel of a named logger", "logging.getLogger('x').setLevel(logging.INFO)"),
    ("setLevel by name", "logging.getLogger().setLevel('INFO')"),
    ("setLevel to CRITICAL", "logging.getLogger().setLevel('CRITICAL')"),
    ("a level on the root handler", "logging.getLogger().handlers[0].setLevel('ERROR')"),
    (
        "a formatter on the root handler",
        "logging.getLogger().handlers[0].setFormatter(logging.Formatter('%(levelname)s "
        "%(aws_request_id)s %(tenant_id)s %(message)s|'))",
    ),
    (
        "a formatter for every handler",
        "for h in logging.getLogger().handlers: h.setFormatter(logging.Formatter('%(asctime)s "
        "%(message)s\\n', datefmt='day'))",
    ),
    (
        "the root handler is removed",
        "root = logging.getLogger()\n    for h in list(root.handlers): root.removeHandler(h)",
    ),
    ("handlers cleared", "logging.getLogger().handlers.clear()"),
    ("handlers replaced by a list", "logging.getLogger().handlers = [logging.StreamHandler()]"),
    ("a second handler on the root logger", "logging.getLogger().addHandler(logging.StreamHandler())"),
    (
        "a handler on a named logger",
        "logging.getLogger('x').addHandler(logging.StreamHandler()); logging.getLogger('x').setLevel(10)",
    ),
    (
        "dictConfig",
        "import logging.config; logging.config.dictConfig({'version': 1, 'disable_existing_loggers': "
        "False, 'formatters': {'simple': {'format': '%(levelname)-8s - %(message)s'}}, 'handlers': "
        "{'stdout': {'class': 'logging.StreamHandler', 'formatter': 'simple'}}, 'root': {'level': "
        "'INFO', 'handlers': ['stdout']}})",
    ),
    (
        "dictConfig that is incremental",
        "import logging.config; logging.config.dictConfig({'version': 1, 'incremental': True, 'root': "
        "{'level': 'INFO'}})",
    ),
    ("the clock of formatters is changed", "import time; logging.Formatter.converter = time.gmtime"),
    (
        "a filter on the root handler",
        "logging.getLogger().handlers[0].addFilter(lambda r: r.levelno < 30); "
        "logging.getLogger().setLevel(10)",
    ),
    (
        "a filter that adds to the record",
        "logging.getLogger().handlers[0].addFilter(lambda r: setattr(r, 'added', 1) or True)",
    ),
    (
        "the root handler is used directly",
        "logging.getLogger().handlers[0].emit(logging.makeLogRecord({'msg': 'direct', 'levelname': "
        "'INFO', 'levelno': 20, 'aws_request_id': 'x'}))",
    ),
    (
        "the root handler's handle is used",
        "logging.getLogger().handlers[0].handle(logging.makeLogRecord({'msg': 'handled', 'levelname': "
        "'INFO', 'levelno': 20}))",
    ),
    ("a log line at import", "logging.warning('at import'); logging.getLogger('x').error('named')"),
    (
        "an error at import",
        "\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        logging.exception('at import')",
    ),
    (
        "a custom logger class",
        "\n    class L(logging.Logger):\n        def makeRecord(self, *args, **kwargs):\n"
        "            record = super().makeRecord(*args, **kwargs)\n"
        "            record.msg = 'L: ' + record.msg\n            return record\n"
        "    logging.setLoggerClass(L)",
    ),
    (
        "a custom record factory",
        "\n    old = logging.getLogRecordFactory()\n    def factory(*args, **kwargs):\n"
        "        record = old(*args, **kwargs)\n        record.made = 'here'\n        return record\n"
        "    logging.setLogRecordFactory(factory)",
    ),
    ("another level name", "logging.addLevelName(30, 'ACHTUNG')"),
    ("logging.shutdown", "logging.shutdown()"),
    ("stdout replaced", "import io, sys; sys.stdout = io.StringIO()"),
    ("stdout replaced by stderr", "import sys; sys.stdout = sys.stderr"),
):
    for format_name in ("text", "JSON"):
        SETUP.case(
            f"{format_name}: {name}",
            f"\n    import logging\n    {source.strip()}\n{_HANDLER}",
            "1",
            environment={"AWS_LAMBDA_LOG_FORMAT": format_name},
        )
_CRITICAL_ONLY = (
    ("setLevel to CRITICAL", "logging.getLogger().setLevel(logging.CRITICAL)"),
    (
        "dictConfig to CRITICAL",
        "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False, 'formatters': "
        "{'simple': {'format': '%(levelname)-8s - %(message)s'}}, 'handlers': {'stdout': {'class': "
        "'logging.StreamHandler', 'formatter': 'simple'}}, 'root': {'level': 'CRITICAL', 'handlers': "
        "['stdout']}})",
    ),
)
_CLEARED = """
    import logging

    logging.getLogger().handlers.clear()

    def handler(event, context):
        context.log("YOLO!")
        context.log("\\n")
"""
_OWN_TIMES = """
    import logging

    def handler(event, context):
        formatter = logging.getLogger().handlers[0].formatter
        times = [1718838785.068, 1718838785.0, 1718838785.9, 1718838785.999]
        return [formatter.format(record(created)) for created in times]

    def record(created):
        named = logging.makeLogRecord({"name": "test", "msg": "hello", "levelno": 20, "levelname": "INFO"})
        named.aws_request_id, named.created, named.msecs = "", created, int(created * 1000) % 1000
        return named
"""
for format_name in ("text", "JSON"):
    variables: Environment = {"AWS_LAMBDA_LOG_FORMAT": format_name}
    for name, statement in _CRITICAL_ONLY:
        SETUP.case(
            f"{format_name}: {name} leaves critical lines",
            f"import logging.config\n{statement}\ndef handler(event, context):\n"
            "    for level in (10, 20, 30, 40, 50): logging.getLogger('x').log(level, 'level %d', level)",
            environment=variables,
        )
    SETUP.case(f"{format_name}: context.log with the handlers cleared", _CLEARED, environment=variables)
    SETUP.case(f"{format_name}: a record has the time it was made at", _OWN_TIMES, environment=variables)
SETUP.case(
    "logging is imported only by the handler",
    """
    def handler(event, context):
        import logging
        logging.warning("late")
        logging.info("not shown")
        return [type(h).__name__ for h in logging.getLogger().handlers]
    """,
    "1",
    "2",
)
SETUP.case(
    "logging is imported only by the handler, with a level",
    """
    def handler(event, context):
        import logging
        logging.info("late")
        return [type(h).__name__ for h in logging.getLogger().handlers]
    """,
    environment={"AWS_LAMBDA_LOG_LEVEL": "INFO", "AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
SETUP.case(
    "logging is imported by another module first",
    "import helper\ndef handler(event, context):\n    return helper.warn()",
    files={
        "helper.py": "from logging import getLogger\nlog = getLogger(__name__)\ndef warn():\n"
        "    log.warning('helper')"
    },
)
SETUP.case(
    "the request id changes with the event, and is empty before",
    """
    import logging

    class Show(logging.Handler):
        def emit(self, record):
            print(repr(getattr(record, "aws_request_id", "none")), repr(getattr(record, "tenant_id", "none")))

    logging.getLogger().addHandler(Show())
    logging.warning("before")

    def handler(event, context):
        logging.warning("in")
    """,
    Event(b"1", {"Lambda-Runtime-Aws-Tenant-Id": "blue"}),
    "2",
)
SETUP.case(
    "a message with a lone surrogate",
    "import logging\ndef handler(event, context):\n    logging.warning('\\ud800x')\n    return 'fine'",
    "1",
    "2",
)
SETUP.case(
    "a message with a lone surrogate, as JSON",
    "import logging\ndef handler(event, context):\n    logging.warning('\\ud800x')\n    return 'fine'",
    "1",
    "2",
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
SETUP.case(
    "a message with a lone surrogate, as a frame",
    "import logging\ndef handler(event, context):\n    logging.warning('\\ud800x')\n    return 'fine'",
    "1",
    "2",
    telemetry=True,
)
SETUP.case(
    "an object whose str() fails",
    """
    import logging

    class Bad:
        def __str__(self):
            raise ValueError("no text")

    def handler(event, context):
        logging.warning(Bad())
        return "fine"
    """,
)
SETUP.case(
    "an object whose str() fails, as an argument",
    """
    import logging

    class Bad:
        def __str__(self):
            raise ValueError("no text")

    def handler(event, context):
        logging.warning("%s", Bad())
        return "fine"
    """,
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)
SETUP.case(
    "extra whose str() fails",
    """
    import logging

    class Bad:
        def __str__(self):
            raise ValueError("no text")

    def handler(event, context):
        try:
            logging.warning("x", extra={"bad": Bad()})
        except ValueError as error:
            return str(error)
    """,
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)

# Time zones: log lines are in UTC for every value of TZ.
for format_name in ("text", "JSON"):
    SETUP.case(
        f"{format_name}: log lines are in UTC",
        "import logging, time\ntime.tzset()\ndef handler(event, context):\n    logging.warning('x')",
        environment={"TZ": "Asia/Tokyo", "AWS_LAMBDA_LOG_FORMAT": format_name},
    )

# The event is a statement about the streams.
_STREAMS = """
    import os, sys

    def handler(event, context):
        space = {**globals(), "context": context}
        exec(event, space)
        return space.get("response")
"""
for format_name, telemetry in (("plain", False), ("with frames", True)):
    streams = OUTPUT.share(_STREAMS, telemetry=telemetry)
    for name, statement in (
        ("print", "print('a', 1)"),
        ("print without an end of line", "print('a', end='')"),
        ("print of non-ASCII text", "print('hé 中 \U0001f600')"),
        ("print of several lines", "print('a\\nb\\r\\nc')"),
        ("print of nothing", "print()"),
        ("sys.stdout.write", "response = sys.stdout.write('abc\\n')"),
        ("sys.stdout.writelines", "response = sys.stdout.writelines(['a\\n', 'b\\n'])"),
        ("sys.stdout.flush", "response = sys.stdout.flush()"),
        ("sys.stdout.buffer", "sys.stdout.buffer.write(b'\\xff raw\\n'); sys.stdout.buffer.flush()"),
        (
            "sys.stdout.buffer without a flush, then print",
            "sys.stdout.buffer.write(b'raw\\n'); print('printed')",
        ),
        ("sys.stderr.write", "response = sys.stderr.write('abc\\n')"),
        ("sys.stderr.writelines", "sys.stderr.writelines(['a\\n', 'b\\n'])"),
        ("sys.stderr without an end of line", "sys.stderr.write('abc')"),
        ("sys.__stdout__", "print('x', file=sys.__stdout__, flush=True)"),
        ("sys.__stderr__", "print('x', file=sys.__stderr__, flush=True)"),
        ("os.write", "os.write(1, b'one\\n'); os.write(2, b'two\\n')"),
        ("a child process", "os.system('echo child; echo child >&2')"),
        ("print, then a child process", "print('parent'); os.system('echo child'); print('parent')"),
        (
            "the encoding",
            "response = [sys.stdout.encoding, sys.stderr.encoding, sys.stdout.errors, sys.stderr.errors]",
        ),
        ("fileno and isatty", "response = [sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.isatty()]"),
        (
            "writable, readable, closed",
            "response = [sys.stdout.writable(), sys.stdout.readable(), sys.stdout.closed]",
        ),
        ("name and mode", "response = [sys.stdout.name, sys.stdout.mode, sys.stderr.name]"),
        ("stdin is empty", "response = sys.stdin.read()"),
        (
            "stdout.reconfigure",
            "old = sys.stdout.errors; sys.stdout.reconfigure(errors='replace'); print('\\ud800'); "
            "sys.stdout.reconfigure(errors=old)",
        ),
        ("an unknown attribute", "response = hasattr(sys.stdout, 'nonsense')"),
        ("print of a lone surrogate", "print('\\ud800')"),
        ("100 lines", "for n in range(100): print(n)"),
        ("a line of 200 000 characters", "print('x' * 200_000)"),
    ):
        escaped = statement.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        streams.case(f"{format_name}: {name}", f'"{escaped}"')
    OUTPUT.case(
        f"{format_name}: output at import",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\ndef handler(e, c): return 1",
        telemetry=telemetry,
    )
    OUTPUT.case(
        f"{format_name}: output at import without an end of line",
        "import sys\nprint('out', end='')\ndef handler(e, c): print('|')",
        telemetry=telemetry,
    )
OUTPUT.case(
    "stdout is replaced by the function for good",
    """
    import io, sys

    sys.stdout = io.StringIO()

    def handler(event, context):
        print(event)
        return sys.stdout.getvalue()
    """,
    "1",
    "2",
)
OUTPUT.case(
    "stdout is wrapped by the function",
    """
    import sys

    class Marked:
        def __init__(self, stream):
            self.stream = stream
        def write(self, text):
            return self.stream.write("~" + text)
        def flush(self):
            self.stream.flush()

    sys.stdout = Marked(sys.stdout)

    def handler(event, context):
        print("shout")
        context.log("logged")
        raise ValueError("quiet")
    """,
)
OUTPUT.case(
    "stdout is used as a context manager",
    """
    import sys

    def handler(event, context):
        with sys.stdout as stream:
            print("inside")
        print("after")
        return stream is sys.stdout
    """,
    "1",
    "2",
)
OUTPUT.case(
    "stdout is closed by the function, and an error follows",
    """
    import sys

    def handler(event, context):
        sys.stdout.close()
        raise ValueError("unseen")
    """,
    "1",
    "2",
)
OUTPUT.case(
    "stdout is closed by the function",
    """
    import sys

    def handler(event, context):
        sys.stdout.close()
        return "fine"
    """,
    "1",
)
OUTPUT.case(
    "contextlib.redirect_stdout",
    """
    import contextlib, io

    def handler(event, context):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            print("caught")
            context.log("logged")
        print("not caught")
        return text.getvalue()
    """,
)
OUTPUT.case(
    "a warning at import",
    "import warnings\nwarnings.warn('at import')\ndef handler(e, c): return 1",
)
OUTPUT.case(
    "a deprecated escape sequence in the source",
    files={"app.py": 'pattern = "\\d"\ndef handler(e, c): return pattern\n'},
)
OUTPUT.case(
    "output from a thread after the response",
    """
    import threading

    ready, done = threading.Event(), threading.Event()

    def later():
        ready.wait()
        print("from the thread")
        done.set()

    threading.Thread(target=later, daemon=True).start()

    def handler(event, context):
        if event == 2:
            ready.set()
            done.wait(20)
    """,
    "1",
    "2",
)
OUTPUT.case(
    "_LAMBDA_TELEMETRY_LOG_FD is gone when the function is loaded",
    "import os\nseen = '_LAMBDA_TELEMETRY_LOG_FD' in os.environ\ndef handler(e, c): return seen",
    telemetry=True,
)
OUTPUT.case(
    "what child processes inherit of open files",
    """
    import os, subprocess, sys

    def handler(event, context):
        context.log("frame")
        code = "import os; print(sum(os.path.exists(f'/proc/self/fd/{n}') for n in range(3, 1000)))"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, stdout=subprocess.PIPE, close_fds=False).stdout.decode()
    """,
    telemetry=True,
)

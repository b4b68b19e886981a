"""The handler that AWS's runtime adds to the root logger: text lines or JSON objects.

Imported at the end of the first import of `logging`, see `logging_hook`.
"""

from __future__ import annotations

import logging
import time

from .stdlib_import import load_stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .logs import FunctionLog

json = load_stdlib("json")

_TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_TEXT_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
_JSON_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# The attributes that every record has. All others were passed with ``extra=``.
_RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {
    "aws_request_id",
    "tenant_id",
    "_frame_type",
    "exc_text",
    "stack_info",
}


def add_to_root(log: FunctionLog) -> None:
    """Add our handler to the root logger, and set the level if the environment names one."""
    logging.Formatter.converter = time.gmtime
    handler_class = LambdaLoggerHandlerWithFrameType if log.as_json or log.level else LambdaLoggerHandler
    handler = handler_class(log)
    handler.setFormatter(
        JsonFormatter() if log.as_json else logging.Formatter(_TEXT_FORMAT, _TEXT_TIME_FORMAT)
    )
    handler.addFilter(LambdaLoggerFilter(log))
    root = logging.getLogger()
    root.addHandler(handler)
    if log.level in logging._nameToLevel:
        root.setLevel(log.level)


class LambdaLoggerHandler(logging.Handler):
    """Write records to the function's log. Tools recognise this class by its name."""

    def __init__(self, log: FunctionLog) -> None:
        super().__init__()
        self.log_sink = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, in a frame without a level."""
        self.log_sink.write(self.format(record))


class LambdaLoggerHandlerWithFrameType(LambdaLoggerHandler):
    """The same for functions that configure the format or the level: frames have the record's level."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record in a frame with its level."""
        text = self.format(record)
        frame_type = self.log_sink.frame_type(_round_level(record.levelno))
        own_type = getattr(record, "_frame_type", None)  # 4 bytes that the function may pass with ``extra=``
        if own_type and not self.log_sink.as_json:
            frame_type = int.from_bytes(own_type, "big")
        self.log_sink.write(text, frame_type)


class LambdaLoggerFilter(logging.Filter):
    """Add the ids of the current invocation to each record, for formatters and tools."""

    def __init__(self, log: FunctionLog) -> None:
        super().__init__()
        self.log_sink = log

    def filter(self, record: logging.LogRecord) -> bool:
        """Add ``aws_request_id`` and ``tenant_id``. Accept every record."""
        record.aws_request_id = self.log_sink.ids.request_id
        record.tenant_id = self.log_sink.ids.tenant_id
        return True


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON, with the members of AWS's runtime in their order."""

    def __init__(self) -> None:
        super().__init__(datefmt=_JSON_TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with its line end. Values that JSON cannot hold become their `str`."""
        record.levelno = _round_level(record.levelno)
        record.levelname = logging.getLevelName(record.levelno)
        is_object = isinstance(record.msg, dict) and not record.args
        entry: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
            **self._describe_exception(record),
            "requestId": getattr(record, "aws_request_id", None),
        }
        if record.exc_info:
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["tenantId"] = getattr(record, "tenant_id", None)
        for name, value in record.__dict__.items():
            if name not in _RECORD_ATTRIBUTES and name not in entry:
                entry[name] = value
        present = {name: value for name, value in entry.items() if value is not None}
        return f"{json.dumps(present, ensure_ascii=False, default=str)}\n"

    def _describe_exception(self, record: logging.LogRecord) -> dict[str, Any]:
        if not record.exc_info or record.exc_info[0] is None:
            return {}
        exception_type, exception, trace = record.exc_info
        return {
            "stackTrace": load_stdlib("traceback").format_tb(trace),
            "errorType": exception_type.__name__,
            "errorMessage": str(exception),
        }


def _round_level(level: int) -> int:
    return min(50, max(0, level)) // 10 * 10

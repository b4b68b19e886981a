"""Write the platform's own lines in a function's log: text, or JSON objects if the function logs JSON.

The objects are Lambda's system logs. AWS's developer guide describes them under "Lambda Telemetry API Event
schema reference", and lists those of the default level INFO under "Log-level filtering". The emulator writes
the ones that correspond to a line of text: ``platform.report`` for every invocation, and
``platform.runtimeDone`` for a failure, in place of the text that explains it.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.functions.invocation import Invocation
    from lambda_emulator.functions.log import LogStream

SUCCESS = "success"  # other statuses are "error" and "timeout"
RUNTIME_VERSION = "provided:al2023"

DEEPEST = 250  # levels of an object: jq 1.6 reads 256


def platform_log(log: LogStream, configuration: Configuration) -> PlatformLog:
    """Return the platform log in the function's log format."""
    return JsonLog(log, configuration) if configuration.logs_json else PlatformLog(log, configuration)


class PlatformLog:
    """The platform's log as lines of text."""

    def __init__(self, log: LogStream, configuration: Configuration) -> None:
        self._log = log
        self._configuration = configuration

    def init_report(self, init_ms: float, status: str = SUCCESS, error_type: str = "") -> None:
        phase = [] if status == SUCCESS else ["Phase: init"]
        self._columns(f"INIT_REPORT Init Duration: {init_ms:.2f} ms", *phase, *_ending(status, error_type))

    def restore_start(self) -> None:
        self._columns(f"RESTORE_START Runtime Version: {RUNTIME_VERSION}")

    def restore_report(self, restore_ms: float, status: str = SUCCESS, error_type: str = "") -> None:
        self._columns(f"RESTORE_REPORT Restore Duration: {restore_ms:.2f} ms", *_ending(status, error_type))

    def start(self, invocation: Invocation) -> None:
        version = self._configuration.version
        self._log.write_line(f"START RequestId: {invocation.request_id} Version: {version}")

    def timed_out(self, invocation: Invocation, message: str) -> None:
        self._log.write_line(f"{timestamp()} {invocation.request_id} {message}\n")

    def exited(self, invocation: Invocation, message: str, error_type: str) -> None:
        self._log.write_line(f"RequestId: {invocation.request_id} Error: {message}\n{error_type}")

    def end(self, invocation: Invocation) -> None:
        """Write the END and REPORT lines."""
        report = invocation.report
        columns = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {report.duration_ms:.2f} ms",
            f"Billed Duration: {report.billed_ms} ms",
            f"Memory Size: {report.memory_mb} MB",
            f"Max Memory Used: {report.max_memory_mb} MB",
        ]
        if report.init_ms is not None:
            columns.append(f"Init Duration: {report.init_ms:.2f} ms")
        if report.restore_ms is not None:
            columns.append(f"Restore Duration: {report.restore_ms:.2f} ms")
            columns.append(f"Billed Restore Duration: {report.billed_restore_ms} ms")
        self._log.write_line(f"END RequestId: {invocation.request_id}")
        self._columns(*columns, *_ending(report.status, report.error_type))

    # Messages of the emulator, which Lambda does not have.

    def error(self, text: str, request_id: str = "") -> None:
        self._log.write_line(f"RequestId: {request_id} Error: {text}" if request_id else f"Error: {text}")

    def warning(self, text: str) -> None:
        self._log.write_line(text)

    def hint(self, text: str) -> None:
        """Show a hint, which is not part of the log."""
        self._log.remark(f"Hint: {text}")

    def _columns(self, *columns: str) -> None:
        """Write columns as CloudWatch shows them, each followed by a tab."""
        self._log.write_line("\t".join([*columns, ""]))


class JsonLog(PlatformLog):
    """The platform's log as JSON objects, one on each line."""

    def init_report(self, init_ms: float, status: str = SUCCESS, error_type: str = "") -> None:
        record = {"initializationType": self._configuration.initialization_type, "phase": "init"}
        self._finish("initReport", record, status, error_type, durationMs=init_ms)

    def restore_start(self) -> None:
        configuration = self._configuration
        names = {"functionName": configuration.name, "functionVersion": configuration.version}
        self._write("platform.restoreStart", {"runtimeVersion": RUNTIME_VERSION, **names})

    def restore_report(self, restore_ms: float, status: str = SUCCESS, error_type: str = "") -> None:
        self._finish("restoreReport", {}, status, error_type, durationMs=restore_ms)

    def start(self, invocation: Invocation) -> None:
        record = {"functionArn": invocation.arn, "version": self._configuration.version}
        self._write("platform.start", {"requestId": invocation.request_id, **record})

    def timed_out(self, invocation: Invocation, message: str) -> None:
        self._runtime_done(invocation, "timeout")

    def exited(self, invocation: Invocation, message: str, error_type: str) -> None:
        self._runtime_done(invocation, "error", error_type)

    def end(self, invocation: Invocation) -> None:
        """Write ``platform.report``. Only the Telemetry API has ``platform.end``."""
        report = invocation.report
        self._finish(
            "report",
            {"requestId": invocation.request_id},
            report.status,
            report.error_type,
            durationMs=report.duration_ms,
            billedDurationMs=report.billed_ms,
            memorySizeMB=report.memory_mb,
            maxMemoryUsedMB=report.max_memory_mb,
            initDurationMs=report.init_ms,
            restoreDurationMs=report.restore_ms,
            billedRestoreDurationMs=None if report.restore_ms is None else report.billed_restore_ms,
        )

    def error(self, text: str, request_id: str = "") -> None:
        self._write("emulator.error", {**({"requestId": request_id} if request_id else {}), "message": text})

    def warning(self, text: str) -> None:
        self._write("emulator.warning", {"message": text})

    def hint(self, text: str) -> None:
        self._log.remark(encode("emulator.hint", {"message": text}))

    def _runtime_done(self, invocation: Invocation, status: str, error_type: str = "") -> None:
        record = {"requestId": invocation.request_id}
        self._finish("runtimeDone", record, status, error_type, durationMs=invocation.report.duration_ms)

    def _finish(
        self, what: str, record: dict[str, Any], status: str, error_type: str, **metrics: float | None
    ) -> None:
        """Write the record of a finished phase, without the metrics that are None."""
        record["metrics"] = {name: round(value, 3) for name, value in metrics.items() if value is not None}
        record["status"] = status
        if error_type:
            record["errorType"] = error_type
        self._write(f"platform.{what}", record)

    def _write(self, kind: str, record: dict[str, Any]) -> None:
        self._log.write_line(encode(kind, record))


def encode(kind: str, record: dict[str, Any] | str, **members: str) -> str:
    """Encode one object. A ``kind`` that begins with ``emulator.`` does not exist on Lambda."""
    value = {"time": timestamp(), "type": kind, "record": record, **members}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_object(text: str) -> bool:
    """Return whether the text is a JSON object that every parser accepts."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and not _is_deeper(value, DEEPEST)


def _is_deeper(value: Any, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deeper(part, levels - 1) for part in parts)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def timestamp() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ending(status: str, error_type: str) -> list[str]:
    """Return the columns that only failures have."""
    columns = [] if status == SUCCESS else [f"Status: {status}"]
    return [*columns, f"Error Type: {error_type}"] if error_type else columns

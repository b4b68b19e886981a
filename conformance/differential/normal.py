"""Normalise a run before it is compared: replace whatever differs between two runs of the same runtime.

Each function documents its replacements. A time that is not the time of the run is not replaced, so it shows
as a difference.
"""

from __future__ import annotations

import calendar
import re
import subprocess
import sys
import time
from typing import List, Match, Pattern

from .process import REPOSITORY, Run
from .recorder import request_id


def frame_in_log(file: str) -> Pattern[str]:
    r"""A frame of ``file``, a regular expression, in a logged traceback, with the line end before it.

    Where \r joins the lines, indentation consists of U+00A0.
    """
    return re.compile(
        rf'([\r\n])[ \u00a0]{{2}}File "{file}", line \d+, in [^\r\n]*(?:\1[ \u00a0]{{4}}[^\r\n]*)*'
    )


def frame_in_json_log(file: str) -> Pattern[str]:
    """Return a pattern for a frame of ``file`` in a JSON log line: a string in a list, and its comma."""
    return re.compile(rf'"  File \\"{file}\\"(?:\\.|[^"\\])*"(?:, )?')


# The files of the runtimes themselves, and of Python's -m switch, which starts AWS's.
_OURS = re.escape(str(REPOSITORY)) + "/(?:bootstrap|runtime/)"
_OWN_FILE = rf'(?:[^"\\]*/awslambdaric/[^"\\]*|<frozen runpy>|{_OURS}[^"\\]*)'
_OWN_PATH = re.compile(_OWN_FILE + r"\Z")
_OWN_ENTRY = re.compile(rf'  File "{_OWN_FILE}", line ')
_OWN_FRAME = frame_in_log(_OWN_FILE)
_OWN_JSON_FRAME = frame_in_json_log(_OWN_FILE)

_TEXT_TIME = re.compile(r"(?<=\]\t)(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z(?=\t)")
_JSON_TIME = re.compile(r'(?<="timestamp": ")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z(?=")')
_OWN_LINE = re.compile(
    r"^(?:\[ERROR\] \[\d{13}\] |\[(?:ERROR|WARNING)\]\t[^\t\n]*\t[^\t\n]*\t|)LAMBDA_RUNTIME [^\n]*\n\n?",
    re.M,
)
_OWN_JSON_LINE = re.compile(
    r"^\{[^\n]*(?:\"logger\": \"LAMBDA_RUNTIME\"|: This won't kill the Runtime loop\")[^\n]*\n", re.M
)
_OWN_LINES = re.compile(r"(?:<a line of the runtime>\n)+")
_REPEATED = re.compile(r"(?<=\[Previous line repeated )9\d\d(?= more times\])")
_ADDRESS = re.compile(r"(?<= at )0x[0-9a-f]+")
# The entries after the function's folder on our search path: this interpreter's, without pytest's.
_ASK = [sys.executable, "-c", "import sys; print(', '.join(sys.path[1:]))"]
_SEARCH_PATH = subprocess.run(_ASK, env={}, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
_SEARCH_PATH += f", {REPOSITORY / 'runtime'}"


def is_own_path(path: str) -> bool:
    """Return whether a source file belongs to one of the runtimes."""
    return _OWN_PATH.match(path) is not None


def without_own_entries(stack_trace: List[str]) -> List[str]:
    """Return the entries of a ``stackTrace`` without the runtimes' own frames."""
    return [entry for entry in stack_trace if not _OWN_ENTRY.match(entry)]


def names(text: str, run: Run) -> str:
    """Replace names that are different in each run.

    The task root becomes ``/var/task``; the server's address, the interpreter's search path, request ids
    (``r0``, ``r1`` …) and addresses of objects get names. So does the number of calls that fit on the stack,
    because the runtimes use a few.
    """
    text = text.replace(run.task_root, "/var/task").replace(run.address, "<runtime api>")
    text = text.replace(_SEARCH_PATH, "<the interpreter's>")
    for number in range(len(run.program.events)):
        text = text.replace(request_id(number), f"r{number}")
    return _REPEATED.sub("<900 or more>", _ADDRESS.sub("0x<address>", text))


def written(text: str, run: Run) -> str:
    """Normalise a log: names, times, the runtimes' own frames and lines.

    A runtime's own lines contain ``LAMBDA_RUNTIME`` and report problems with the Runtime API. Only their
    presence is compared, not their wording.
    """

    def seconds(match: Match[str]) -> str:
        """Replace a time by ``<time>`` if it is the time of the run, in UTC."""
        stamp_s = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
        during = run.started_us // 1_000_000 <= stamp_s <= run.ended_us // 1_000_000
        return "<time>" if during else match[0]

    text = _JSON_TIME.sub(seconds, _TEXT_TIME.sub(seconds, text))
    text = _OWN_JSON_LINE.sub("<a line of the runtime>\n", _OWN_LINE.sub("<a line of the runtime>\n", text))
    text = _OWN_LINES.sub("<the runtime's own lines>\n", text)
    text = _OWN_JSON_FRAME.sub("", _OWN_FRAME.sub("", text))
    return names(text, run)

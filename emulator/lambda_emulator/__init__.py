"""Emulate AWS Lambda: a Runtime API for the function, an Invoke API and a function URL for its callers.

    python3 -m lambda_emulator run --handler hello.handler --task-root examples
    python3 -m lambda_emulator serve --handler hello.handler --task-root examples

To read the code, start with ``function.py``, which follows an invocation from start to end;
``runtime_api.py`` holds the table of the calls that a runtime may make next. The other modules support
these two::

    SDK ───── HTTP ─ invoke_api ───┐
    browser ─ HTTP ─ function_url ─┴─ function ─ pool ─ environment ─ runtime_api ─ HTTP ─ a process
                                         │                    └─────── log ───────── pipe ────┘
                                      terminal

``pool`` decides which environment handles an event; ``event_queue`` retries asynchronous ones. On managed
instances, ``managed_api`` takes the place of ``runtime_api``. ``platform_log`` writes the platform's own log
lines. ``response_stream`` carries a streamed response from ``runtime_api`` to the caller. ``__main__`` runs
the functions that ``options``, ``builder`` and ``config_file`` describe.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036  # explain instead of failing with a SyntaxError
    sys.exit("lambda_emulator: needs Python 3.8 or newer, this is " + sys.version.split()[0])

"""AWS Lambda on this machine: a Runtime API for the function, an Invoke API and a URL for its callers.

    python3 -m lambda_emulator run --handler hello.handler --task-root examples
    python3 -m lambda_emulator serve --handler hello.handler --task-root examples

To read it, begin with ``function.py``, which tells the life of an invocation; ``runtime_api.py`` holds
the table of what a runtime may do next. The rest is what these two stand on::

    SDK ───── HTTP ─ invoke_api ───┐
    browser ─ HTTP ─ function_url ─┴─ function ─ environment ─ runtime_api ─ HTTP ─ the function's process
                                         │            └─────── log ───────── pipe ──────────┘
                                      terminal

What the platform itself says in the log is in ``platform_log``. A streamed response goes from ``runtime_api``
to the caller through ``response_stream``.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036  # somebody may try
    sys.exit("lambda_emulator: needs Python 3.8 or newer, this is " + sys.version.split()[0])

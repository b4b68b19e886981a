"""AWS Lambda on this machine: a Runtime API for the function's process, an Invoke API for its callers.

    python3 -m emulator run --handler hello.handler --task-root examples
    python3 -m emulator serve --handler hello.handler --task-root examples

To read it, begin with ``function.py``, which tells the life of an invocation; ``runtime_api.py`` holds
the table of what a runtime may do next. The rest is what these two stand on::

    caller ─ HTTP ─ invoke_api ─ function ─ environment ─ runtime_api ─ HTTP ─ the function's process
                                    │            └──────── log ──────── pipe ──────────┘
                                 terminal
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036  # somebody may try
    sys.exit("emulator: needs Python 3.8 or newer, this is " + sys.version.split()[0])

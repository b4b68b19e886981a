"""Emulate AWS Lambda: a Runtime API for the function, an Invoke API and a function URL for its callers.

    python3 -m lambda_emulator run --handler hello.handler --task-root examples
    python3 -m lambda_emulator serve --handler hello.handler --task-root examples

To read the code, start with ``functions/function.py``, which follows an invocation from start to end;
``servers/runtime_api.py`` holds the table of the calls that a runtime may make next::

    SDK ───── HTTP ─ invoke_api ───┐
    browser ─ HTTP ─ function_url ─┴─ function ─ pool ─ environment ─ runtime_api ─ HTTP ─ a process
                                         │                    └─────── log ───────── pipe ────┘
                                      terminal

``__main__`` runs the functions that ``options``, ``builder`` and ``config_file`` describe. The folders:

``servers``     what callers and runtimes connect to, and HTTP itself; on managed instances, ``managed_api``
                takes the place of ``runtime_api``
``functions``   the life of a function: ``pool`` decides which environment handles an event, ``event_queue``
                retries asynchronous ones, ``platform_log`` writes the platform's own log lines
``deployment``  the archives that would be uploaded, the interpreter, and a sandbox like Lambda's
``terminal``    what a person sees
``profiling``   what makes the init phase slow

``testing`` is for the tests of functions: it starts one and returns ``responses``; ``pytest_plugin`` has its
fixture. ``unit_context`` makes a context without a process, ``sample_events`` the events of AWS services.
"""

import sys

if sys.version_info < (3, 8):  # noqa: UP036  # explain instead of failing with a SyntaxError
    sys.exit("lambda_emulator: needs Python 3.8 or newer, this is " + sys.version.split()[0])

"""Runs the cases on AWS's emulator and on ours, through AWS's command line and AWS's SDK, and prints a table.

Usage: python -m conformance [-k WORD] [--runtime bootstrap|awslambdaric|PATH] [--verbose]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conformance.cases import CASES, Case
from conformance.clients import AwsCli, Boto3, Client
from conformance.report import Report
from conformance.runner import Runtime, try_case, write_task_root
from conformance.servers import AWS_EMULATOR, ROOT

# AWS's runtime takes the handler as an argument; the file stands where a bootstrap would.
AWS_BOOTSTRAP = """#!{python}
import os, sys
sys.path.insert(0, os.getcwd())
from awslambdaric.__main__ import main
main(["awslambdaric", os.environ["_HANDLER"]])
"""


def main() -> int:
    options = parse_arguments()
    cases = [case for case in CASES if options.k in case.name]
    if not cases:
        print(f"conformance: no case has {options.k!r} in its name", file=sys.stderr)
        return 2
    if options.runtime not in ("bootstrap", "awslambdaric") and not os.access(options.runtime, os.X_OK):
        print(f"conformance: {options.runtime} is not an executable file", file=sys.stderr)
        return 2
    if not AWS_EMULATOR.exists():
        print(f"conformance: {AWS_EMULATOR} is missing; `make conformance` fetches it", file=sys.stderr)
        return 2
    forget_aws_settings()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        runtime = choose_runtime(options.runtime, Path(folder))
        return run_all(cases, runtime, write_task_root(Path(folder, "task")), options)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__.split("\n")[0])
    parser.add_argument("-k", metavar="WORD", default="", help="only the cases with WORD in their names")
    parser.add_argument(
        "--runtime",
        default="bootstrap",
        help="bootstrap (ours, the default), awslambdaric (AWS's: a check of the cases), or a program",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at the same time")
    parser.add_argument("--verbose", action="store_true", help="print the server's last lines with a failure")
    return parser.parse_args()


def forget_aws_settings() -> None:
    """Whatever profile or endpoint this computer is configured for, here it must not matter."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def choose_runtime(name: str, folder: Path) -> Runtime:
    if name == "bootstrap":
        return Runtime(ROOT / "bootstrap", is_aws=False)
    if name != "awslambdaric":
        return Runtime(Path(name).resolve(), is_aws=False)
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(AWS_BOOTSTRAP.format(python=sys.executable))
    bootstrap.chmod(0o755)
    return Runtime(bootstrap, is_aws=True)


def run_all(cases: list[Case], runtime: Runtime, task_root: Path, options: argparse.Namespace) -> int:
    """Try every case through every client, a few at a time; print the results in the order of the cases."""
    clients: list[Client] = [AwsCli(), Boto3()]
    report = Report(clients, cases, verbose=options.verbose)
    with ThreadPoolExecutor(options.jobs) as pool:
        trials = [
            [pool.submit(try_case, case, client, runtime, task_root) for client in clients] for case in cases
        ]
        try:
            for case, futures in zip(cases, trials):
                report.row(case, [future.result() for future in futures])
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    report.end()
    return 1 if report.failed else 0


if __name__ == "__main__":
    # Asked to end, we end as after Ctrl-C: with every server stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

"""Publishes, deploys and invokes with AWS CLI and AWS SAM, in an account on this machine.

Usage: python -m conformance.publish [-k WORD] [--verbose]

The commands of the README build on each other: -k README tries all of them.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

from conformance.publish.account import REGION, Account, copy_sources
from conformance.publish.cases import ROOT
from conformance.publish.laboratory import SUITE, Laboratory
from conformance.sandbox import machine
from conformance.sandbox.machine import Machine
from conformance.suite import forget_settings


def main() -> int:
    options = SUITE.parser(__doc__).parse_args()
    SUITE.choose(options)
    forget_settings("AWS_", "SAM_")
    os.environ.update(MOTO_IAM_LOAD_MANAGED_POLICIES="true", AWS_DEFAULT_REGION=REGION)
    for logger in ("werkzeug", "moto"):  # of each request, of URLs in stacks, which moto does not know
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="moto")
    no_sandbox = machine.unavailable()
    with tempfile.TemporaryDirectory(prefix="publish-") as name:
        folder = Path(name)
        sandbox = None if no_sandbox else Machine(folder / "machine")
        (folder / "functions").mkdir()
        source = copy_sources(ROOT, folder / "source")
        with Account(folder / "functions", sandbox) as account:
            return SUITE.run(Laboratory(source, account, no_sandbox), options)


if __name__ == "__main__":
    sys.exit(main())

"""The fixtures of the suite: both emulators, running our runtime or the one that ``--runtime`` names.

AWS's emulator is known to differ from Lambda; see deviations.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conformance.emulators.harness import Harness
from conformance.emulators.runner import Runtime
from conformance.servers import ROOT, require_aws_emulator, write_task_root
from conformance.suite import forget_settings

# AWS's runtime takes the handler as an argument; this file replaces bootstrap.
AWS_BOOTSTRAP = """#!{python}
import os, sys
sys.path.insert(0, os.getcwd())
from awslambdaric.__main__ import main
main(["awslambdaric", os.environ["_HANDLER"]])
"""


@pytest.fixture(scope="session")
def harness(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    require_aws_emulator()
    # This machine's profiles and endpoints must not have any effect.
    forget_settings("AWS_")
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    folder = tmp_path_factory.mktemp("emulators")
    runtime = choose_runtime(pytestconfig.getoption("--runtime"), folder)
    return Harness(runtime, write_task_root(folder / "task"))


def choose_runtime(name: str, folder: Path) -> Runtime:
    if name == "bootstrap":
        return Runtime(ROOT / "bootstrap", is_aws=False)
    if name != "awslambdaric":
        if not os.access(name, os.X_OK):
            raise pytest.UsageError(f"--runtime: {name} is not an executable file")
        return Runtime(Path(name).resolve(), is_aws=False)
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(AWS_BOOTSTRAP.format(python=sys.executable))
    bootstrap.chmod(0o755)
    return Runtime(bootstrap, is_aws=True)

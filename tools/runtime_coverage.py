"""Measure the branch coverage of runtime/ by its tests: ``python tools/runtime_coverage.py [PATTERN …]``.

It needs .environments/coverage, in whose processes it measures with `coverage_start`. Without patterns, it
runs all of tests/runtime. A few tests of what the runtime imports fail, because coverage has imported it
before. Returns 0 if there is a figure: `make test` is what has to pass.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
SOURCE = ROOT / "runtime" / "lambda_runtime"
DATA = Path(sys.prefix) / "data"
PACKAGES = Path(sysconfig.get_path("purelib"))
HOOK = PACKAGES / "coverage_start.pth"  # `site` executes it at the start of each process


def main() -> int:
    """Run the tests, print the figures of each file and the lines and branches that no test takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pattern", nargs="*")
    patterns = parser.parse_args().pattern
    import coverage  # type: ignore[import-not-found,unused-ignore]

    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    shutil.copy(TOOLS / "coverage_start.py", PACKAGES)
    HOOK.write_text("import coverage_start\n")
    try:
        words = [sys.executable, "-m", "tests", *(patterns or ["tests.runtime."])]
        subprocess.run(words, cwd=ROOT, check=False)
    finally:
        HOOK.unlink()
    measured = coverage.Coverage(
        data_file=str(DATA / "coverage"), config_file=False, branch=True, source=[str(SOURCE)]
    )
    measured.set_option("report:exclude_also", ["if TYPE_CHECKING:"])
    measured.combine([str(DATA)])
    measured.report(show_missing=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

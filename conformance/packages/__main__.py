"""Builds the package, installs it, builds and runs the images of the recipes, and prints what was observed.

Usage: python -m conformance.packages [-k WORD] [--base debian=IMAGE|FOLDER]… [--verbose]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from conformance.explore.engine import Engine, EngineError
from conformance.packages import building, images
from conformance.packages.laboratory import ROOT, SUITE, Laboratory

__all__ = ["building", "images"]  # imported for the cases in them
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".environments", ".pythons", ".venv", "layers", "__pycache__", ".*_cache"
)


def main() -> int:
    parser = SUITE.parser(__doc__)
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        type=lambda text: tuple(text.split("=", 1)),
        metavar="RECIPE=IMAGE|FOLDER",
        help="the base of a recipe: an image to pull, or a folder with a root file system",
    )
    options = parser.parse_args()
    SUITE.choose(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packages-")))
        shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
        engine, no_engine = None, ""
        try:
            engine = stack.enter_context(Engine())
        except EngineError as error:
            no_engine = f"no container engine: {error}"
        laboratory = Laboratory(folder, folder / "source", engine, no_engine, dict(options.base))
        return SUITE.run(laboratory, options)


if __name__ == "__main__":
    sys.exit(main())

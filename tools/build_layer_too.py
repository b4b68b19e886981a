"""Builds layers/lambda.zip whenever hatchling builds a source distribution, as `python -m build` does first.

Not with a wheel, because `pip install .` builds one, and has no business in the source folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import (  # type: ignore[import-not-found,unused-ignore]
    BuildHookInterface,
)


class LayerHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """What hatchling calls, being named in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the layer before the archive; a failure ends the build."""
        subprocess.run([sys.executable, str(Path("tools", "layer.py"))], cwd=self.root, check=True)

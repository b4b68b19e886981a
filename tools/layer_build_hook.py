"""Build layers/lambda.zip whenever hatchling builds a source distribution, as `python -m build` does first.

A wheel does not trigger it: `pip install .` builds one, and should not write into the source folder.
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
    """The build hook that pyproject.toml names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the layer before the source distribution; if it fails, the build fails."""
        subprocess.run([sys.executable, str(Path("tools", "layer.py"))], cwd=self.root, check=True)

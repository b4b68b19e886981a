"""Checks the runtime and the emulator against AWS's own parts: its emulator, its command line, its SDK."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "emulator"))

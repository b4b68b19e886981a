"""Check the runtime and the emulator against AWS's own programs, web frameworks and vendors' tools."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "emulator"))

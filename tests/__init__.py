"""The tests: one file for each kind of behaviour, in the words of `support`.

python3 -m tests                       all of them, some files at a time
python3 -m tests init_errors           a file
python3 -m tests '*trace_header*'      tests with this in their names
python3 -m unittest discover -s tests -t .
"""

import signal
import sys
from pathlib import Path

# Where `bootstrap` and `make run` find the packages; the tables of the pure modules import them directly.
ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "runtime"), str(ROOT / "emulator")]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and their processes inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""The tests: one file for each kind of behaviour, in the words of `support`.

python3 -m tests                       all of them, two files at a time
python3 -m tests init_errors           a file
python3 -m tests '*trace_header*'      whatever has that in its name
python3 -m unittest discover -s tests -t .
"""

import sys
from pathlib import Path

# Where `bootstrap` puts it too; the tables of the pure modules import them directly.
sys.path.append(str(Path(__file__).resolve().parent.parent / "runtime"))

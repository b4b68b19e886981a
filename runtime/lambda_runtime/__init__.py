"""A custom AWS Lambda runtime for Python that needs only the standard library.

`main` follows an invocation from start to end. Each of the other modules does one step of it.
"""

import sys

if sys.version_info >= (3, 15):
    # The runtime imports its own modules at once; `search_path` allows the function lazy imports.
    earlier_filter = sys.get_lazy_imports_filter()
    sys.set_lazy_imports_filter(lambda importing, imported, names: False)

__version__ = "1.0.0"

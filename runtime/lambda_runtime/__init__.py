"""A custom AWS Lambda runtime for Python that needs only the standard library.

`main` follows an invocation from start to end. Each of the other modules does one step of it.
"""

__version__ = "1.0.0"

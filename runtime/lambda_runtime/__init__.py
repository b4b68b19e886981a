"""A custom AWS Lambda runtime for Python that needs nothing but the standard library.

The story of one invocation is in `main`; the other modules each do one thing that it mentions.
"""

__version__ = "1.0.0"

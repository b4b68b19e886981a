"""Print the accepted differences from AWS's runtime as a Markdown table, for the documentation."""

from __future__ import annotations

from .accepted import as_markdown

print(as_markdown())

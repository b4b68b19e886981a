"""Read what ``python -X importtime`` prints as a tree.

    import time: self [us] | cumulative | imported package
    import time:       166 |        166 |       _json
    import time:       447 |        612 |     json.scanner

A module comes after the modules that it imports, which are indented by two more spaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The function may have printed something before it, without a line break.
_LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)")


@dataclass
class Import:
    """A module, and those that it was the first to import; microseconds."""

    name: str
    self_us: int
    cumulative_us: int
    children: list[Import] = field(default_factory=list)

    def walk(self) -> Iterator[Import]:
        """Yield this module and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "self_us": self.self_us,
            "cumulative_us": self.cumulative_us,
            "children": [child.as_json() for child in self.children],
        }


def read_imports(text: str) -> list[Import]:
    """Return the modules that no other module imported, in their order."""
    waiting: dict[int, list[Import]] = {}  # by depth: modules whose importer is not known yet
    for own, cumulative, indent, name in _LINE.findall(text):
        depth = len(indent) // 2
        module = Import(name, int(own), int(cumulative), waiting.pop(depth + 1, []))
        waiting.setdefault(depth, []).append(module)
    return waiting.get(0, [])


def prune(imports: list[Import], least_us: float) -> list[Import]:
    """Return the tree without modules that took less, the most expensive ones first."""
    kept = [one for one in imports if one.cumulative_us >= least_us]
    kept.sort(key=lambda one: -one.cumulative_us)
    return [Import(one.name, one.self_us, one.cumulative_us, prune(one.children, least_us)) for one in kept]

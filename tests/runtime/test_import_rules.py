"""The import rules of the runtime: which module may import which."""

from __future__ import annotations

import ast
import unittest
from pathlib import Path

from tests.support import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "runtime" / "lambda_runtime"


def module_name(path: Path) -> str:
    """``lifecycle.shutdown`` for lifecycle/shutdown.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a module imports while it runs, such as ``web.lifespan``."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body.clear()  # what only type checkers import
    own = module_name(path).split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*own[: len(own) - node.level], *(node.module or "").split(".")]
            start = ".".join(part for part in base if part)
            for alias in node.names:
                name = ".".join(part for part in (start, alias.name) if part)
                is_module = (PACKAGE / name.replace(".", "/")).with_suffix(".py").exists()
                yield name if is_module else start


class ImportRules(unittest.TestCase):
    IMPORTS = {module_name(path): set(imports(path)) for path in sorted(PACKAGE.rglob("*.py"))}

    def importers_of(self, package: str) -> set[str]:
        return {
            module
            for module, imported in self.IMPORTS.items()
            if not module.startswith(package) and any(name.startswith(package) for name in imported)
        }

    def test_only_main_imports_lifecycle(self) -> None:
        self.assertEqual(self.importers_of("lifecycle."), {"main"})

    def test_only_asgi_and_wsgi_import_web(self) -> None:
        self.assertEqual(self.importers_of("web."), {"asgi", "wsgi"})

    def test_imports_point_in_one_direction(self) -> None:
        def walk(module: str, path: tuple[str, ...]) -> None:
            self.assertNotIn(module, path, "circular import")
            for name in self.IMPORTS.get(module, ()):
                walk(name, (*path, module))

        for module in self.IMPORTS:
            walk(module, ())


if __name__ == "__main__":
    unittest.main()

"""Write the tables and charts of docs/performance.md from benchmarks/results: python -m benchmarks.report"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.report import charts, tables
from benchmarks.report.results import RESULTS, main_result, read_all

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = DOCS / "performance.md"
# What is between these lines is written by this program.
BLOCK = re.compile(r"(<!-- results: ([a-z]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def main() -> int:
    results = read_all()
    if not results:
        sys.exit(
            f"{RESULTS} has no results. Use `make benchmark-all`, or `make benchmark OPTIONS='--json FILE'`."
        )
    main_one = main_result(results)
    contents = {
        "conditions": tables.conditions(results),
        "aims": tables.aims(results),
        "hello": tables.hello(main_one),
        "functions": tables.functions(main_one),
        "fastapi": tables.fastapi(main_one),
        "large": tables.large(main_one),
        "others": tables.others(main_one),
        "python": f"The following figures are from CPython {main_one.minor}.\n",
    }
    page = PAGE.read_text(encoding="utf-8")
    page = BLOCK.sub(lambda block: f"{block[1]}{contents[block[2]]}{block[3]}", page)
    PAGE.write_text(page, encoding="utf-8")
    charts.draw_all(results, main_one, DOCS / "charts")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Arrange `sys.path` as on AWS's runtime.

the task root; /opt/python/lib/pythonX.Y/site-packages; /opt/python; what their .pth files name;
PYTHONPATH and the standard library as the interpreter found them; this runtime, last.
"""

from __future__ import annotations

import os
import sys

from . import stdlib_import

LAYERS = "/opt/python"


def arrange(task_root: str) -> None:
    """Put the function's folders first and the runtime's folder last."""
    if sys.version_info >= (3, 15):
        stdlib_import.filter_lazy_imports()
    task_root = task_root.rstrip("/") or "/"
    runtime, *rest = sys.path  # where `bootstrap` has put it
    rest = [entry for entry in rest if entry not in ("", task_root)]
    layers = [
        f"{LAYERS}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",
        LAYERS,
    ]
    sys.path[:] = [task_root, *rest]
    before = len(sys.path)
    for folder in layers:
        if os.path.isdir(folder):
            _add_site_folder(folder)
    added = sys.path[before:]
    sys.path[:] = [task_root, *added, *rest]
    if runtime not in sys.path:  # pip may have installed it into the task root or a layer's folder
        sys.path.append(runtime)
    layered = [entry for entry in rest if entry.startswith(LAYERS)]
    stdlib_import.function_folders = [task_root, *added, *layered]
    stdlib_import.standard_folders = [entry for entry in rest if entry not in layered]


def _add_site_folder(folder: str) -> None:
    import site  # loaded already, unless the interpreter was started with -S

    try:
        site.addsitedir(folder)
    except UnicodeDecodeError:
        # Python does not name the .pth file that is not UTF-8, and has not read those that follow it. Since
        # 3.15 it has not added the folder either.
        if folder not in sys.path:
            sys.path.append(folder)
        for name in sorted(name for name in os.listdir(folder) if name.endswith(".pth")):
            try:
                site.addpackage(folder, name, None)  # reading a file twice does no harm
            except UnicodeDecodeError:
                remedy = "Delete it" if name.startswith(".") else "Save it as UTF-8"
                sys.stderr.write(f"LAMBDA_RUNTIME {folder}/{name} is ignored: it is not UTF-8. {remedy}.\n")

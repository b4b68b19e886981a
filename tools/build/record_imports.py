"""Run a function's init phase, and write which modules it imports from one folder to a file, as JSON.

    python3.13 -B record_imports.py HANDLER RUNTIME TASK_ROOT LAYERS ROOT OUTPUT

The interpreter is the one that Lambda will run, so this uses nothing of the tools. RUNTIME is the folder that
contains lambda_runtime; LAYERS is a folder in place of /opt/python; ROOT, one of the two, is the one folder.
"""

import importlib.util
import json
import os
import sys
from importlib.machinery import SourceFileLoader

if __name__ == "__main__":
    name, runtime, task_root, layers, root, output = sys.argv[1:]
    sys.argv[1:] = []
    sys.path[0] = runtime
    from lambda_runtime import diagnostics, handler, search_path

    search_path.LAYERS = layers
    search_path.arrange(task_root)
    try:
        handler.load(name)
    except BaseException as error:  # what the runtime reports as an init error
        found = diagnostics.describe(error)
        place = [line for entry in found.stack_trace[-1:] for line in entry.splitlines()]
        print(f"{found.error_type}: {found.message}", *place, *found.notes, sep="\n", flush=True)
        os._exit(1)

    modules = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or spec.name != name or type(spec.loader) is not SourceFileLoader:
            continue  # without a file, or another name of a module
        is_package = spec.submodule_search_locations is not None
        folder = os.path.dirname(os.path.dirname(spec.origin) if is_package else spec.origin)
        if folder == root or folder.startswith(f"{root}/"):
            modules.append([name, folder[len(root) + 1 :], is_package])
    recorded = {
        "magic": list(importlib.util.MAGIC_NUMBER),
        "cache_tag": sys.implementation.cache_tag,
        "modules": modules,
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(recorded, file)
    sys.stdout.flush()
    os._exit(0)  # do not wait for the function's threads

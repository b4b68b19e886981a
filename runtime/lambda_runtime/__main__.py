#!/usr/bin/env python3
"""Run the function with the package that contains this file, which is also its `bootstrap`.

A container image may start it with ENTRYPOINT ["python3", "-P", "-m", "lambda_runtime"] and CMD
["hello.handler"]. -P (Python 3.11 and newer) keeps Python from importing files of the function instead of
standard modules of the same name while it starts. Lambda and wrappers (AWS_LAMBDA_EXEC_WRAPPER) execute it by
its path.
"""

import os
import sys

if __name__ == "__main__":  # child processes of multiprocessing also import this file
    # A link elsewhere may lead here, for example /var/task/bootstrap.
    path = os.path.realpath(__file__) if os.path.islink(__file__) else os.path.abspath(__file__)
    folder = os.path.dirname(os.path.dirname(path))
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]  # the current folder for -m, this one for a path
    sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
    __import__("lambda_runtime")  # this copy, and now: an import statement may be lazy

    # This folder may contain modules with the names of standard ones. Our own imports do not need it.
    del sys.path[0]
    # As `bootstrap`, because tools made for AWS's runtime look for `__main__.bootstrap`.
    from lambda_runtime import main as bootstrap

    run = bootstrap.main
    sys.path.insert(0, folder)  # where `search_path` expects the runtime's folder
    sys.exit(run(sys.argv[1:]))

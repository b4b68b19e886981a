"""Run the function: the entry point of a container image in which this package is installed.

    ENTRYPOINT ["python3", "-P", "-m", "lambda_runtime"]
    CMD ["hello.handler"]

-P (Python 3.11 and newer) keeps Python from importing files of the function instead of standard modules of
the same name while it starts. A wrapper (AWS_LAMBDA_EXEC_WRAPPER) executes this file by its path.
"""

import os
import sys

if __name__ == "__main__":  # child processes of multiprocessing also import this file
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]  # the current folder for -m, this one for a path
    # Last during our own imports, because site-packages may contain modules with the names of standard ones.
    sys.path[:] = [*(path for path in sys.path if path != folder), folder]

    # As `bootstrap`, because tools made for AWS's runtime look for `__main__.bootstrap`.
    from lambda_runtime import main as bootstrap

    sys.path.insert(0, sys.path.pop())  # where `search_path` expects the runtime's folder
    sys.exit(bootstrap.main(sys.argv[1:]))

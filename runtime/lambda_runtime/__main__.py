"""Run the function: what a container image executes where this package is installed.

    ENTRYPOINT ["python3", "-P", "-m", "lambda_runtime"]
    CMD ["hello.handler"]

-P, which Python has since 3.11, keeps Python's own start from files of the function that are called like
standard modules. A wrapper (AWS_LAMBDA_EXEC_WRAPPER) executes this file by its path.
"""

import os
import sys

if __name__ == "__main__":  # processes that multiprocessing starts import this file, too
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]  # the current folder for -m, this one for a path
    # Last for our own imports, because site-packages may hold what the standard library holds.
    sys.path[:] = [*(path for path in sys.path if path != folder), folder]

    # As `bootstrap`, because tools made for AWS's runtime look for `__main__.bootstrap`.
    from lambda_runtime import main as bootstrap

    sys.path.insert(0, sys.path.pop())  # where `search_path` expects the runtime's folder
    sys.exit(bootstrap.main(sys.argv[1:]))

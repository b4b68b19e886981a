"""Start AWS's runtime like the managed one: by a script, with the handler in `_HANDLER`."""

from __future__ import annotations

import os
import sys

import awslambdaric.__main__ as awslambdaricmain  # type: ignore[import-not-found,import-untyped,unused-ignore]

if __name__ == "__main__":
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    awslambdaricmain.main([__file__, os.environ["_HANDLER"]])

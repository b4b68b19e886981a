"""SnapStart: call the hooks before the snapshot and after each restore.

The sequence is that of the developer guide, snapstart-runtime-hooks-custom: hooks, GET /restore/next, which
returns in each copy of the environment, hooks again.
"""

from __future__ import annotations

import sys

from .. import diagnostics
from ..process_exit import in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..logs import FunctionLog
    from ..runtime_api import LambdaRuntimeClient

BEFORE_SNAPSHOT_STATUS = 64  # exit statuses of AWS's runtime
AFTER_RESTORE_STATUS = 65


def wait_for_restore(client: LambdaRuntimeClient, log: FunctionLog) -> int:
    """Run the hooks around the snapshot. Reports errors and returns an exit status, 0 for success."""
    try:
        before_snapshot()
        client.restore_next()
    except BaseException as error:
        if in_child():
            raise
        diagnostic = diagnostics.describe(error)
        log.write_error(diagnostic)
        client.post_init_error(diagnostic, "Runtime.BeforeSnapshotError")
        return BEFORE_SNAPSHOT_STATUS
    try:
        after_restore()
    except BaseException as error:
        if in_child():
            raise
        diagnostic = diagnostics.describe(error)
        log.write_error(diagnostic)
        client.post_restore_error(diagnostic, "Runtime.AfterRestoreError")
        return AFTER_RESTORE_STATUS
    return 0


def before_snapshot() -> None:
    """Call the hooks that the function registered for the time before a snapshot, the last one first."""
    hooks = _registered("get_before_snapshot")
    while hooks:
        _call(hooks.pop())


def after_restore() -> None:
    """Give this copy its own random numbers, and call the hooks for the time after a restore."""
    random = sys.modules.get("random")
    seed = getattr(random, "seed", None)
    if seed is not None:
        seed()
    for hook in _registered("get_after_restore"):
        _call(hook)


def _registered(getter: str) -> list[Any]:
    """The hooks that the function registered, if it imported the registry."""
    registry = sys.modules.get("snapshot_restore_py")
    hooks: list[Any] = getattr(registry, getter)() if registry is not None else []
    return hooks


def _call(hook: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> None:
    function, arguments, keywords = hook
    result = function(*arguments, **keywords)
    if hasattr(result.__class__, "__await__"):
        from .. import event_loop

        event_loop.wait_for(result)

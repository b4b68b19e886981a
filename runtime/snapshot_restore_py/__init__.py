"""Register SnapStart hooks, with the interface of AWS's package of the same name.

`register_before_snapshot` and `register_after_restore` can be used as decorators. This folder is the last on
`sys.path`, so a copy of AWS's package in the function takes precedence.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[..., object])
    Registration = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]

_before_snapshot: list[Registration] = []
_after_restore: list[Registration] = []


def register_before_snapshot(func: Hook, *args: Any, **kwargs: Any) -> Hook:
    """Call ``func(*args, **kwargs)`` before the snapshot, last registered first. Returns ``func``."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func: Hook, *args: Any, **kwargs: Any) -> Hook:
    """Call ``func(*args, **kwargs)`` after each restore, in order of registration. Returns ``func``."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot() -> list[Registration]:
    """Return the calls to make before the snapshot, in order of registration."""
    return _before_snapshot


def get_after_restore() -> list[Registration]:
    """Return the calls to make after a restore, in order of registration."""
    return _after_restore

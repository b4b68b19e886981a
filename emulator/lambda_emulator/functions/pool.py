"""Own a function's environments: start them, hand out their slots, recycle them.

An environment in service takes new invocations. It leaves the service when its process has ended, when a
source file has changed, when it was idle for long, or when its client has left and its place is needed; it is
closed as soon as it has no invocation any more.
"""

from __future__ import annotations

import math
import threading
import time

from lambda_emulator.functions.credentials import CredentialsUnavailable
from lambda_emulator.functions.environment import Environment
from lambda_emulator.functions.source_watcher import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Optional

    from lambda_emulator.deployment.deployment import Deployment
    from lambda_emulator.functions.configuration import Configuration
    from lambda_emulator.functions.credentials import CredentialSource
    from lambda_emulator.functions.invocation import Invocation
    from lambda_emulator.functions.log import LogStream
    from lambda_emulator.functions.source_watcher import SourceWatcher

    Start = Callable[[Optional[LogStream]], Environment]

# How long an event waits for an environment that has responded and only finishes its work. Otherwise a client
# that sends one request after the other would need two environments, or get 429 at the limit.
PATIENCE_S = 0.1
PATIENCE_AT_LIMIT_S = 3.0

# Clients of server-sent events leave before the end of a stream, when they have what they need. Some send the
# next request first, so at the limit it waits for them to leave.
LEAVING_INTERVAL_S = 0.01

# How often to look whether the client of a waiting event has left.
CLIENT_INTERVAL_S = 1.0


class Throttled(Exception):
    """All slots are busy, so the event is rejected; ``reason`` is Lambda's name for the limit."""

    def __init__(self, configuration: Configuration, *, client_has_left: bool = False) -> None:
        if client_has_left:
            self.reason, text = "ClientHasLeft", "the client left while its event waited for the debugger"
        elif configuration.managed:
            self.reason = "ConcurrentInvocationLimitExceeded"
            text = f"no slot of {configuration.managed} is free; --managed sets their number"
        else:
            self.reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            count = configuration.concurrency
            busy = "the only environment is" if count == 1 else f"all {count} environments are"
            text = f"{busy} busy; --concurrency sets the limit"
        super().__init__(text)


class Stopped(Exception):
    """The pool has been closed."""


class Pool:
    """The environments of one function: at most ``concurrency`` in service, on managed instances one."""

    def __init__(
        self,
        configuration: Configuration,
        start: Start,
        warn: Callable[[str], None],
        watcher: SourceWatcher | Deployment | None,
    ) -> None:
        """``start``: create an environment that continues a log stream, or opens one if it is None."""
        self.starts = 0
        self.newest: Environment | None = None
        self.exit_status: int | None = None  # that of the last process that has been ended
        self._configuration = configuration
        self._limit = 1 if configuration.managed else configuration.concurrency
        self._idle_s = math.inf if configuration.managed else configuration.idle_s
        self._start = start
        self._warn = warn
        self._watcher = watcher
        self._warned_of = ""  # the last problem with credentials
        self._known: list[Environment] = []  # not yet closed, oldest first
        self._in_service: list[Environment] = []
        self._left: list[Environment] = []  # taken out of service because their clients have left
        self._changed = threading.Condition()
        # Held from the look for a change until the old environments are out of service: an event that looks
        # between the two would get an old one. Never taken while holding the lock above.
        self._retiring = threading.Lock()
        self._closing = threading.Event()
        self._recycler = threading.Thread(target=self._recycle, name="recycler", daemon=True)

    def open(self) -> Environment:
        """Start the first environment."""
        with self._changed:
            environment = self._add()
        self._recycler.start()
        return environment

    def close(self) -> None:
        """End all environments. The invocations that run in them fail, and close them."""
        with self._changed:
            self._closing.set()
            self._in_service.clear()
            known = list(self._known)
            self._changed.notify_all()
        _in_parallel([environment.end for environment in known])
        with self._changed:
            self._changed.wait_for(lambda: not any(environment.active for environment in known))
        for environment in known:
            self.dispose(environment)
        if self._recycler.is_alive():
            self._recycler.join()

    @property
    def environments(self) -> list[Environment]:
        return list(self._known)

    def acquire(self, invocation: Invocation, patience_s: float = 0.0) -> Environment:
        """Reserve a slot: of the idle environment that was used last, or of a new one.

        Raise Throttled if all are busy, after ``patience_s``, or OSError if the system cannot start another.
        `release` the slot in the end.
        """
        if self._configuration.debugging is not None:
            self._take_turn(invocation)
        if self._watcher is not None:
            self._retire_changed(self._watcher)
        if self._configuration.credentials is not None:
            self._retire_expired(self._configuration.credentials)
        surplus: list[Environment] = []
        with self._changed:
            if self._configuration.debugging is not None:
                self._take_turn(invocation)  # again, because another event may have come first
            self._wait_for_leaving()
            full = self._is_full()
            self._changed.wait_for(
                lambda: self._closing.is_set() or self._free() is not None or not self._is_ending(),
                PATIENCE_AT_LIMIT_S if full else PATIENCE_S,
            )
            self._changed.wait_for(
                lambda: self._closing.is_set() or self._free() is not None or self._unwanted() is None,
                PATIENCE_S,
            )
            if full and patience_s:
                self._changed.wait_for(
                    lambda: (
                        self._closing.is_set()
                        or invocation.unwanted
                        or self._free() is not None
                        or not self._is_full()
                    ),
                    patience_s,
                )
            if self._closing.is_set():
                raise Stopped
            environment = self._free()
            full = self._is_full()
            unwanted = self._unwanted() if environment is None and full else None
            if environment is None and (unwanted is not None or not full):
                environment = self._add()  # may raise OSError; then nothing has changed
                if unwanted is not None:
                    surplus = self._make_room(unwanted)
            if environment is not None:
                environment.active.append(invocation)
        _in_parallel([oldest.end for oldest in surplus])
        if environment is None:
            raise Throttled(self._configuration)
        return environment

    def _take_turn(self, invocation: Invocation) -> None:
        """Wait until no event is handled: two processes cannot be debugged in one terminal.

        So an event also waits for the end of an old environment after a change of the source.
        """
        with self._changed:
            while not self._closing.is_set() and not invocation.unwanted:
                if not any(environment.active for environment in self._known):
                    return
                self._changed.wait(CLIENT_INTERVAL_S)
        if not self._closing.is_set():
            raise Throttled(self._configuration, client_has_left=True)

    def replace(self, environment: Environment, invocation: Invocation) -> Environment:
        """Move an invocation to a new environment, which continues the log of the old one."""
        self.discard(environment)
        with self._changed:
            successor = self._add(environment.log)  # may raise OSError; the old one then keeps the invocation
            environment.active.remove(invocation)
            self._known.remove(environment)
            successor.active.append(invocation)
            if self._closing.is_set():  # close() does not know it
                successor.end()
        return successor

    def discard(self, environment: Environment) -> None:
        """Take an environment out of service and end its process."""
        with self._changed:
            if environment in self._in_service:
                self._in_service.remove(environment)
        self._stop(environment)

    def environment_of(self, invocation: Invocation) -> Environment:
        with self._changed:
            return next(one for one in self._known if invocation in one.active)

    def release(self, invocation: Invocation) -> Environment | None:
        """Free the slot; return its environment if it is out of service, so must be disposed of."""
        environment = self.environment_of(invocation)
        with self._changed:
            environment.active.remove(invocation)
            environment.last_used = time.monotonic()
            if environment in self._left:
                self._left.remove(environment)
            self._changed.notify_all()
            return None if environment in self._in_service or environment.active else environment

    def dispose(self, environment: Environment) -> None:
        """End an environment without invocations for good; nothing happens the second time."""
        self._stop(environment)
        with self._changed:
            if environment not in self._known:
                return
            self._known.remove(environment)
        environment.log.close()

    def _stop(self, environment: Environment) -> None:
        environment.stop()
        self.exit_status = environment.exit_status

    def notify_room(self) -> None:
        """Let events that wait for a slot look again."""
        with self._changed:
            self._changed.notify_all()

    def succeed(self, environment: Environment) -> None:
        """After the process of a managed instance has ended by itself, start another.

        One that ended before it was used is left to fail the next event: its successor would end as well.
        """
        with self._changed:
            useful = environment.used or environment.active
            if not self._configuration.managed or not useful or environment not in self._in_service:
                return
            self._in_service.remove(environment)
            successor = self._add()
            idle = not environment.active

        def initialize() -> None:
            if idle:
                self.dispose(environment)
            successor.initialize(self._configuration.init_timeout_s)
            self.notify_room()

        threading.Thread(target=initialize, name="successor", daemon=True).start()

    # The following are called with the lock held.

    def _add(self, log: LogStream | None = None) -> Environment:
        environment = self._start(log)
        self.starts += 1
        environment.number = self.starts
        self.newest = environment
        self._known.append(environment)
        self._in_service.append(environment)
        return environment

    def _is_full(self) -> bool:
        return len(self._in_service) >= self._limit

    def _free(self) -> Environment | None:
        """Return an environment with a free slot, the one that was used last."""
        free = [environment for environment in self._in_service if environment.has_room]
        return max(free, key=lambda environment: environment.last_used, default=None)

    def _is_ending(self) -> bool:
        """Return whether a slot will soon be free."""
        return any(environment.has_room_soon for environment in self._in_service)

    def _wait_for_leaving(self) -> None:
        """At the limit, wait until the client of a stream leaves or has its response.

        Nothing announces that a client leaves, so look for it again and again.
        """
        deadline = time.monotonic() + PATIENCE_AT_LIMIT_S
        while (
            self._is_full()
            and not self._closing.is_set()
            and not self._is_ending()
            and self._unwanted() is None
            and any(one.is_streaming for environment in self._in_service for one in environment.active)
            and time.monotonic() < deadline
        ):
            self._changed.wait(LEAVING_INTERVAL_S)

    def _make_room(self, invocation: Invocation) -> list[Environment]:
        """Take the environment of an unwanted invocation out of service; return those that must end for it.

        On Lambda too, the function continues without its client. Here it does not count any more, but not
        more environments continue than may be in service.
        """
        environment = next(one for one in self._in_service if invocation in one.active)
        self._in_service.remove(environment)
        self._left.append(environment)
        self._warn(
            f"The client of RequestId {invocation.request_id} has left. The function continues, as on Lambda;"
            " the next event gets a new environment."
        )
        surplus = self._left[: -self._limit]
        del self._left[: -self._limit]
        return surplus

    def _unwanted(self) -> Invocation | None:
        """Return an invocation whose client has left."""
        keep = self._configuration.managed or self._configuration.debugging is not None
        environments = [] if keep else self._in_service
        return next((one for environment in environments for one in environment.active if one.unwanted), None)

    # Recycling.

    def _retire_changed(self, watcher: SourceWatcher | Deployment) -> None:
        """After a change of the source, let only new environments handle new events."""
        with self._retiring:
            changed = watcher.changed()
            retired = self._take_out(lambda _: True) if changed else []
        if changed:
            self._dispose_idle(retired)
            self._warn(f"{listed(changed)} changed; reloading")

    def _retire_expired(self, source: CredentialSource) -> None:
        """Before credentials expire, let only environments with newer ones handle new events."""
        with self._retiring:
            try:
                keys = source.keys()
                warning = source.warning
            except CredentialsUnavailable:
                keys, warning = None, ""  # a new environment reports the reason to the caller
            if warning and warning != self._warned_of:
                self._warn(warning)
            self._warned_of = warning
            retired = self._take_out(lambda environment: environment.keys != keys)
        self._dispose_idle(retired)
        if retired and keys is not None:
            self._warn("The AWS credentials expire. A new environment starts with new ones.")

    def _take_out(self, applies: Callable[[Environment], bool]) -> list[Environment]:
        """Take environments out of service, and return them."""
        with self._changed:
            retired = [environment for environment in self._in_service if applies(environment)]
            self._in_service = [environment for environment in self._in_service if environment not in retired]
        return retired

    def _dispose_idle(self, retired: list[Environment]) -> None:
        """End those without invocations; the others end with their last one."""
        with self._changed:
            idle = [environment for environment in retired if not environment.active]
        self._dispose_all(idle)

    def _recycle(self) -> None:
        """End environments that were idle for long."""
        while True:
            with self._changed:
                now = time.monotonic()
                idle = [environment for environment in self._in_service if environment.is_idle]
                expired = [one for one in idle if one.last_used + self._idle_s <= now]
                self._in_service = [one for one in self._in_service if one not in expired]
                waiting = [one.last_used + self._idle_s - now for one in idle if one not in expired]
            if expired:
                self._dispose_all(expired)
                self._warn(_recycled(len(expired), self._idle_s))
            if self._closing.wait(min([self._idle_s, *waiting, threading.TIMEOUT_MAX])):
                return

    def _dispose_all(self, environments: Iterable[Environment]) -> None:
        _in_parallel([lambda one=one: self.dispose(one) for one in environments])  # type: ignore[misc]


def _recycled(count: int, idle_s: float) -> str:
    what = "An environment was" if count == 1 else f"{count} environments were"
    return f"{what} idle for {idle_s:g} seconds and ended, as on Lambda."


def _in_parallel(calls: list[Callable[[], None]]) -> None:
    """Make several calls that may wait, and wait for all."""
    if len(calls) == 1:
        calls[0]()
        return
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

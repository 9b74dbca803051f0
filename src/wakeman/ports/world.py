"""One of each port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from wakeman.core.model import Deployment, Host, Plan, WakeTarget
    from wakeman.ports.backend import NodeTrial
    from wakeman.ports.client import ClientVersion, DialogReader, Harness, Pressing
    from wakeman.ports.clock import Clock
    from wakeman.ports.confiner import Confiner
    from wakeman.ports.executor import Executor
    from wakeman.ports.files import Files
    from wakeman.ports.log_store import Logs
    from wakeman.ports.machine import Machine
    from wakeman.ports.parser import Parser
    from wakeman.ports.profiles import FoundProfiles
    from wakeman.ports.registry import Registry
    from wakeman.ports.repository import Git
    from wakeman.ports.terminal import Terminal
    from wakeman.ports.timer import Timer
    from wakeman.ports.watcher import Watcher


class Delivery(Struct, frozen=True):
    """What came of telling one receiver. `why` it was not reached, "" if it was; with `doubt` it may have been."""

    why: str = ""
    doubt: bool = False


class Heard(Struct, frozen=True):
    """What was said by the topic of answers. `why` it could not be read; `since` is the last message, where to go on;
    `key` is the secret of which the deployment's nonces are made.
    """

    messages: tuple[str, ...] = ()
    since: str = ""
    key: bytes = b""
    why: str = ""


class Common(Struct, frozen=True):
    """What the machines have in common on which a deployment is live, if it is so on several."""

    clock: Clock
    timer: Timer  # theirs, whose jobs any of them may run: also for delays in seconds
    try_node: Callable[[bool], NodeTrial]  # whether a job can run a check; and finds this registry, if that is asked


class World(Struct, frozen=True):
    """One of each. `executor` and `harness` are looked up by name (UnknownNameError lists those known)."""

    clock: Clock
    logs: Logs
    logs_in: Callable[[str], Logs]  # those of a state directory, which may be another
    registry: Registry  # which deployments are live here
    timer: Timer  # the machine's, which survives everything else
    stand_in: Timer  # for delays in seconds, and where the other cannot be used
    common: Callable[[Host], Common]  # of a host that is live anywhere
    files: Files
    machine: Machine
    executor: Callable[[Host], Executor]
    harness: Callable[[str], Harness]
    watcher: Callable[[], Watcher]  # loaded when it is asked for
    confiner: Callable[[], Confiner]  # loaded when it is asked for
    parser: Callable[[], Parser]  # as the watcher
    git: Callable[[], Git]  # as the watcher
    host: Callable[[Plan, str, str], Host]  # (plan, root, deployment directory) -> the absolute world
    agents: Callable[[Plan, str], FoundProfiles]  # the profiles for a plan in a directory
    clients: Callable[[Plan], tuple[ClientVersion, ...]]  # the versions of a plan's clients here
    wrapper: Callable[[], bytes]  # the script around each worker
    keeper: Callable[[], bytes]  # the script that keeps what an attempt prints within bounds
    hook: Callable[[], bytes]  # the script that stores what a client reports
    guard: Callable[[], bytes]  # the script that allows or denies its writes
    checker: Callable[[], bytes]  # the script of a check from outside
    deliver: Callable[[WakeTarget, str, Deployment], Delivery]  # notify a target
    hear: Callable[[WakeTarget, str, Deployment], Heard]  # (target, since when or which message, deployment)
    other: Callable[
        [str], tuple[Terminal, str]
    ]  # where a session that is no worker's is; UsageError if it is not there
    reaches: Callable[[WakeTarget, Host], str]  # "" if there is the session that a target names, or why not
    # (terminal, session, mark, text, submit, force) -> "" or why not
    type_text: Callable[[Terminal, str, str, str, bool, bool], str]
    # (terminal, session, mark, reader, what is pressed) -> "" once the question is gone, or why it is not
    press: Callable[[Terminal, str, str, DialogReader, Pressing], str]
    state: str  # absolute path of the state directory
    by: str  # who writes, with the process id: `up:4711`; up, at, exit, timer, hook, watch, hand, resume
    start_s: float = 0.0  # seconds from a timer's end to the look of the check that it starts

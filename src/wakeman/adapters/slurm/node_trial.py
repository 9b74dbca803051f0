"""Whether a check can run on a node: tried by a job there, and by who submits it, on one file.

The lock is held in turn: here, while the job tries to get it; then there, while it is tried here. Where both get it,
two checks could write the same log at once.

    python -m wakeman.adapters.slurm.node_trial DIRECTORY TOKEN       on the node
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.adapters.slurm.calls import SUBMIT_S, call_slurm, slurm_words
from wakeman.adapters.slurm.kept_files import put_whole
from wakeman.adapters.slurm.timer import OUTPUT, check_request
from wakeman.adapters.slurm.weak_points import ONE_TIME, SKEW_MAX_S
from wakeman.core.errors import ProgramError
from wakeman.core.text import sanitise

if TYPE_CHECKING:
    from wakeman.core.model import Host
    from wakeman.ports import NodeTrial

BEGIN_S = 180.0
"""Seconds in which the job is to begin: an alarm of that kind would wait as long."""
TURN_S = 30.0
"""Seconds in which each of the two is to see what the other has written."""
TRIAL_STEP_S = 0.1
TRIAL_FOLDER = "slurm/trial"
LOCK_FILE, HELD_HERE, HELD_THERE, DONE = "lock", "here", "there", "done"
LOCAL_LOCKS = (
    "ask the administrator to mount it so that flock holds between machines (NFS: without local_lock and nolock; "
    'Lustre: -o flock), or take slurm.alarm = "at"'
)


class NodeWords(Struct, frozen=True):
    """What the job found: its node, whether it was refused the lock and got it later, and what else it has."""

    node: str
    refused: bool
    registry: bool
    clock: float
    obtained: bool = False


def try_node(host: Host, token: str) -> NodeTrial:
    """Have a job try it; say what stands against checks on that node, and what mends it."""
    os.makedirs(f"{host.directory}/{TRIAL_FOLDER}", mode=0o700, exist_ok=True)
    try:
        return _tried_on_node(host, f"{host.directory}/{TRIAL_FOLDER}", token)
    finally:
        shutil.rmtree(f"{host.directory}/{TRIAL_FOLDER}", ignore_errors=True)


def _tried_on_node(host: Host, trial: str, token: str) -> NodeTrial:
    from wakeman.ports import NodeTrial

    place, env = host.place, _recorded_environment(host)
    began = time.monotonic()
    with _locked(f"{trial}/{LOCK_FILE}") as held:
        if not held:
            return NodeTrial(why=f"{host.directory}: a new file in it cannot be locked", mend=LOCAL_LOCKS)
        put_whole(f"{trial}/{HELD_HERE}", b"")
        number = _submit(host, trial, token, env)
        try:
            first = _await_words(f"{trial}/{HELD_THERE}", BEGIN_S, lambda: _is_queued(place, env, number))
            waited = time.monotonic() - began
            if first is None:
                return _silent(host, env, number, waited)
            why, mend = _node_faults(host, first, time.time())
            if why:
                _cancel(place, env, number)
                return NodeTrial(first.node, waited, why, mend)
        except BaseException:  # Ctrl-C too: otherwise the job would be left in the queue
            _cancel(place, env, number)
            raise
    try:
        os.unlink(f"{trial}/{HELD_HERE}")  # its turn
        second = _await_words(f"{trial}/{HELD_THERE}", TURN_S, lambda: False, obtained=True)
        if second is None:
            return NodeTrial(
                first.node, waited, f"node {first.node} did not get the lock that was released", LOCAL_LOCKS
            )
        with _locked(f"{trial}/{LOCK_FILE}") as both:
            why = f"node {first.node} and this machine hold the same lock at once: its lock does not hold between them"
            return NodeTrial(first.node, waited, why, LOCAL_LOCKS) if both else NodeTrial(first.node, waited)
    finally:
        put_whole(f"{trial}/{DONE}", b"")
        _cancel(place, env, number)


def _submit(host: Host, trial: str, token: str, env: Mapping[str, str]) -> str:
    program = (*host.python[:-1], "wakeman.adapters.slurm.node_trial", trial, token)
    words = ("env", "-i", *(f"{key}={value}" for key, value in host.env.items()), *program)
    request = (
        *check_request(host.place, host.directory),
        "--job-name=wakeman-trial",
        f"--wrap=exec {shlex.join(words)}",
    )
    told = call_slurm(request, env, SUBMIT_S)
    number = told.out.decode(errors="replace").strip().partition(";")[0]
    if told.code or not number.isdigit():
        mend = "change slurm.alarm_options in the plan, or ask the site"
        raise ProgramError(f"slurm.alarm: sbatch: {slurm_words(told)}", mend)
    return number


def _silent(host: Host, env: Mapping[str, str], number: str, waited: float) -> NodeTrial:
    """Return why the job said nothing: it waits, or it could not begin its program."""
    from wakeman.ports import NodeTrial

    told = call_slurm((host.place["squeue"], "--noheader", f"--jobs={number}", "-o", "%T %r"), env)
    state, _, reason = told.out.decode(errors="replace").strip().partition(" ")
    _cancel(host.place, env, number)
    if state == "PENDING":
        why = f"a job that is to run a check waits in the queue for {waited:.0f} s now: {sanitise(reason, 100)}"
        return NodeTrial("", waited, why, "choose a partition that has room by slurm.alarm_options, or try again")
    said = ""
    with suppress(OSError), open(f"{host.directory}/slurm/{OUTPUT}", encoding="utf-8", errors="replace") as file:
        said = sanitise((file.read(2000).strip() or "it printed nothing").splitlines()[-1], 300)
    why = f"a job could not run Wakeman on a node: {said or 'it left no output'}"
    mend = f"{host.python[0]}, the state directory and slurm.alarm_options must be good on the nodes, too"
    return NodeTrial("", waited, why, mend)


def _node_faults(host: Host, words: NodeWords, now: float) -> tuple[str, str]:
    if not words.refused:
        why = f"node {words.node} gets a lock that this machine holds on a file in {os.path.dirname(host.directory)}"
        return f"{why}: two checks could write one log at once", LOCAL_LOCKS
    if not words.registry:
        why = f"node {words.node} does not find the registry of live deployments of this user"
        return why, "set XDG_STATE_HOME to a directory of yours that the nodes share"
    if abs(words.clock - now) > SKEW_MAX_S:
        why = f"the clock of node {words.node} differs from this machine's by {abs(words.clock - now):.0f} s"
        return why, ONE_TIME
    return "", ""


def _await_words(
    file: str,
    seconds: float,
    queued: Callable[[], bool],
    *,
    obtained: bool = False,
) -> NodeWords | None:
    """Wait for what the job writes; None for nothing. A job that is over has said what it says."""
    turns = round(seconds / TRIAL_STEP_S)
    for turn in range(turns):
        found = _read_words(file)
        if found is not None and (found.obtained or not obtained):
            return found
        if turn % 20 == 19 and not obtained and not queued():
            time.sleep(TRIAL_STEP_S)
            return _read_words(file)
        time.sleep(TRIAL_STEP_S)
    return None


def _is_queued(place: Mapping[str, str], env: Mapping[str, str], number: str) -> bool:
    """Return whether a job is not over, as far as is known."""
    with suppress(ProgramError):
        told = call_slurm((place["squeue"], "--noheader", f"--jobs={number}", "-o", "%T"), env)
        return bool(told.code) or bool(told.out.strip())
    return True


def _cancel(place: Mapping[str, str], env: Mapping[str, str], number: str) -> None:
    with suppress(ProgramError):
        call_slurm((place["scancel"], number), env)


def _recorded_environment(host: Host) -> dict[str, str]:
    return {**host.env, **({"SLURM_CONF": host.place["conf"]} if host.place.get("conf") else {})}


def _read_words(file: str) -> NodeWords | None:
    try:
        with open(file, "rb") as opened:
            return msgspec.json.decode(opened.read(), type=NodeWords)
    except (OSError, msgspec.DecodeError):
        return None


@contextmanager
def _locked(file: str) -> Iterator[bool]:
    """Try to lock a file as the log is locked; yield whether that succeeded, and release it."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held by another, or no lock is to be had
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def answer_on_node(directory: str, token: str) -> int:
    """Try the lock while it is held elsewhere, then get it and hold it until that was seen; return an exit status."""
    lock, there = f"{directory}/{LOCK_FILE}", f"{directory}/{HELD_THERE}"
    if not os.path.exists(lock):
        print(f"{directory}: not on {os.uname().nodename}: the state directory must be shared with the nodes")
        return 1
    with _locked(lock) as got:
        words = NodeWords(os.uname().nodename, not got, not token or os.path.exists(token), time.time())
        put_whole(there, msgspec.json.encode(words))
    end = time.monotonic() + TURN_S
    while os.path.exists(f"{directory}/{HELD_HERE}") and time.monotonic() < end:
        time.sleep(TRIAL_STEP_S)
    while time.monotonic() < end:
        with _locked(lock) as got:
            if got:
                put_whole(there, msgspec.json.encode(msgspec.structs.replace(words, obtained=True)))
                while os.path.isdir(directory) and not os.path.exists(f"{directory}/{DONE}") and time.monotonic() < end:
                    time.sleep(TRIAL_STEP_S)
                return 0
        time.sleep(TRIAL_STEP_S)
    return 1


if __name__ == "__main__":
    sys.exit(answer_on_node(sys.argv[1], sys.argv[2]))

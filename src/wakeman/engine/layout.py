"""Paths of a deployment's files: pure functions of its directory and a worker's name."""

from __future__ import annotations

import posixpath

from wakeman.core.model import Host, WorkerState

CHECK = "check.sh"
WRAPPER = "wrapper.sh"
KEEP = "keep.sh"
HOOK = "hook.sh"
GUARD = "guard.sh"
SECRETS = "secrets.sh"
GENERATION = "generation"
CALM = "calm"
"""File with what the last look saw, if it found nothing new."""
BEGUN = "running"
"""Directory with a file for each attempt that has begun and has no exit file yet."""
WROTE_PREFIX = "wrote."
"""Prefix of the files in which hooks report writes."""
LEFT = "left"
"""What the exit file holds in place of a status, of a session that was let go: it may go on."""
OUTSIDE = "%2F"
"""Directory in a stage that stands for the root directory: for outputs outside the plan's directory."""


def attempt_name(worker: WorkerState) -> str:
    """Return the name that the files of the present attempt have in common."""
    return f"{worker.name}.{worker.attempt}"


def attempt_directory(host: Host, worker: WorkerState) -> str:
    """Return the directory of the present attempt: claim, exit, env, units."""
    return f"{host.directory}/attempts/{attempt_name(worker)}"


def exit_file(host: Host, worker: WorkerState) -> str:
    """Return the file that the wrapper writes when the program has ended: its status, one line."""
    return f"{attempt_directory(host, worker)}/exit"


def running_file(host: Host, worker: WorkerState) -> str:
    """Return the file that an attempt has from its claim until its exit file, which it becomes."""
    return f"{host.directory}/{BEGUN}/{attempt_name(worker)}"


def claim(host: Host, worker: WorkerState) -> str:
    """Return the file by which an attempt is started at most once."""
    return f"{attempt_directory(host, worker)}/claim"


def report_directory(host: Host, worker: WorkerState) -> str:
    """Return the directory for the client's reports: the only one of the attempt's that it may write to."""
    return f"{attempt_directory(host, worker)}/said"


def hook(host: Host, worker: WorkerState) -> str:
    """Return the file with the client's last hook report."""
    return f"{report_directory(host, worker)}/hook"


def push(host: Host, worker: WorkerState) -> str:
    """Return the pipe by which a confined client requests a check."""
    return f"{report_directory(host, worker)}/push"


def rules(host: Host, worker: WorkerState) -> str:
    """Return the file with the confinement's rules."""
    return f"{attempt_directory(host, worker)}/confine"


def denied(host: Host, worker: WorkerState) -> str:
    """Return the file with the writes that were denied to the client, a path in JSON's spelling a line."""
    return f"{report_directory(host, worker)}/denied"


def may(host: Host, worker: WorkerState) -> str:
    """Return the file with the guard's rules."""
    return f"{attempt_directory(host, worker)}/may"


def trail(host: Host, worker: WorkerState) -> str:
    """Return the file with the paths of the client's own transcripts."""
    return f"{attempt_directory(host, worker)}/trail.json"


def brought(host: Host, worker: WorkerState) -> str:
    """Return the directory for what a client on a machine with a disk of its own stores of the attempt."""
    return f"{attempt_directory(host, worker)}/record"


def prompt_taken_file(host: Host, worker: WorkerState) -> str:
    """Return the file that is replaced each time the client reports a prompt."""
    return f"{report_directory(host, worker)}/heard"


def client(host: Host, worker: WorkerState) -> str:
    """Return the worker's private directory for its client, the same for all attempts."""
    return f"{host.directory}/clients/{worker.name}"


def units_file(host: Host, worker: WorkerState) -> str:
    """Return the attempt's share, one JSON object a line."""
    return f"{attempt_directory(host, worker)}/units.jsonl"


def outputs_list(host: Host, worker: WorkerState) -> str:
    """Return the file that lists the outputs to make, for the hook."""
    return f"{attempt_directory(host, worker)}/outputs"


def stream(host: Host, worker: WorkerState) -> str:
    """Return the file of the attempt's stream."""
    return f"{host.directory}/streams/{attempt_name(worker)}.log"


def print_pipe(host: Host, worker: WorkerState) -> str:
    """Return the named pipe that an attempt in print mode prints into; what comes out goes to its stream."""
    return f"{attempt_directory(host, worker)}/out"


def prompt_file(host: Host, worker: WorkerState) -> str:
    """Return the attempt's task file."""
    return f"{host.directory}/prompts/{attempt_name(worker)}.md"


def screen_file(worker: WorkerState) -> str:
    """Return the next evidence file of the attempt, relative to the deployment's directory."""
    return f"screens/{attempt_name(worker)}.{worker.captures + 1}.txt"


def mishap(host: Host, worker: WorkerState) -> str:
    """Return the file with the traceback of an unexpected error in observing the attempt."""
    return f"{host.directory}/errors/{attempt_name(worker)}.txt"


def scratch(host: Host, worker: WorkerState) -> str:
    """Return the worker's private TMPDIR."""
    return posixpath.join(host.directory, "tmp", worker.name)


def inside(host: Host, name: str) -> str:
    """Return a path in the deployment's directory."""
    return f"{host.directory}/{name}"


def absolute(host: Host, path: str) -> str:
    """Return a plan's path as an absolute one: relative to the plan file's directory."""
    # As `posixpath.join`, which takes several times as long: asked for each output at each look.
    root = host.root
    return path if path[:1] == "/" else f"{root}{path}" if root[-1:] in ("", "/") else f"{root}/{path}"


def stage(host: Host, worker: str, attempt: int) -> str:
    """Return the directory in which an attempt makes its outputs, with `workers.stage`."""
    return f"{host.directory}/attempts/{worker}.{attempt}/stage"


def staged(host: Host, path: str) -> str:
    """Return the path of an output in a stage.

    Boundary: one outside the plan's directory is below a directory that stands for the root.
    """
    whole = posixpath.normpath(absolute(host, path))
    inside = relative_within(whole, posixpath.normpath(host.root))
    return f"{OUTSIDE}{whole}" if inside is None else inside


def tree(host: Host, worker: WorkerState) -> str:
    """Return the worker's work tree, the same for all attempts, with `workers.isolate`."""
    return f"{host.directory}/trees/{worker.name}"


def planted(host: Host, worker: WorkerState) -> str:
    """Return the file that marks the worker's tree as complete and set up."""
    return f"{host.directory}/trees/{worker.name}.ready"


def relative_within(path: str, directory: str) -> str | None:
    """Return a path relative to a directory, "" for the directory itself; None if it is outside."""
    start = directory.rstrip("/") + "/"
    if path == directory:
        return ""
    return path.removeprefix(start) if path.startswith(start) else None

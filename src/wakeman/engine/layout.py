"""Where everything of a deployment lies: pure functions of its directory and a worker's name."""

from __future__ import annotations

import posixpath

from wakeman.core.model import Host, WorkerState

CHECK = "check.sh"
WRAPPER = "wrapper.sh"
HOOK = "hook.sh"
GUARD = "guard.sh"
SECRETS = "secrets.sh"
GENERATION = "generation"
OUTSIDE = "%2F"
"""Directory of a stage for outputs that are not below the plan's own: it represents the root directory."""


def attempt_directory(host: Host, worker: WorkerState) -> str:
    """Return the directory of the present attempt: claim, exit, env, units."""
    return posixpath.join(host.directory, "attempts", f"{worker.name}.{worker.attempt}")


def exit_file(host: Host, worker: WorkerState) -> str:
    """Return the file that the wrapper writes when the program has ended: its status, one line."""
    return posixpath.join(attempt_directory(host, worker), "exit")


def claim(host: Host, worker: WorkerState) -> str:
    """Return the file by which an attempt is started at most once."""
    return posixpath.join(attempt_directory(host, worker), "claim")


def report_directory(host: Host, worker: WorkerState) -> str:
    """Return the directory for what the client says of itself: of the attempt's, the one that it may write to."""
    return posixpath.join(attempt_directory(host, worker), "said")


def hook(host: Host, worker: WorkerState) -> str:
    """Return the file that holds the last thing that the client reported of itself."""
    return posixpath.join(report_directory(host, worker), "hook")


def push(host: Host, worker: WorkerState) -> str:
    """Return the pipe by which a confined client asks for a check."""
    return posixpath.join(report_directory(host, worker), "push")


def rules(host: Host, worker: WorkerState) -> str:
    """Return the file that says what the attempt may write to, where it is confined."""
    return posixpath.join(attempt_directory(host, worker), "confine")


def denied(host: Host, worker: WorkerState) -> str:
    """Return the file with the writes that were denied to the client, a path in JSON's spelling a line."""
    return posixpath.join(report_directory(host, worker), "denied")


def may(host: Host, worker: WorkerState) -> str:
    """Return the file that says where the client may write without being asked, and where not at all."""
    return posixpath.join(attempt_directory(host, worker), "may")


def trail(host: Host, worker: WorkerState) -> str:
    """Return the file that says where the client leaves traces of the attempt by itself."""
    return posixpath.join(attempt_directory(host, worker), "trail.json")


def prompt_taken_file(host: Host, worker: WorkerState) -> str:
    """Return the file that is new each time the client says that it has heard a prompt."""
    return posixpath.join(report_directory(host, worker), "heard")


def client(host: Host, worker: WorkerState) -> str:
    """Return the worker's own directory for its client, the same for each attempt."""
    return posixpath.join(host.directory, "clients", worker.name)


def units_file(host: Host, worker: WorkerState) -> str:
    """Return the attempt's share, one JSON object a line."""
    return posixpath.join(attempt_directory(host, worker), "units.jsonl")


def outputs_list(host: Host, worker: WorkerState) -> str:
    """Return the file that lists the outputs to make, for the hook."""
    return posixpath.join(attempt_directory(host, worker), "outputs")


def stream(host: Host, worker: WorkerState) -> str:
    """Return the file that gets what the attempt prints."""
    return posixpath.join(host.directory, "streams", f"{worker.name}.{worker.attempt}.log")


def prompt_file(host: Host, worker: WorkerState) -> str:
    """Return the attempt's task file."""
    return posixpath.join(host.directory, "prompts", f"{worker.name}.{worker.attempt}.md")


def screen_file(worker: WorkerState) -> str:
    """Return the next evidence file of the attempt, relative to the deployment's directory."""
    return posixpath.join("screens", f"{worker.name}.{worker.attempt}.{worker.captures + 1}.txt")


def mishap(host: Host, worker: WorkerState) -> str:
    """Return the file with the traceback of what nobody foresaw in looking at the attempt."""
    return posixpath.join(host.directory, "errors", f"{worker.name}.{worker.attempt}.txt")


def scratch(host: Host, worker: WorkerState) -> str:
    """Return the worker's private TMPDIR."""
    return posixpath.join(host.directory, "tmp", worker.name)


def inside(host: Host, name: str) -> str:
    """Return a path in the deployment's directory."""
    return posixpath.join(host.directory, name)


def absolute(host: Host, path: str) -> str:
    """Return a plan's path as an absolute one: relative to the plan file's directory."""
    return posixpath.join(host.root, path)


def stage(host: Host, worker: str, attempt: int) -> str:
    """Return the directory in which an attempt makes its outputs, with `workers.stage`."""
    return posixpath.join(host.directory, "attempts", f"{worker}.{attempt}", "stage")


def staged(host: Host, path: str) -> str:
    """Return where an output lies within a stage.

    Boundary: one that is not below the plan's directory goes below a directory that represents the root.
    """
    whole = posixpath.normpath(absolute(host, path))
    inside = relative_within(whole, posixpath.normpath(host.root))
    return f"{OUTSIDE}{whole}" if inside is None else inside


def tree(host: Host, worker: WorkerState) -> str:
    """Return the worker's own work tree, the same for each attempt, with `workers.isolate`."""
    return posixpath.join(host.directory, "trees", worker.name)


def planted(host: Host, worker: WorkerState) -> str:
    """Return the file that says that the worker's tree is whole and was set up."""
    return posixpath.join(host.directory, "trees", f"{worker.name}.ready")


def relative_within(path: str, directory: str) -> str | None:
    """Return a path relative to a directory that holds it, "" for the directory itself; None when it does not."""
    start = directory.rstrip("/") + "/"
    if path == directory:
        return ""
    return path.removeprefix(start) if path.startswith(start) else None

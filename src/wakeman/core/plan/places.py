"""Rules for the tables of executors, such as `[slurm]`: one function per rule, all listed in PLACE_RULES."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wakeman.core.model import Plan, SlurmSpec
from wakeman.core.model.plan import DEFAULT_EXECUTOR, EXECUTOR_TABLES
from wakeman.core.plan.key_positions import Problem

_SSH_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%\[\]-]*")
_LICENSE = re.compile(r"[A-Za-z0-9_.@-]+")
_SBATCH_OPTION = re.compile(r"--([a-z][a-z0-9-]*)(?:=.+)?", re.DOTALL)
_SUBMITTED_OPTIONS = frozenset((
    "array", "batch", "chdir", "clusters", "cpus-per-task", "error", "export", "export-file", "help", "hold", "input",
    "job-name", "licenses", "mem", "nodes", "ntasks", "output", "parsable", "partition", "account", "qos", "quiet",
    "requeue", "no-requeue", "test-only", "time", "usage", "version", "wait", "wrap", "get-user-env", "begin",
    "dependency", "comment", "kill-on-invalid-dep", "propagate", "signal", "open-mode", "uid", "gid", "overcommit",
))  # fmt: skip
"""Options of `sbatch` that have a key of their own, or that decide how many jobs there are, when, and what they run."""
_ALARM_OPTIONS = frozenset(("partition", "account", "qos", "time", "mem"))
"""Those of them that jobs which run checks may have otherwise."""
_IMAGE = re.compile(r"/[^\n]+|[a-z][a-z0-9+.-]*://[^\s]+")
_MOUNT = re.compile(r"/[^:,\n]*(?::/[^:,\n]*(?::r[ow])?)?")
_CONTAINED_OPTIONS = frozenset((
    "bind", "cleanenv", "containall", "cwd", "home", "no-home", "pwd", "container-entrypoint", "container-image",
    "container-mount-home", "container-mounts", "container-workdir", "no-container-mount-home", "jobid",
    "overlap", "pty",
))  # fmt: skip
"""Options of what runs containers that Wakeman sets, or that would keep an attempt's variables out."""


def _unused_tables(plan: Plan) -> Iterator[Problem]:
    """Refuse the table of an executor that is not the plan's."""
    own = plan.workers.executor
    if own not in (DEFAULT_EXECUTOR, *EXECUTOR_TABLES):
        return
    for name, kind in EXECUTOR_TABLES.items():
        if getattr(plan, name) != kind() and own != name:
            text = f"found without workers.executor = {name!r}; expected only beside it"
            yield Problem((name,), text, ((name,), ("workers", "executor")))
    if plan.executor:
        whose = f"[{own}]" if own in EXECUTOR_TABLES else "[workers]"
        text = f"found beside workers.executor = {own!r}, whose keys are in {whose}; expected an executor of a package"
        yield Problem(("executor",), text, (("executor",), ("workers", "executor")))


def _ssh_problems(plan: Plan) -> Iterator[Problem]:
    """Refuse a plan without hosts, with what is no host's name, and with what only this machine has."""
    if plan.workers.executor != "ssh":
        return
    if not plan.ssh.hosts:
        text = "found none; expected the hosts and their slots, as in hosts = { alpha = 4 }"
        yield Problem(("ssh", "hosts"), text, (("ssh", "hosts"), ("workers", "executor")))
    for name in plan.ssh.hosts:
        if not _SSH_HOST.fullmatch(name):
            text = f"found {name[:80]!r}; expected a host's name, as in 'alpha' or 'me@alpha.example'"
            yield Problem(("ssh", "hosts", name), text)
    if plan.limits.memory:
        text = "found beside workers.executor = 'ssh'; expected slots in ssh.hosts: no worker runs on this machine"
        yield Problem(("limits", "memory"), text, (("limits", "memory"), ("workers", "executor")))
    yield from _copied_problems(plan)
    slots = sum(plan.ssh.hosts.values())
    if plan.workers.at_once is not None and plan.workers.at_once > slots > 0:
        text = f"found {plan.workers.at_once}; expected at most {slots}, the slots in ssh.hosts"
        yield Problem(("workers", "at_once"), text, (("workers", "at_once"), ("ssh", "hosts")))


def _copied_problems(plan: Plan) -> Iterator[Problem]:
    """Refuse files that hosts get, or bring, in a way in which they cannot."""
    if plan.ssh.files == "shared":
        if plan.ssh.send:
            text = "found beside ssh.files = 'shared'; expected files = 'copied': what is shared is not sent"
            yield Problem(("ssh", "send"), text, (("ssh", "send"), ("ssh", "files")))
        return
    if not plan.workers.stage:
        text = "found 'copied' without workers.stage; expected stage = true: outputs are put into place here"
        yield Problem(("ssh", "files"), text, (("ssh", "files"), ("workers", "stage")))
    if plan.workers.confine != "off":
        text = "found beside ssh.files = 'copied'; expected 'off': what confines a worker is on this machine alone"
        yield Problem(("workers", "confine"), text, (("workers", "confine"), ("ssh", "files")))
    for at, path in enumerate(plan.ssh.send):
        if not path or path.startswith("/") or ".." in path.split("/"):
            text = f"found {path[:80]!r}; expected a path within the plan file's directory, as in 'src'"
            yield Problem(("ssh", "send", at), text)


def _slurm_problems(plan: Plan) -> Iterator[Problem]:
    """Refuse what no job is asked for, and options that say what Wakeman itself says."""
    if plan.workers.executor != "slurm":
        return
    if plan.limits.memory:
        text = "found beside workers.executor = 'slurm'; expected slurm.memory: no worker runs on this machine"
        yield Problem(("limits", "memory"), text, (("limits", "memory"), ("workers", "executor")))
    if plan.slurm.reserve_time and not plan.slurm.reserve:
        text = "found without slurm.reserve; expected the number of workers beside it, as in reserve = 4"
        yield Problem(("slurm", "reserve_time"), text, (("slurm", "reserve_time"), ("slurm", "reserve")))
    for name in plan.slurm.licenses:
        if not _LICENSE.fullmatch(name):
            yield Problem(("slurm", "licenses", name), f"found {name[:80]!r}; expected a licence's name")
    yield from _sbatch_problems("options", plan.slurm.options, _SUBMITTED_OPTIONS)
    yield from _sbatch_problems("alarm_options", plan.slurm.alarm_options, _SUBMITTED_OPTIONS - _ALARM_OPTIONS)
    if plan.slurm.alarm_options and plan.slurm.alarm != "job":
        text = "found beside slurm.alarm = 'at'; expected alarm = 'job': only then is an alarm a job of Slurm"
        yield Problem(("slurm", "alarm_options"), text, (("slurm", "alarm_options"), ("slurm", "alarm")))


def _sbatch_problems(key: str, options: Sequence[str], own: frozenset[str]) -> Iterator[Problem]:
    """Refuse what is no option of `sbatch`, and what Wakeman says itself."""
    for at, option in enumerate(options):
        found = _SBATCH_OPTION.fullmatch(option)
        if found is None:
            text = f"found {option[:80]!r}; expected a long option, its value behind '=', as in '--constraint=bigmem'"
            yield Problem(("slurm", key, at), text)
        elif found[1] in own:
            yield Problem(("slurm", key, at), f"found {option[:80]!r}, which Wakeman sets; expected another option")


def _container_problems(plan: Plan) -> Iterator[Problem]:
    """Refuse what no container can be run by, two ways to say the same, and what it cannot be combined with."""
    slurm, unset = plan.slurm, SlurmSpec()
    if plan.workers.executor != "slurm":
        return
    for at, option in enumerate(slurm.options):
        if option.startswith("--container"):
            text = f"found {option[:80]!r}, in which the job itself would run; expected slurm.container"
            yield Problem(("slurm", "options", at), text, (("slurm", "options"), ("slurm", "container")))
    if not slurm.container:
        for key in ("container_by", "container_mounts", "container_home", "container_options"):
            if getattr(slurm, key) != getattr(unset, key):
                yield Problem(("slurm", key), "found without slurm.container; expected only beside it")
        return
    if not _IMAGE.fullmatch(slurm.container):
        text = f"found {slurm.container[:80]!r}; expected an absolute path, or an address as in 'docker://debian:12'"
        yield Problem(("slurm", "container"), text)
    if slurm.container_by == "pyxis" and slurm.container.endswith(".sif"):
        text = "found an image of Apptainer's beside container_by = 'pyxis'; expected a squash file, or 'apptainer'"
        yield Problem(("slurm", "container"), text, (("slurm", "container"), ("slurm", "container_by")))
    yield from _container_words(slurm)
    if plan.workers.confine != "off":
        text = "found beside slurm.container; expected 'off': the container is the wall, with what is mounted in it"
        yield Problem(("workers", "confine"), text, (("workers", "confine"), ("slurm", "container")))


def _container_words(slurm: SlurmSpec) -> Iterator[Problem]:
    for at, mount in enumerate(slurm.container_mounts):
        if not _MOUNT.fullmatch(mount):
            text = (
                f"found {mount[:80]!r}; expected absolute paths, as in '/data', '/data:/inside' or '/data:/inside:ro'"
            )
            yield Problem(("slurm", "container_mounts", at), text)
    for at, option in enumerate(slurm.container_options):
        found = _SBATCH_OPTION.fullmatch(option)
        if found is None:
            text = f"found {option[:80]!r}; expected a long option, its value behind '=', as in '--nv'"
            yield Problem(("slurm", "container_options", at), text)
        elif found[1] in _CONTAINED_OPTIONS:
            text = f"found {option[:80]!r}, which Wakeman sets; expected another option"
            yield Problem(("slurm", "container_options", at), text)


PLACE_RULES = (_unused_tables, _ssh_problems, _slurm_problems, _container_problems)
"""Every rule, as a function from plan to problems."""

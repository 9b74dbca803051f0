"""Mechanisms by which the kernel confines an attempt without root: Landlock, or the mounts of bubblewrap; both with a
system call filter. The first one that passes a test here is used: a write to an allowed directory must succeed, and one
beside it must be refused.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from wakeman.adapters.confine import seccomp
from wakeman.core.errors import ProgramError
from wakeman.core.model import Confinement
from wakeman.ports import Machine

SCRIPT, FILTER = "landlock.pl", "confine.bpf"
CONFINE_TRIAL_S = 20.0
"""Seconds that a test may take."""
CAPABILITIES_KEPT = ("chown", "dac_override", "fowner", "fsetid", "setgid", "setuid", "net_bind_service", "sys_chroot")
"""Capabilities that root keeps: to change files, which the mounts limit, and its own user id."""


class Way(NamedTuple):
    """One mechanism: its program and arguments.

    Shape: `words` takes the program, the directory of the kit and the file of rules; `version` are the arguments that
    print its version.
    """

    name: str
    program: str
    lacks: str  # the likely cause if it does not work
    files: tuple[str, ...]
    rules: Callable[[Sequence[str]], bytes]
    words: Callable[[str, str, str], tuple[str, ...]]
    version: tuple[str, ...]


def _landlock_rules(places: Sequence[str]) -> bytes:
    prctl = seccomp.MACHINES[platform.machine()].calls["prctl"]
    return _strings([str(prctl), *places])


def _landlock_words(program: str, kit: str, rules: str) -> tuple[str, ...]:
    return program, f"{kit}/{SCRIPT}", rules, f"{kit}/{FILTER}"


def _mounts(places: Sequence[str]) -> bytes:
    """Format the arguments of bwrap: read-only except these places; outside processes and terminals are hidden."""
    words = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-ipc"]
    words += ["--remount-ro", "/proc", "--die-with-parent", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        words += [word for name in CAPABILITIES_KEPT for word in ("--cap-add", f"CAP_{name.upper()}")]
    return _strings([*words, *(word for place in places for word in ("--bind", place, place))])


def _mount_words(program: str, kit: str, rules: str) -> tuple[str, ...]:
    # bwrap reads both from open files: an argument list would be too long for tmux.
    shell = 'exec 8<"$1" 9<"$2" && shift 2 && exec "$@"'
    return "/bin/sh", "-c", shell, "sh", rules, f"{kit}/{FILTER}", program, "--args", "8", "--seccomp", "9"


def _strings(words: Sequence[str]) -> bytes:
    return "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")


WAYS: Mapping[str, Way] = {
    way.name: way
    for way in (
        Way(
            "landlock",
            "perl",
            "a kernel of 6.2 or newer that has Landlock enabled, and perl",
            (SCRIPT, FILTER),
            _landlock_rules,
            _landlock_words,
            ("-e", 'print "Landlock, version ", syscall(444, 0, 0, 1)'),
        ),
        Way(
            "bwrap",
            "bwrap",
            "bubblewrap, and user namespaces for users other than root",
            (FILTER,),
            _mounts,
            _mount_words,
            ("--version",),
        ),
    )
}
"""In the order in which they are tested. Landlock is faster, and does not change device files and processes."""


class Confine:
    """Confinement by the kernel, through helper programs."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def choose(self, env: Mapping[str, str]) -> Confinement:
        kind = platform.machine()
        if platform.system() != "Linux" or kind not in seccomp.MACHINES:
            known = ", ".join(seccomp.MACHINES)
            raise ProgramError(f"confinement: found {platform.system()} on {kind}, expected Linux on one of {known}")
        faults = []
        for way in WAYS.values():
            program = shutil.which(way.program, path=env.get("PATH"))
            if program is None:
                faults.append(f"{way.name}: no {way.program} on PATH")
            elif fault := self._tried(way, program, env):
                faults.append(f"{way.name}: {fault}")
            else:
                printed = self._machine.run([program, *way.version], cwd="/", env=env, timeout=CONFINE_TRIAL_S)
                return Confinement(way=way.name, program=program, words=printed.out.strip())
        wanted = "; or ".join(way.lacks for way in WAYS.values())
        raise ProgramError(
            f"confinement: {'; '.join(faults)}; expected {wanted}", "apt-get install bubblewrap, then wakeman doctor"
        )

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        return {name: _file_content(name) for name in WAYS[confinement.way].files}

    def rules(self, confinement: Confinement, places: Sequence[str]) -> bytes:
        return WAYS[confinement.way].rules(places)

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        return WAYS[confinement.way].words(confinement.program, kit, rules)

    def _tried(self, way: Way, program: str, env: Mapping[str, str]) -> str:
        """Return why a mechanism does not work; "" if it does."""
        with tempfile.TemporaryDirectory(prefix="wakeman-") as made:
            place = os.path.realpath(made)
            os.mkdir(f"{place}/in")
            for name in way.files:
                _write_new_file(f"{place}/{name}", _file_content(name))
            _write_new_file(f"{place}/rules", way.rules([f"{place}/in"]))
            argv = [*way.words(program, place, f"{place}/rules"), "/bin/sh", "-c", "echo >in/file; echo >file"]
            ran = self._machine.run(argv, cwd=place, env=env, timeout=CONFINE_TRIAL_S)
            inside, outside = os.path.exists(f"{place}/in/file"), os.path.exists(f"{place}/file")
        if inside and not outside:
            return ""
        printed = (ran.err.strip().splitlines() or [""])[0] or ran.error
        return printed if not inside and printed else "a write beside what it allows was not refused"


def _file_content(name: str) -> bytes:
    if name == FILTER:
        return seccomp.program(platform.machine())
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


def _write_new_file(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)

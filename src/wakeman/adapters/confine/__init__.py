"""Mechanisms by which the kernel confines an attempt without root: Landlock, or the mounts of bubblewrap; both with a
system call filter. The first one that passes a test here is used: a write to an allowed directory must succeed, and one
beside it must be refused.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from wakeman.adapters.confine import mounts, seccomp
from wakeman.core.errors import ProgramError
from wakeman.core.model import Confinement, Network
from wakeman.ports import Machine, Reach

SCRIPT, FILTER = "landlock.pl", "confine.bpf"
CONFINE_TRIAL_S = 20.0
"""Seconds that a test may take."""
TRIAL = "echo >in/file; echo >file; cat hidden/file; chmod a+x hidden/file; readlink /proc/self/ns/net"
"""What is tried: it may make the first file, and neither make the second nor read or change the third."""
NETWORK_WORDS: Mapping[Network, str] = {"none": "no network", "loopback": "a loopback interface of its own", "all": ""}
LACKING_NETWORK = "; and for a network of its own, user namespaces for users other than root"
LANDLOCK_VERSION_MAX = 7
"""The newest version of Landlock whose rights are known."""
LANDLOCK_SCOPES_VERSION = 6
"""The first version of Landlock that keeps signals inside."""
CAPABILITIES_KEPT = ("chown", "dac_override", "fowner", "fsetid", "setgid", "setuid", "net_bind_service", "sys_chroot")
"""Capabilities that root keeps: to change files, which the mounts limit, and its own user id."""


LOCKED = ("/var/spool/cron", "/var/spool/at", "/var/spool/atjobs", "/var/spool/atspool")
"""Where `at` keeps and locks its queue."""


class Way(NamedTuple):
    """One mechanism: its program and arguments.

    Shape: `words` get the program, the directory of the kit and the file of rules; `version` is asked of the program.
    `own_ipc`: nobody outside sees its shared memory.
    """

    name: str
    program: str
    lacks: str  # the likely cause if it does not work
    files: tuple[str, ...]
    rules: Callable[[Reach, Network], bytes]
    words: Callable[[str, str, str], tuple[str, ...]]
    version: tuple[str, ...]
    own_ipc: bool = False
    own_mounts: bool = True  # modes and owners of what is hidden cannot be changed either
    leaves: Callable[[str], str] = lambda _: ""  # what it does not keep here, by what its program says of itself


def _landlock_rules(reach: Reach, network: Network, *, cover: bool = False) -> bytes:
    """Format the rules of the script: numbers, then paths, each with a letter that says what it is."""
    numbers = [str(seccomp.MACHINES[platform.machine()].calls[call]) for call in ("prctl", "unshare", "mount")]
    flags = [flag for flag, wanted in (("m", cover), ("n", network == "loopback")) if wanted]
    tagged = (("h", _hidden(reach)), ("w", reach.writes), ("r", reach.reads))
    paths = (tag + path for tag, each in tagged for path in each)
    return _strings([*numbers, str(LANDLOCK_VERSION_MAX), *flags, *paths])


def _landlock_words(program: str, kit: str, rules: str) -> tuple[str, ...]:
    return program, f"{kit}/{SCRIPT}", rules, f"{kit}/{FILTER}"


def _covering_rules(reach: Reach, network: Network) -> bytes:
    return _landlock_rules(reach, network, cover=True)


def _signals_left(words: str) -> str:
    version = int("".join(re.findall(r"\d+$", words)) or 0)
    return "" if version >= LANDLOCK_SCOPES_VERSION else "signals to processes outside are not blocked before version 6"


def _modes_left(words: str) -> str:
    modes = "modes and owners of the state directory can be changed, as no mounts of one's own are to be had"
    return "; ".join(filter(None, (_signals_left(words), modes)))


def _mount_rules(reach: Reach, network: Network) -> bytes:
    """Format the arguments of bwrap: read-only except these places; outside processes and terminals are hidden."""
    hidden = _hidden(reach)
    words = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-ipc"]
    words += ["--remount-ro", "/proc", "--die-with-parent", "--cap-drop", "ALL"]
    words += ["--unshare-net"] if network == "loopback" else []
    if os.geteuid() == 0:
        words += [word for name in CAPABILITIES_KEPT for word in ("--cap-add", f"CAP_{name.upper()}")]
    words += [word for path in hidden for word in ("--tmpfs", path)]
    words += [word for path in reach.reads for word in ("--ro-bind", path, path)]
    words += [word for path in reach.writes for word in ("--bind", path, path)]
    return _strings([*words, *(word for path in hidden for word in ("--remount-ro", path))])


def _mount_arguments(program: str, kit: str, rules: str) -> tuple[str, ...]:
    # bwrap reads both from open files: an argument list would be too long for tmux.
    shell = 'exec 8<"$1" 9<"$2" && shift 2 && exec "$@"'
    return "/bin/sh", "-c", shell, "sh", rules, f"{kit}/{FILTER}", program, "--args", "8", "--seccomp", "9"


def _strings(words: Sequence[str]) -> bytes:
    return "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")


def _hidden(reach: Reach) -> list[str]:
    """List what is hidden and exists, by each path that leads there; none that lies in another."""
    wanted = [*reach.hidden, *LOCKED]
    found = sorted({path for place in wanted if os.path.isdir(place) for path in mounts.paths(os.path.realpath(place))})
    return [path for path in found if not any(path != other and f"{path}/".startswith(f"{other}/") for other in found)]


WAYS: Mapping[str, Way] = {
    way.name: way
    for way in (
        Way(
            "landlock+mounts",
            "perl",
            "a kernel of 6.2 or newer that has Landlock enabled, perl, and user namespaces for users other than root",
            (SCRIPT, FILTER),
            _covering_rules,
            _landlock_words,
            ("-e", 'print "Landlock, version ", syscall(444, 0, 0, 1)'),
            leaves=_signals_left,
        ),
        Way(
            "bwrap",
            "bwrap",
            "bubblewrap, and user namespaces for users other than root",
            (FILTER,),
            _mount_rules,
            _mount_arguments,
            ("--version",),
            own_ipc=True,
        ),
        Way(
            "landlock",
            "perl",
            "a kernel of 6.2 or newer that has Landlock enabled, and perl",
            (SCRIPT, FILTER),
            _landlock_rules,
            _landlock_words,
            ("-e", 'print "Landlock, version ", syscall(444, 0, 0, 1)'),
            own_mounts=False,
            leaves=_modes_left,
        ),
    )
}
"""In the order in which they are tested. Landlock is faster, and does not change device files and processes."""


class Confine:
    """Confinement by the kernel, through helper programs. `hidden` are directories that no attempt may read."""

    def __init__(self, machine: Machine, hidden: Sequence[str] = ()) -> None:
        self._machine = machine
        self._hidden = tuple(hidden)

    def choose(self, env: Mapping[str, str], network: Network = "all") -> Confinement:
        kind = platform.machine()
        if platform.system() != "Linux" or kind not in seccomp.MACHINES:
            known = ", ".join(seccomp.MACHINES)
            raise ProgramError(f"confinement: found {platform.system()} on {kind}, expected Linux on one of {known}")
        faults, lesser = [], None
        for way in WAYS.values():
            program = shutil.which(way.program, path=env.get("PATH"))
            if program is None:
                faults.append(f"{way.name}: no {way.program} on PATH")
            elif fault := self._tried(way, program, env, network):
                faults.append(f"{way.name}: {fault}")
            else:
                words = self._machine.run(
                    [program, *way.version], cwd="/", env=env, timeout=CONFINE_TRIAL_S
                ).out.strip()
                leaves, of_network = way.leaves(words), NETWORK_WORDS[network]
                told = "; ".join(filter(None, (words, leaves, of_network)))
                found = Confinement(way=way.name, program=program, words=told, network=network)
                if not leaves:
                    return found
                lesser = lesser or found
        if lesser is not None:
            return lesser
        wanted = "; or ".join(way.lacks for way in WAYS.values())
        lacking = LACKING_NETWORK if network == "loopback" else ""
        raise ProgramError(
            f"confinement: {'; '.join(faults)}; expected {wanted}{lacking}",
            "apt-get install bubblewrap, then wakeman doctor",
        )

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        way = WAYS[confinement.way]
        return {name: _file_content(way, name, confinement.network) for name in way.files}

    def rules(self, confinement: Confinement, reach: Reach) -> bytes:
        every = msgspec.structs.replace(reach, hidden=[*reach.hidden, *self._hidden])
        return WAYS[confinement.way].rules(every, confinement.network)

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        return WAYS[confinement.way].words(confinement.program, kit, rules)

    def _tried(self, way: Way, program: str, env: Mapping[str, str], network: Network = "all") -> str:
        """Return why a mechanism does not work; "" if it does."""
        with tempfile.TemporaryDirectory(prefix="wakeman-") as made:
            place = os.path.realpath(made)
            for name in ("in", "hidden"):
                os.mkdir(f"{place}/{name}")
            for name in way.files:
                _write_new_file(f"{place}/{name}", _file_content(way, name, network))
            _write_new_file(f"{place}/hidden/file", b"seen\n")
            reach = Reach([f"{place}/in"], hidden=[f"{place}/hidden"])
            _write_new_file(f"{place}/rules", way.rules(reach, network))
            argv = [*way.words(program, place, f"{place}/rules"), "/bin/sh", "-c", TRIAL]
            ran = self._machine.run(argv, cwd=place, env=env, timeout=CONFINE_TRIAL_S)
            inside, outside = os.path.exists(f"{place}/in/file"), os.path.exists(f"{place}/file")
            changed = os.stat(f"{place}/hidden/file").st_mode & 0o111
        printed = (ran.err.strip().splitlines() or [""])[0] or ran.error
        if not inside:
            return printed or "a write to what it allows was refused"
        if outside:
            return "a write beside what it allows was not refused"
        if "seen" in ran.out:
            return "a file that it hides was read"
        if changed and way.own_mounts:
            return "the mode of a file that it hides was changed"
        if network == "loopback" and os.readlink("/proc/self/ns/net") in ran.out:
            return "the network is the machine's"
        return ""


def _file_content(way: Way, name: str, network: Network) -> bytes:
    if name == FILTER:
        return seccomp.program(platform.machine(), network=network != "none", own_ipc=way.own_ipc)
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


def _write_new_file(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)

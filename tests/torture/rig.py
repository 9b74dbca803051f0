"""A deployment of four attempts, run up to one of its commands, faults in that command, and what must be true
afterwards. Workers a, b and c; c leaves its unit undone, so a cleanup worker does it. Each attempt writes its id to
`runs` and waits for its gate. The scenes are the commands that do things: `up` launches, one check repairs the log's
torn end, one cleans up and launches, one wraps up. The workers' own checks are held back until a scene is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.processes import processes
from tests.real.rig import PATH, Rig, Said
from tests.waiting import until

PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", FURTHER]
limit = 3
output = "out/{{ unit }}"
[workers]
name = "{{ group.name }}"
command = ["sh", "worker.sh", "out/{{ group.key }}"]
socket = "SOCKET"
stagger = 0
[wake]
every = "5m"
on = ["wrap up"]
to = [{ run = ["sh", "-c", 'printf "%s\\n" "$1" >>PLACE/told', "sh", "{{ message }}"] }]
[cleanup]
when = "all"
"""
FURTHER = [f"{n:060}" for n in range(1_000)]
"""Items that the plan leaves out: with them its log has it in several lines."""
WORKER = """\
echo "$WAKEMAN_ATTEMPT" >>runs
until [ -e go ] || [ -e "go.$WAKEMAN_WORKER" ]; do sleep 0.05; done
[ "$WAKEMAN_WORKER" = c ] || { mkdir -p out; echo done >"$1"; }
"""
WORKERS = {"a", "b", "c", "c_c1"}

SCENES = {
    "up": ("up", "wakeman.toml"),
    "repair": ("check", "night"),
    "clean up": ("check", "night"),
    "wrap up": ("check", "night"),
}
"""Scene -> the command under torture."""

SPOOL = Path("/var/spool/cron/atjobs")
COMPILES = shutil.which("cc") is not None
PROGRAMS = ("tmux", "at", "atq", "atrm")
STRACE, FAKETIME = (shutil.which(name) or "" for name in ("strace", "faketime"))
STAND_IN = """\
#!/bin/sh
# NAME, traced when a case has asked for it in PLACE/trace/NAME: which call of it, and the options of strace. With a
# case in PLACE/kills, such as `tmux/2 before`, its caller is killed there, or after it; PLACE/called has each call.
wish=PLACE/trace/NAME
if [ -e PLACE/kills ]; then
  number=1
  until mkdir "PLACE/called/NAME.$number" 2>/dev/null || ! [ -d PLACE/called ]; do number=$((number + 1)); done
  read -r which when <PLACE/kills
  if [ "$which" = "NAME/$number" ]; then
    [ "$when" = before ] || REAL "$@"
    kill -KILL "$PPID"
    exit 1
  fi
fi
if [ -e "$wish" ]; then
  echo >>"$wish.calls"
  call=$(wc -l <"$wish.calls")
  read -r which options <"$wish"
  case $which in
    every | "$call") exec STRACE -qq -y -o "$wish.$call" $options REAL "$@" ;;
  esac
fi
exec REAL "$@"
"""

EFFECTS = frozenset({
    "write", "pwrite64", "fdatasync", "fsync", "ftruncate", "rename", "renameat2", "link", "linkat", "symlink",
    "unlink", "mkdir", "openat", "fchmod", "chmod", "flock", "vfork", "clone", "clone3", "execve", "wait4", "poll",
    "kill", "connect", "sendmsg", "sendto", "socketpair", "dup2", "setsid", "exit_group",
})  # fmt: skip
"""System calls that change something outside, or wait for who does: between two of them, all moments are the same."""


class Call(NamedTuple):
    """One system call of a clean run: whose, its name, the how manieth of that name.

    `state`: it is about a file of the state directory; `acts`: it may change something outside.
    """

    program: str  # `wakeman`, or `tmux/2` for the second call of tmux
    name: str
    number: int
    state: bool
    acts: bool


class Torture(Rig):
    """A rig for one case."""

    plan = PLAN
    programs: tuple[str, ...] = PROGRAMS
    patience_s = 4.0
    """Seconds until the workers of a row are over, once they may end."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.begun = time.time()
        self.write(self.plan.replace("FURTHER", json.dumps(FURTHER)[1:-1]))
        (place / "worker.sh").write_text(WORKER)
        (place / "trace").mkdir()
        (place / "bin").mkdir()
        for name in self.programs:
            words = {"PLACE": str(place), "NAME": name, "STRACE": STRACE, "REAL": shutil.which(name, path=PATH) or name}
            text = STAND_IN
            for word, value in words.items():
                text = text.replace(word, value)
            (place / "bin" / name).write_text(text)
            (place / "bin" / name).chmod(0o755)

    def clean(self) -> dict[str, str]:
        # Nothing differs from one run to the next: the numbers of system calls are to be the same.
        return {"PATH": f"{self.place}/bin:{PATH}", "HOME": str(self.place), "PYTHONHASHSEED": "0"}

    def close(self) -> None:
        super().close()
        # What an `at` that was killed has begun to write; nobody takes half as long as a second for that.
        for file in SPOOL.glob("a*"):
            with suppress(OSError):
                seen = file.stat()
                if not seen.st_size and not seen.st_mode & 0o100 and self.begun < seen.st_mtime < time.time() - 1:
                    file.unlink()

    # --- scenes ---------------------------------------------------------------------------------------------------

    def set(self, scene: str) -> None:
        """Bring the night to the moment before a scene's command."""
        if scene == "up":
            return
        said = self.run("up", "wakeman.toml")
        assert 0 == said.returncode, said.stderr
        if scene == "repair":
            with self.log().open("ab") as log:
                log.write(b'{"v":1,"seq":')
            return
        self._end_unseen("a", "b", "c")
        if scene == "wrap up":
            said = self.run("check", "night")
            assert 4 == said.returncode, said.stderr
            self._end_unseen("c_c1")

    def _end_unseen(self, *workers: str) -> None:
        """Have attempts end without the check that the end of one starts."""
        check = self.state / "night" / "check.sh"
        held = check.rename(check.with_name("held.sh"))
        for worker in workers:
            (self.place / f"go.{worker}").touch()
        until(lambda: all((self.state / "night" / "attempts" / f"{w}.1" / "exit").exists() for w in workers), 30)
        until(lambda: not self.at_work(), 30)
        held.rename(check)

    def open_gates(self) -> None:
        """Let every worker go on to its end."""
        (self.place / "go").touch()

    # --- faults ---------------------------------------------------------------------------------------------------

    def play(self, scene: str, *options: str, env: Mapping[str, str] | None = None) -> Said:
        """Run a scene's command, under strace when options of it are given."""
        argv = self.argv(*SCENES[scene])
        if options:
            argv = [STRACE, "-qq", "-y", "-o", str(self.place / "trace" / "wakeman"), *options, *argv]
        return self.call(argv, {**self.clean(), **(env or {})})

    def disturb(self, scene: str, program: str, call: str, what: str, when: str) -> Said:
        """Run a scene's command with a fault at one of its system calls, or at one of a program's that it calls."""
        options = ("-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}")
        if program == "wakeman":
            return self.play(scene, *options)
        name, which = program.split("/")
        (self.place / "trace" / name).write_text(f"{which} {' '.join(options)}\n")
        said = self.play(scene)
        (self.place / "trace" / name).unlink()
        return said

    def killed_around(self, scene: str, program: str, when: str) -> list[str]:
        """Run a scene's command, which is killed before, or after, a call of a program, such as `tmux/2`, its second of
        tmux; return the calls that there were.
        """
        called = self.place / "called"
        called.mkdir()
        (self.place / "kills").write_text(f"{program} {when}\n")
        self.play(scene)
        (self.place / "kills").unlink()
        counted = called.rename(self.place / "counted")  # what goes on beside one that was killed writes no more then
        return sorted(each.name.replace(".", "/") for each in counted.iterdir())

    def shim(self) -> str:
        """Build what tears writes, to be loaded before libc; see there."""
        made, source = self.place / "shim.so", Path(__file__).with_name("shim.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"], check=True)
        return str(made)

    def calls(self, scene: str) -> list[Call]:
        """List the system calls with an effect of a scene's command, and of what it calls, from a clean run."""
        self.set(scene)
        for name in self.programs:
            (self.place / "trace" / name).write_text(f"every -e trace={','.join(sorted(EFFECTS))}\n")
        self.play(scene, "-e", f"trace={','.join(sorted(EFFECTS))}")
        for name in self.programs:
            (self.place / "trace" / name).unlink()
        found: list[Call] = []
        for file in sorted((self.place / "trace").glob("*")):
            program, _, which = file.name.partition(".")
            if which != "calls":
                found += _read(f"{program}/{which}" if which else program, file, str(self.place))
        return found

    # --- what must hold -------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Return whether the deployment has begun."""
        return self.log().exists()

    def outcome(self) -> str:
        """Return how the deployment stands, as its log has it."""
        said = self.run("status", "night", "--json", "--recorded")
        assert 0 == said.returncode or '"outcome"' in said.stdout, said.stderr
        return str(json.loads(said.stdout)["outcome"])

    def at_work(self) -> list[int]:
        """List the workers' programs that run."""
        return [pid for pid in self.panes().values() if _alive(pid)]

    def closed(self) -> bool:
        """Return whether the log's last word is there; cheap enough to be asked often."""
        with suppress(OSError):
            return b'"type":"closed"' in self.log().read_bytes()
        return False

    def alarmed(self) -> None:
        """Whatever has just happened: a deployment that is open has an alarm ahead."""
        assert not self.exists() or self.closed() or self.alarms(), "the deployment is open, and no alarm lies ahead"

    def recover(self, how: str) -> None:
        """Do what comes after a crash: two checks at once, the alarm, or `up` again where nothing has begun."""
        if not self.exists() or (how == "up" and not self.closed()):
            said = self.run("up", "wakeman.toml")
            assert 0 == said.returncode, said.stderr
        elif how == "checks":
            for said in self.side_by_side(("check", "night"), ("check", "night")):
                assert said.returncode in (0, 4) or "will look again" in said.stderr, said.stderr
        elif how == "alarm":
            self.fire_all()

    def fire_all(self) -> None:
        """Have the alarms fire that lie ahead, one after the other."""
        for job in self.alarms():
            with suppress(subprocess.CalledProcessError):  # taken away by the check of the one before
                self.fire(job)
        # The alarm that fires is none any more, and the check that it starts sets the next.
        until(lambda: not self.exists() or self.closed() or self.alarms(), 30)

    def finish(self) -> None:
        """Let the night come to its end by itself: workers end, alarms fire."""
        self.open_gates()
        for _ in range(8):
            with suppress(AssertionError):
                until(self.closed, self.patience_s)
                break
            self.alarmed()
            self.fire_all()
        until(self.closed, self.patience_s)

    def later(self) -> None:
        """Have ten minutes go by for a deployment that is closed: what another check owed is late then, and an alarm
        that it left fires."""
        said = self.call([FAKETIME, "-f", "+10m", *self.argv("check", "night")])
        assert 0 == said.returncode, said.stderr
        self.fire_all()

    def verify(self, *, attempts: int | None = None) -> None:
        """Hold the night that is over against what was promised."""

        # What comes after the last line: the notice, the alarm taken away.
        def over() -> bool:
            return not self.alarms() and (self.place / "told").exists() and not self.sessions()

        with suppress(AssertionError):
            until(over, 2)
        if not over():
            self.later()
        until(over, 20)
        assert "complete" == self.outcome()
        ran = (self.place / "runs").read_text().split()
        assert not [mark for mark, times in Counter(ran).items() if times > 1], f"run twice: {ran}"
        assert WORKERS == {mark.split("/")[1] for mark in ran}
        assert attempts in (None, len(ran)), ran
        self.sound()
        assert {"a", "b", "c"} == {path.name for path in (self.place / "out").iterdir()}
        assert "wrap up: 3/3 done" in (self.place / "told").read_text()

    def evidence(self) -> str:
        """Return what tells how it came to this: the log's end, what checks have said, who ran."""
        told = [self.run("log", "night").stdout[-4000:]]
        told += [
            file.read_text()[-2000:] for file in (self.place / "runs", self.state / "night/check.log") if file.exists()
        ]
        told += [" ".join(one.argv)[:200] for one in processes(str(self.place))]
        return "\n".join([*told, f"alarms {self.alarms()}, sessions {self.sessions()}"])

    def sound(self) -> None:
        """Whatever has happened: the log can be read to its end, and no line is missing or twice."""
        said = self.run("log", "night", "--json")
        assert 0 == said.returncode, said.stderr
        numbers = [json.loads(line)["seq"] for line in said.stdout.splitlines()]
        assert list(range(1, len(numbers) + 1)) == numbers

    def decent(self, said: Said, codes: Sequence[int]) -> None:
        """An end as documented: no traceback, and with status 1 an error that names something."""
        assert said.returncode in codes, f"status {said.returncode}: {said.stderr}"
        assert "Traceback" not in said.stderr, said.stderr
        if said.returncode == 1:
            assert said.stderr.startswith(("error: ", "wakeman: error: ")), said.stderr


def _alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False


def _read(program: str, file: Path, place: str) -> Iterator[Call]:
    """Read a trace. Of the program itself all counts that comes after it first touches the place."""
    counts: Counter[str] = Counter()
    begun = program != "wakeman"
    for line in file.read_text(errors="replace").splitlines():
        name = line.partition("(")[0]
        if name not in EFFECTS:
            continue  # a signal, the end, or a line that two calls at once have written
        counts[name] += 1
        begun = begun or f"{place}/state" in line
        idle = (name == "openat" and "O_CREAT" not in line) or (name == "connect" and place not in line)
        if begun:
            yield Call(program, name, counts[name], f"{place}/state/" in line, not idle)


def works() -> str:
    """Return why system calls cannot be disturbed here; "" where they can."""
    if not STRACE or not FAKETIME:
        return "strace and faketime are not both installed"
    probe = subprocess.run([STRACE, "-qq", "-o", os.devnull, "-e", "inject=mkdir:signal=KILL", "true"])
    return "strace may not trace here" if probe.returncode else ""

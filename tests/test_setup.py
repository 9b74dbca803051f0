"""scripts/setup.sh on machines that lack something: a PATH of their own, stand-ins for what would change them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "cat", "cksum", "cp", "dirname", "env", "grep", "mkdir", "mktemp", "rm", "sleep", "touch")

PYTHON = """#!/bin/sh
case "$*" in
  "-m venv "*) echo "$*" >>calls; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip install "*) echo "pip ${*##* }" >>calls ;;
esac
"""
UV = """#!/bin/sh
echo "uv $* in $UV_PROJECT_ENVIRONMENT" >>calls
"""
DEV = ["pip requirements/dev.txt", "pip ."]
DEMO = ["pip requirements/demo.txt", "pip ."]
APT_GET = """#!/bin/sh
echo "apt-get $*" >>calls
case $1 in
  update) touch updated ;;
  install) [ -e updated ] || { echo "E: Unable to locate package"; exit 100; }
    for last; do :; done; cp BIN/true "BIN/$last" ;;
esac
"""


class Machine:
    """A tree with the script in it, and a PATH of one directory. `launchctl` says that the daemon of `at` runs."""

    def __init__(self, tree: Path, *, user: int = 1000, have: tuple[str, ...] = ("tmux", "at", "atq", "atrm")) -> None:
        self.tree, self.bin = tree, tree / "bin"
        self.bin.mkdir()
        (tree / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "setup.sh", tree / "scripts")
        (tree / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
        (tree / "uv.lock").write_text("version = 1\n", encoding="utf-8")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.program("id", f"#!/bin/sh\necho {user}\n")
        self.program("uname", "#!/bin/sh\necho Darwin\n")
        self.program("python3", PYTHON)
        for name in ("launchctl", "true", *have):
            self.program(name, "#!/bin/sh\n")

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def setup(self, kind: str) -> tuple[int, str]:
        """Run the script; return its status and what it said."""
        argv = [str(self.bin / "sh"), "scripts/setup.sh", kind]
        env = {"PATH": str(self.bin), "TMPDIR": str(self.tree)}
        ran = subprocess.run(argv, cwd=self.tree, env=env, capture_output=True, text=True)
        return ran.returncode, ran.stdout + ran.stderr

    def calls(self) -> list[str]:
        """Return what was done to the machine since the last call."""
        file = self.tree / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


def test_a_user_who_may_not_install_is_told_the_one_command_for_all_that_is_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, have=())
    machine.program("apt-get", APT_GET)

    code, said = machine.setup("dev")

    assert (2, []) == (code, machine.calls())
    assert "setup: missing: tmux at; run: sudo apt-get install -y --no-install-recommends tmux at\n" == said


def test_without_a_package_manager_a_person_is_told_what_is_missing(tmp_path: Path) -> None:
    code, said = Machine(tmp_path, user=0, have=()).setup("demo")

    assert 2 == code
    assert "setup: tmux is missing; run: your system's package manager, to install tmux\n" == said


@pytest.mark.parametrize(("user", "sudo"), [(0, ""), (1000, '#!/bin/sh\nshift\nexec "$@"\n')])
def test_root_and_sudo_without_a_password_install_after_fetching_the_lists(
    tmp_path: Path, user: int, sudo: str
) -> None:
    machine = Machine(tmp_path, user=user, have=("at", "atq", "atrm"))
    machine.program("apt-get", APT_GET.replace("BIN", str(machine.bin)))
    if sudo:
        machine.program("sudo", sudo)

    code, _ = machine.setup("dev")

    install = "apt-get install -y --no-install-recommends tmux"
    assert 0 == code
    assert [install, "apt-get update", install, "-m venv --clear .venv", *DEV] == machine.calls()


def test_sudo_that_wants_a_password_is_not_used(tmp_path: Path) -> None:
    machine = Machine(tmp_path, have=())
    machine.program("apt-get", APT_GET)
    machine.program("sudo", "#!/bin/sh\necho 'a password is required' >&2\nexit 1\n")

    code, said = machine.setup("demo")

    assert (2, []) == (code, machine.calls())
    assert "a password" not in said


def test_the_demo_goes_on_without_at_and_says_what_that_costs(tmp_path: Path) -> None:
    machine = Machine(tmp_path, have=("tmux",))
    machine.program("apt-get", APT_GET)

    code, said = machine.setup("demo")

    assert 0 == code
    assert "at is missing; run: sudo apt-get install -y --no-install-recommends at\n" in said
    assert "going on without at" in said
    assert ["-m venv --clear .venv", *DEMO] == machine.calls()


def test_a_stopped_daemon_is_not_started_by_a_user_but_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.program("launchctl", "#!/bin/sh\nexit 1\n")

    code, said = machine.setup("dev")

    assert (2, []) == (code, machine.calls())
    assert "the daemon of at is not running; run: sudo launchctl load -w " in said


def test_root_on_linux_gets_what_the_torture_needs_or_goes_on_without(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    here, there = (Machine(tmp_path / name, user=0) for name in ("with", "without"))
    for machine, manager in ((here, APT_GET), (there, "#!/bin/sh\nexit 100\n")):
        machine.program("uname", "#!/bin/sh\necho Linux\n")
        machine.program("apt-get", manager.replace("BIN", str(machine.bin)))

    here.setup("dev")
    _, said = there.setup("dev")

    packages = "strace valgrind faketime bubblewrap chromium libnotify-bin dbus"
    assert f"apt-get install -y --no-install-recommends {packages}" in here.calls()
    assert f"setup: going on without {packages}: tests that need it are skipped\n" in said


def test_a_second_setup_does_and_says_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.setup("dev")
    machine.calls()

    assert (0, "") == machine.setup("dev")
    assert (0, "") == machine.setup("demo")
    assert [] == machine.calls()


def test_what_the_demo_installed_is_not_enough_for_tests(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.setup("demo")
    machine.calls()

    machine.setup("dev")

    assert DEV == machine.calls()


def test_what_the_measurements_installed_is_enough_for_all(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.setup("bench")

    assert ["-m venv --clear .venv", "pip requirements/bench.txt", "pip ."] == machine.calls()
    assert [(0, ""), (0, "")] == [machine.setup("dev"), machine.setup("demo")]


def test_uv_installs_from_the_lock_where_it_is_there(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.program("uv", UV)

    machine.setup("dev")

    sync = "uv sync --quiet --locked --python .venv/bin/python --extra dev in .venv"
    assert ["-m venv --clear .venv", sync] == machine.calls()
    assert (0, "") == machine.setup("demo")


def test_where_uv_fails_pip_installs_what_is_locked(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.program("uv", "#!/bin/sh\necho no lock of mine; exit 2\n")

    code, said = machine.setup("demo")

    assert (0, ["-m venv --clear .venv", *DEMO]) == (code, machine.calls())
    assert "no lock of mine\n" in said
    assert "setup: going on with pip, from requirements/demo.txt\n" in said


@pytest.mark.parametrize("file", ["pyproject.toml", "uv.lock"])
def test_a_changed_pyproject_or_lock_installs_again_into_the_same_environment(tmp_path: Path, file: str) -> None:
    machine = Machine(tmp_path)
    machine.setup("dev")
    machine.calls()
    (tmp_path / file).write_text("changed = true\n", encoding="utf-8")

    machine.setup("dev")

    assert DEV == machine.calls()


def test_a_moved_tree_gets_a_new_environment(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    machine = Machine(tmp_path / "old")
    machine.setup("dev")
    machine.calls()
    machine.tree = (tmp_path / "old").rename(tmp_path / "new")
    machine.bin = machine.tree / "bin"

    machine.setup("dev")

    assert ["-m venv --clear .venv", *DEV] == machine.calls()


def test_what_fails_is_shown_and_tried_again_the_next_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.program("python3", PYTHON.replace('"pip ${*##* }" >>calls', "no network; exit 3"))

    code, said = machine.setup("dev")

    assert 3 == code
    assert "no network\nsetup: failed with status 3: .venv/bin/python -m pip install" in said
    machine.program("python3", PYTHON)
    shutil.copy(machine.bin / "python3", tmp_path / ".venv" / "bin" / "python")
    assert 0 == machine.setup("dev")[0]
    assert DEV == machine.calls()[-2:]


def test_an_interpreter_that_is_too_old_is_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=0)
    machine.program("apt-get", "#!/bin/sh\n")
    machine.program("python3", "#!/bin/sh\nexit 1\n")

    code, said = machine.setup("demo")

    assert 2 == code
    assert "older than 3.11" in said

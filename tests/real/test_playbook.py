"""The playbook typed to the letter, with its own scripts: `playbook.txt` has its commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.rig import PATH, REAL, Rig, Said, rigged
from tests.waiting import until

pytestmark = REAL

PLAYBOOK = Path(__file__).with_name("playbook.txt")
CLIENT = r"""#!/bin/sh
# In the place of Claude Code in print mode: it works until it may end, and makes its file unless it is to skip that.
[ "$1" = --version ] && exec echo "2.1.197 (Claude Code)"
unit=$(cat) && unit=${unit##* for }
echo '{"type":"system","subtype":"init","session_id":"s"}'
echo '{"type":"assistant","message":{"content":[{"type":"text","text":"Condensing '$unit'"}]}}'
while [ ! -e "go_$unit" ]; do sleep 0.05; done
[ -e "skip_$unit" ] || echo "from $unit" >"output_dir/$unit.yml"
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","total_cost_usd":0.01}'
"""


def typed() -> dict[str, str]:
    """Return the playbook's commands, by what they are for."""
    parts = PLAYBOOK.read_text().removeprefix("[").split("\n[")
    return dict(part.split("]\n", 1) for part in parts)


class Desk(Rig):
    """A shell of somebody who follows the playbook, with their own tmux server."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.socket = place / f"tmux-{os.getuid()}" / "default"

    def clean(self) -> dict[str, str]:
        """Return the environment of that shell."""
        return {
            **super().clean(),
            "PATH": f"{self.place}/.local/bin:{self.place}/bin:{PATH}",
            "TMUX_TMPDIR": str(self.place),
            "WAKEMAN_STATE": str(self.state),
        }

    def types(self, step: str, **values: str) -> Said:
        """Type a step of the playbook."""
        text = typed()[step].replace("worker_X", f"worker_{values.get('X', 'X')}").replace("+ N ", "+ 5 ")
        return self.call(["sh", "-c", text], {**self.clean(), **values})

    def launches(self, units: str) -> None:
        """Type the loop that launches workers."""
        said = self.types("launch", UNITS=units, AGENT="librarian", PROMPT="Condense the docs")
        assert (0, "") == (said.returncode, said.stderr.replace("next: wakeman watch-sessions worker_\n", "")), said


@pytest.fixture
def desk() -> Iterator[Desk]:
    with rigged(Desk) as made:
        (made.place / "bin").mkdir()
        (made.place / "output_dir").mkdir()
        client = made.place / "bin" / "claude"
        client.write_text(CLIENT)
        client.chmod(0o755)
        said = made.run("compat")
        assert 0 == said.returncode, said.stderr
        assert 0 == made.call(["tmux", "new-session", "-d", "-s", "claude-desktop", "cat"]).returncode
        yield made


def test_the_playbook_typed_to_the_letter(desk: Desk) -> None:
    desk.launches("a b")
    assert ["worker_a", "worker_b"] == [row.split(":")[0] for row in desk.types("alive").stdout.splitlines()]

    said = desk.types("alarm")
    (job,) = [job for job in desk.alarms() if "send_prompt.sh" in desk.body(job)]
    desk.fire(job)
    until(lambda: "AT wake-up: Check workers" in desk.tmux("capture-pane", "-p", "-t", "=claude-desktop:"), 30)

    assert "0" == desk.types("progress").stdout.strip(), said
    until(lambda: "Condensing b" in desk.types("stuck", X="b").stdout, 30)

    (desk.place / "skip_b").touch()
    for unit in "ab":
        (desk.place / f"go_{unit}").touch()
    until(lambda: 1 == desk.types("alive").returncode, 30)
    assert "1" == desk.types("progress").stdout.strip()

    (desk.place / "skip_b").unlink()
    (desk.place / "go_b").unlink()
    desk.launches("b")
    watched = desk.run("watch-sessions", "worker_", "--output", "output_dir/{{ unit }}.yml")
    assert 0 == watched.returncode, watched.stderr
    (desk.place / "go_b").touch()
    until(lambda: "complete" == desk.status("worker")["outcome"], 30)

    (worker,) = desk.status("worker")["workers"]
    assert (0, "verified", 0.01) == (worker["exit_code"], worker["state"], worker["cost"])
    assert "2" == desk.types("progress").stdout.strip()
    assert 0 == desk.run("audit", "worker").returncode
    assert 0 == desk.types("kill", SESSION="claude-desktop").returncode


def test_what_somebody_else_has_started_is_watched_by_name_and_left_at_the_end(desk: Desk) -> None:
    desk.call(["tmux", "new-session", "-d", "-s", "val_1", "sleep 600"])

    first = desk.run("watch-sessions", "val_", "--client", "external")
    second = desk.run("watch-sessions", "val_", "--client", "external", "--name", "another")

    assert (0, 2) == (first.returncode, second.returncode), first.stderr + second.stderr
    assert "session 'val_1' belongs to val; expected one that no deployment watches" in second.stderr
    mark = ["tmux", "list-sessions", "-F", "#{session_name} #{@wakeman}"]
    assert "val_1 val/val_1/1@" in desk.call(mark).stdout
    assert 0 == desk.run("down", "val").returncode
    assert {"claude-desktop", "val_1"} == set(desk.call(mark).stdout.split())


def test_a_script_says_what_is_wrong(desk: Desk) -> None:
    env = desk.clean()

    def says(*words: str) -> tuple[int, str]:
        said = desk.call([*words], env)
        return said.returncode, said.stderr.splitlines()[0]

    assert (1, True) == ((told := says("send_prompt.sh", "nobody", "x", "--force"))[0], "no session nobody" in told[1])
    assert (2, "usage: send_prompt.sh TARGET TEXT [--force] [--submit]") == says("send_prompt.sh")
    wrong = {
        ("-s", "w", "-A", "librarain", "x"): "error: -A: found 'librarain'; expected one of custodian, dev-lead,",
        ("-s", "a b", "x"): "error: -s: found 'a b'; expected letters, digits, '_' and '-'",
        ("-s", "claude-desktop", "x"): "error: -s: a session 'claude-desktop' is there already;",
        ("-s", "w", " "): "error: found no prompt;",
    }
    for words, why in wrong.items():
        assert says("claude_cli.sh", "-t", "-a", *words)[1].startswith(why)
    assert "error: found no -a; expected it: nobody is there to approve" == says("claude_cli.sh", "-t", "x")[1]
    assert ["claude-desktop"] == desk.sessions()


def test_without_t_it_runs_in_this_terminal(desk: Desk) -> None:
    (desk.place / "go_a").touch()

    said = desk.call(["claude_cli.sh", "-a", "-s", "w", "Condense for a"])

    assert (0, True) == (said.returncode, (desk.place / "output_dir" / "a.yml").exists()), said.stderr


def test_scripts_of_another_are_not_replaced_unless_that_is_said(desk: Desk) -> None:
    own = desk.place / "own" / "claude_cli.sh"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\n# mine\n")

    refused = desk.run("compat", "own")
    kept = desk.run("compat", "own", "--remove")

    assert (2, 2, "#!/bin/sh\n# mine\n") == (refused.returncode, kept.returncode, own.read_text())
    assert 0 == desk.run("compat", "own", "--force").returncode
    assert sys.executable in own.read_text()
    assert 0 == desk.run("compat", "own").returncode
    assert 0 == desk.run("compat", "own", "--remove").returncode
    assert [] == list(own.parent.iterdir())

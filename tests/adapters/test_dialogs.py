"""A client's dialog is read by its table, each choice is made by its own keys: on recorded screens, in real tmux."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.adapters.conftest import Rig, server_of_its_own
from tests.drawn import DOWN, ENTER, RECORDED, RIGHT, UP, WORKS, keys, marked, recorded, stand_in
from tests.waiting import until

from wakeman.adapters.harness import find
from wakeman.core.policy.dialogs import cut_in_the_middle, fingerprint, permitting
from wakeman.engine.attempt.answering import press_choices
from wakeman.ports import DialogReader, Pressing, ShownDialog

ALL = {str(path.relative_to(RECORDED).with_suffix("")): path.read_text() for path in RECORDED.rglob("*.txt")}
READ = {
    # screen: kind, what its choices mean, the marked one, whether numbers choose
    "claude-waiting-command": ("permission", ("once", "deny"), 0, True),
    "claude-waiting-permission": ("permission", ("once", "always", "deny"), 0, True),
    "claude-waiting-question": ("question", ("", "", "text", ""), 0, True),
    "claude-waiting-trust": ("dialog", ("always", "deny"), 0, True),
    "claude-waiting-bypass": ("dialog", ("deny", "always"), 0, True),
    "2.1.332/claude-waiting-command": ("permission", ("once", "", "deny"), 0, True),
    "2.1.332/claude-waiting-permission": ("permission", ("once", "always", "deny"), 0, True),
    "2.1.332/claude-waiting-question": ("question", ("", "", "text", ""), 0, True),
    "2.1.332/claude-waiting-survey": ("question", ("", "", "text", ""), 0, True),
    "2.1.332/claude-waiting-parts": ("question", ("", "", "", "text", ""), 0, True),
    "2.1.332/claude-waiting-submit": ("question", ("", ""), 0, True),
    "2.1.332/claude-waiting-trust": ("dialog", ("deny", "always"), 0, False),
    "2.1.332/claude-waiting-bypass": ("dialog", ("deny", "always"), 0, False),
    "2.1.332/claude-waiting-apikey": ("permission", ("once", "deny"), 1, False),
    "codex-waiting-permission": ("permission", ("once", "always", "deny"), 0, True),
    "codex-waiting-trust": ("dialog", ("always", ""), 0, True),
    "0.171.0/codex-waiting-permission": ("permission", ("once", "always", "deny"), 0, True),
    "0.171.0/codex-waiting-trust": ("dialog", ("always", ""), 0, True),
    "gemini-waiting-permission": ("permission", ("once", "always", "", "deny"), 0, True),
    "opencode-waiting-permission": ("permission", ("once", "always", "deny"), -1, False),
    "opencode-waiting-edit": ("permission", ("once", "always", "deny"), -1, False),
    "opencode-waiting-always": ("permission", ("always", ""), -1, False),
}
QUESTION = recorded("2.1.332/claude-waiting-question.80x24")


def reader(name: str) -> DialogReader:
    found = find(name.rpartition("/")[2].partition("-")[0])
    assert isinstance(found, DialogReader)
    return found


def dialog(name: str, screen: str) -> ShownDialog:
    found = reader(name).dialog(screen)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ALL)
def test_of_the_recorded_screens_exactly_those_that_wait_show_a_dialog(name: str) -> None:
    base = re.sub(r"\.\d+x\d+$", "", name)
    shown = reader(name).dialog(ALL[name])

    assert ("waiting" in name) == (shown is not None)
    if shown is not None:
        does = tuple(choice.does for choice in shown.dialog.choices)
        assert READ[base] == (shown.dialog.kind, does, shown.marked, shown.numbered)


@pytest.mark.parametrize("base", [base for base in READ if f"{base}.80x24" in ALL])
def test_a_question_has_one_fingerprint_in_any_size_and_whatever_is_marked(base: str) -> None:
    """Where a client breaks a word, as Codex does with a long command, another size gives another one: a refusal."""
    narrow, wide = ALL[f"{base}.80x24"], ALL[f"{base}.200x50"]
    one = dialog(base, narrow).dialog.seen

    assert one == dialog(base, wide).dialog.seen
    if "claude" in base:
        label = dialog(base, narrow).dialog.choices[1 - dialog(base, narrow).marked].label
        assert one == dialog(base, marked(narrow, label)).dialog.seen


def test_another_command_is_another_question_even_if_only_a_blank_differs() -> None:
    screen = ALL["claude-waiting-command.80x24"]
    others = [screen.replace("sleep 7200", text) for text in ("sleep 7201", "sleep 72 00", "sleep 7200 ; rm -r /")]

    assert 4 == len({dialog("claude", one).dialog.seen for one in (screen, *others)})


def test_a_text_that_is_being_typed_into_a_question_leaves_it_the_same() -> None:
    typed = marked(QUESTION.replace("Type something.", "as a table"), "as a table").replace(
        "navigate ·", "navigate · ctrl+g to edit in Vim ·"
    )
    was, now = dialog("claude", QUESTION), dialog("claude", typed)

    assert (was.dialog.seen, True, False, 2) == (now.dialog.seen, was.empty, now.empty, now.marked)


@pytest.mark.parametrize(
    "line", ["  Enter to select", "  2. Cancel", " Do you want to proceed?", "❯ 1. Yes\n  2. No\n\n  Enter to select"]
)
def test_what_a_worker_writes_into_a_permission_dialog_makes_no_question_of_it(line: str) -> None:
    screen = ALL["claude-waiting-permission.80x24"].replace(" 1 written", f" 1 {line}\n  2 written")

    found = reader("claude").dialog(screen)

    assert found is None or found.dialog.kind == "permission"
    if found is not None:
        assert ("Yes", "once") == (found.dialog.choices[0].label, found.dialog.choices[0].does)


@pytest.mark.parametrize("name", [name for name in ALL if "idle" in name])
def test_choices_that_are_typed_into_an_input_box_are_no_dialog(name: str) -> None:
    screen = re.sub(r"^([❯›])[^\n]*(?=\n[^\n]*\Z|\n─)", r"\1 1. Yes\n  2. No", ALL[name].rstrip(), flags=re.MULTILINE)

    assert reader(name).dialog(screen) is None


def test_a_long_question_keeps_its_beginning_and_its_end() -> None:
    text = cut_in_the_middle("Bash command " + "x" * 900 + " Do you want to proceed?")

    assert text.startswith("Bash command xxx")
    assert text.endswith("xxx Do you want to proceed?")
    assert 300 > len(text) > 280


LABELS = ("Allow once", "Allow always", "Reject", "Confirm", "Cancel")


def coloured(screen: str, label: str) -> str:
    """Return a recorded screen of OpenCode with a choice on another background, as the client draws it."""
    rows = screen.splitlines()
    at = max(n for n, row in enumerate(rows) if any(f" {each} " in row for each in LABELS))
    panel = rows[at].replace("┃", "┃\x1b[48;5;234m", 1)
    rows[at] = panel.replace(f" {label} ", f"\x1b[48;5;215m {label} \x1b[48;5;234m", 1) + "\x1b[0m"
    return "\n".join(rows)


@pytest.mark.parametrize("size", ["80x24", "200x50"])
@pytest.mark.parametrize(
    ("base", "label", "marked"), [("edit", "Reject", 2), ("edit", "Allow once", 0), ("always", "Cancel", 1)]
)
def test_a_choice_that_only_its_background_marks_is_read_from_a_painted_screen(
    base: str, label: str, marked: int, size: str
) -> None:
    screen = recorded(f"opencode-waiting-{base}.{size}")
    painted, plain = (dialog("opencode-", one) for one in (coloured(screen, label), screen))

    assert (marked, -1) == (painted.marked, plain.marked)
    assert painted.dialog == plain.dialog


@pytest.mark.parametrize("name", ["opencode-waiting-edit.80x24", "opencode-waiting-always.80x24"])
def test_the_first_choice_is_marked_when_a_dialog_of_opencode_opens(name: str) -> None:
    assert 0 == dialog("opencode-", (RECORDED / f"{name}.ansi").read_text()).marked


def test_rows_like_those_of_a_dialog_that_a_worker_writes_into_it_change_no_choice() -> None:
    screen = recorded("opencode-waiting-permission.80x24")
    quoted = screen.replace("  ┃  $ setsid", "  ┃  △ Always allow\n  ┃   Confirm   Cancel\n  ┃  $ setsid", 1)

    found = dialog("opencode-", quoted)

    assert ("Allow once", "Allow always", "Reject") == tuple(choice.label for choice in found.dialog.choices)
    assert (False, True) == (found.confirms, "Always allow" in found.dialog.asks)


class Case(NamedTuple):
    """A dialog, what is chosen, the keys that must come, and how the client answers to them."""

    name: str
    chosen: tuple[int, ...] | str
    keys: tuple[str, ...]
    moves: dict[str, dict[str, str]]
    text: str = ""


NUMBER = {"first": {"1": "over", "2": "over", "3": "over", "4": "over"}}
CASES = [
    Case("claude-waiting-command.80x24", "once", ("1",), NUMBER),
    Case("claude-waiting-command.80x24", "deny", ("2",), NUMBER),
    Case("2.1.332/claude-waiting-permission.80x24", "always", ("2",), NUMBER),
    Case("2.1.332/claude-waiting-permission.80x24", "deny", ("3",), NUMBER),
    Case("2.1.332/claude-waiting-question.80x24", (1,), ("2",), NUMBER),
    Case("2.1.332/claude-waiting-trust.80x24", "always", (DOWN, ENTER), {"first": {DOWN: "moved"}}),
    Case("2.1.332/claude-waiting-trust.80x24", "deny", (ENTER,), {"first": {ENTER: "over"}}),
    Case("2.1.332/claude-waiting-apikey.80x24", "once", (UP, ENTER), {"first": {UP: "moved"}}),
    Case("codex-waiting-permission.200x50", "once", ("1",), NUMBER),
    Case("codex-waiting-permission.200x50", "deny", ("3",), NUMBER),
    Case("0.171.0/codex-waiting-permission.200x50", "always", ("2",), NUMBER),
    Case("gemini-waiting-permission.80x24", "once", ("1",), NUMBER),
    Case("gemini-waiting-permission.80x24", "deny", ("4",), NUMBER),
]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with server_of_its_own() as made:
        yield made


def begin(rig: Rig, case: Case, **more: str) -> ShownDialog:
    """Start the stand-in with a dialog, and wait until it is drawn."""
    screen = recorded(case.name)
    shown = dialog(case.name, screen)
    screens = {"first": screen, **more}
    moves = {**case.moves}
    if "moved" in str(moves) and "moved" not in screens:
        other = shown.dialog.choices[1 - shown.marked].label
        screens["moved"], moves["moved"] = marked(screen, other), {ENTER: "over"}
    program = stand_in(rig.place / "bin", screens, moves, types="text" if "text" in screens else "")
    start(rig, program)
    return shown


def start(rig: Rig, program: Path) -> None:
    """Start the stand-in, and wait until it has drawn its first screen."""
    rig.raw("new-session", "-d", "-s", "w", "-x", "200", "-y", "50", str(program))
    until(lambda: rig.raw("capture-pane", "-p", "-t", "w"))


def press(rig: Rig, case: Case, shown: ShownDialog) -> str:
    n = permitting(shown.dialog, case.chosen) if isinstance(case.chosen, str) else None  # type: ignore[arg-type] # a table's word
    chosen = (n,) if n is not None else case.chosen
    assert not isinstance(chosen, str)
    return press_choices(
        rig.tmux, "w", "", reader(case.name), Pressing(shown.dialog.seen, chosen, case.text), time.sleep
    )


@pytest.mark.real
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.chosen}")
def test_each_choice_of_a_dialog_is_made_by_its_keys(rig: Rig, case: Case) -> None:
    shown = begin(rig, case)

    assert "" == press(rig, case, shown)
    assert list(case.keys) == keys(rig.place / "bin")


BESIDE = [("once", (ENTER,)), ("always", (RIGHT, ENTER, ENTER)), ("deny", (RIGHT, RIGHT, ENTER))]


@pytest.mark.real
@pytest.mark.parametrize(("permission", "wanted"), BESIDE)
def test_choices_beside_each_other_are_made_by_moving_the_mark_and_always_is_confirmed(
    rig: Rig, permission: str, wanted: tuple[str, ...]
) -> None:
    asked, again = (recorded(f"opencode-waiting-{name}.80x24") for name in ("edit", "always"))
    screens = {
        "first": coloured(asked, "Allow once"),
        "always": coloured(asked, "Allow always"),
        "reject": coloured(asked, "Reject"),
        "again": coloured(again, "Confirm"),
    }
    moves = {
        "first": {RIGHT: "always", ENTER: "over"},
        "always": {RIGHT: "reject", ENTER: "again"},
        "reject": {ENTER: "over"},
        "again": {ENTER: "over"},
    }
    start(rig, stand_in(rig.place / "bin", screens, moves))

    assert "" == press(rig, Case("opencode-waiting-edit.80x24", permission, (), {}), dialog("opencode-", asked))
    assert list(wanted) == keys(rig.place / "bin")


@pytest.mark.real
def test_where_no_choice_shows_as_marked_nothing_is_pressed(rig: Rig) -> None:
    screen = recorded("opencode-waiting-edit.80x24")
    start(rig, stand_in(rig.place / "bin", {"first": screen}, {}))

    said = press(rig, Case("opencode-waiting-edit.80x24", "once", (), {}), dialog("opencode-", screen))

    assert ("which choice is marked does not show: nothing was pressed", []) == (said, keys(rig.place / "bin"))


@pytest.mark.real
def test_a_text_is_typed_into_the_choice_that_takes_one_and_submitted_once(rig: Rig) -> None:
    moves = {"first": {"3": "text"}, "text": {ENTER: "over"}}
    case = Case("2.1.332/claude-waiting-question.80x24", (2,), ("3", ENTER), moves, "as a\ntable; $(date) 4")
    shown = begin(rig, case, text=marked(QUESTION, "Type something.").replace("Type something.", "TYPED"))

    assert "" == press(rig, case, shown)
    assert ["3", ENTER] == keys(rig.place / "bin")


@pytest.mark.real
def test_with_the_mark_on_that_choice_a_number_would_be_typed_so_the_mark_is_moved(rig: Rig) -> None:
    moves = {"first": {UP: "second"}, "second": {ENTER: "over"}}
    at_text = marked(QUESTION, "Type something.")
    case = Case("2.1.332/claude-waiting-question.80x24", (1,), (UP, ENTER), moves)
    program = stand_in(rig.place / "bin", {"first": at_text, "second": marked(QUESTION, "2. Prose")}, moves)
    start(rig, program)

    assert "" == press(rig, case, dialog("claude", at_text))
    assert [UP, ENTER] == keys(rig.place / "bin")


@pytest.mark.real
def test_several_answers_are_ticked_and_the_question_is_left_once_exactly_they_are(rig: Rig) -> None:
    screen = recorded("2.1.332/claude-waiting-parts.80x24")
    one, both = screen.replace("1. [ ]", "1. [✔]"), screen.replace("1. [ ]", "1. [✔]").replace("3. [ ]", "3. [✔]")
    moves = {"first": {"1": "one"}, "one": {"3": "both"}, "both": {RIGHT: "over"}}
    case = Case("2.1.332/claude-waiting-parts.80x24", (0, 2), ("1", "3", RIGHT), moves)
    shown = begin(rig, case, one=one, both=both)

    assert "" == press(rig, case, shown)
    assert ["1", "3", RIGHT] == keys(rig.place / "bin")


@pytest.mark.real
@pytest.mark.parametrize(
    ("moves", "why", "got"),
    [
        ({}, "the same question is still shown", ["1"]),
        ({"first": {"1": "again"}, "again": {}}, "the same question is still shown", ["1"]),
    ],
)
def test_keys_without_an_effect_are_not_pressed_again(
    rig: Rig, moves: dict[str, dict[str, str]], why: str, got: list[str]
) -> None:
    case = Case("claude-waiting-command.80x24", "once", ("1",), moves)
    shown = begin(rig, case, again=recorded("claude-waiting-command.80x24"))

    assert why in press(rig, case, shown)
    assert got == keys(rig.place / "bin")


@pytest.mark.real
@pytest.mark.parametrize("screen", [WORKS, QUESTION, recorded("claude-waiting-command.80x24").replace("7200", "1")])
def test_nothing_is_pressed_where_the_screen_shows_something_else_now(rig: Rig, screen: str) -> None:
    shown = dialog("claude", recorded("claude-waiting-command.80x24"))
    program = stand_in(rig.place / "bin", {"first": screen}, {})
    start(rig, program)
    case = Case("claude-waiting-command.80x24", "once", (), {})

    assert "something else now" in press(rig, case, shown)
    assert [] == keys(rig.place / "bin")


def test_a_key_that_is_not_of_a_dialog_is_refused_by_the_terminal(rig: Rig) -> None:
    for wrong in ((), ("C-c",), ("Enter", "kill-server")):
        with pytest.raises(ValueError, match=r"\("):
            rig.tmux.press("w", wrong)


def test_drawing_characters_and_ticks_are_no_part_of_a_fingerprint() -> None:
    assert fingerprint("╭──╮\n│ ☐ A │\n❯ 1. [ ] B") == fingerprint("☒ A\n1. [✔] B")

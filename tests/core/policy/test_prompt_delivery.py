"""Typed text is padded, and recognised on the screens of known clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wakeman.core.log.events import Draft, Intended
from wakeman.core.log.state import apply_drafts
from wakeman.core.model import Deployment, Observation, OpenIntent, WorkerState
from wakeman.core.policy.prompt_delivery import (
    ENTER_AGAIN_S,
    INPUT_BOX_ROWS_MAX,
    UNCONFIRMED_S,
    Became,
    confirmation,
    half_typed,
    input_box,
    padded,
    text_fate,
    unsent,
)

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
RULE = "─" * 40
CLAUDE = "● Done.\n\n" + RULE + "\n❯ {}\n" + RULE + "\n  ⏵⏵ accept edits on (shift+tab to cycle)\n"
CODEX = "• Done.\n\n  Worked for <1s\n\n› {}\n\n  stand-in default · ~\n  ? for shortcuts\n"
GEMINI = (
    "✦ Done.\n" + RULE + "\n auto-accept edits\n > {}\n\n workspace (/directory)    sandbox\n ~         no sandbox\n"
)
OPENCODE = "     Done.\n\n  ┃\n  ┃  {}\n  ┃\n  ┃  Build · stand-in stand\n  ╹▀▀▀\n   /tmp/x      120  ctrl+p commands\n"
GEMINI_YOLO = (
    "✦ Done.\n  * one\n" + RULE + "\n YOLO Ctrl+Y\n * {}\n\n workspace (/directory)    sandbox\n ~         no sandbox\n"
)
SCREENS = {
    "claude": (CLAUDE, ""),
    "claude, new": (CLAUDE, 'Try "fix lint errors"'),
    "codex": (CODEX, "Ask Codex to do anything"),
    "gemini": (GEMINI, "  Type your message or @path/to/file"),
    "gemini, approves everything": (GEMINI_YOLO, "  Type your message or @path/to/file"),
    "opencode": (OPENCODE, ""),
    "opencode, approves everything": (OPENCODE.replace("Build", "Build auto"), ""),
}
EACH = pytest.mark.parametrize(("screen", "empty"), SCREENS.values(), ids=SCREENS)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("go on", "go on"),
        ("!ls", " !ls"),
        ("/help", "> /help"),
        (" /help", ">  /help"),
        ("# a note", " # a note"),
        ("look at @a/b.md", "look at @a/b.md "),
        ("@a.md", "@a.md "),
        ("write to me@here", "write to me@here"),
        ("look at @a.md now", "look at @a.md now"),
        ("C:\\", "C:\\ "),
        ("/x\ntwo;\n@y", "> /x\ntwo;\n@y "),
        ("", ""),
    ],
)
def test_a_beginning_or_end_that_a_client_would_take_for_its_own_gets_a_blank(text: str, typed: str) -> None:
    assert typed == padded(text)


@EACH
def test_the_input_box_of_each_client_is_found_empty_and_with_its_text(screen: str, empty: str) -> None:
    assert ("", "half typed") == (input_box(screen.format(empty)), input_box(screen.format("half typed")))


@pytest.mark.parametrize(
    "screen", ["", "user@host:~$", "Which one?\n  1. Yes\n  2. No", "❯ far above\n" + "row\n" * 9, "* one\n  * two"]
)
def test_a_screen_without_a_box_has_none(screen: str) -> None:
    assert input_box(screen) is None


@pytest.mark.parametrize(
    ("screen", "text"),
    [
        (f"{RULE}\n * half typed", "half typed"),
        (f"{RULE}\n YOLO\n * half typed", "half typed"),
        (f"{RULE}\n one\n two\n * three", None),
        (f" one\n * two\n{RULE}", None),
        (f"{RULE}\n *", ""),
    ],
)
def test_a_star_begins_a_box_only_right_below_a_rule(screen: str, text: str | None) -> None:
    assert text == input_box(screen)


@EACH
def test_a_text_that_was_typed_waits_in_the_box_or_was_taken(screen: str, empty: str) -> None:
    text = "Go on with these: a.md; b.md"

    assert ("waits", "taken") == (
        text_fate(screen.format(text), text, typed=True),
        text_fate(screen.format(empty), text, typed=True),
    )


@pytest.mark.parametrize("below", range(INPUT_BOX_ROWS_MAX + 1))
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_box_is_looked_for_in_the_last_lines_that_have_text(below: int, blank: str) -> None:
    screen = "❯ half typed\n" + f"row\n{blank}" * below

    assert ("half typed" if below < INPUT_BOX_ROWS_MAX else None) == input_box(screen)
    assert input_box(screen) == input_box("another\n" * 9 + screen)


def test_of_several_boxes_the_lowest_counts() -> None:
    assert ["now"] * 2 == [input_box(screen.format("before") + screen.format("now")) for screen in (CLAUDE, OPENCODE)]


@pytest.mark.parametrize("text", ["y", "Hi\nthere,\nfriends", "Go on with these: a.md; b.md", "é" * 300])
def test_a_text_of_any_length_is_known_again_in_the_box_with_all_its_lines(text: str) -> None:
    screen = CLAUDE.format("\n  ".join(text.splitlines()))

    assert "waits" == text_fate(screen, text, typed=False)
    assert "unknown" == text_fate(screen, "something else\nof two lines", typed=True)


@pytest.mark.parametrize("shown", ["Go on with", "these: a.md; b.md"])
def test_a_box_may_show_the_beginning_or_the_end_of_a_text(shown: str) -> None:
    assert "waits" == text_fate(CLAUDE.format(shown), "Go on with these: a.md; b.md", typed=False)


@EACH
@pytest.mark.parametrize("text", ["", "…", "not", "Go on with these"])
def test_a_box_that_holds_something_else_shows_nothing(screen: str, empty: str, text: str) -> None:
    assert "unknown" == text_fate(screen.format("a person's line"), text, typed=True)
    assert "unknown" == text_fate(screen.format(empty), text, typed=False)


def test_a_client_at_work_has_taken_the_text_wherever_it_says_so() -> None:
    text = "Go on with these: a.md"

    assert ["taken"] * 3 == [
        text_fate(screen, text, typed=True)
        for screen in ("● Done.\n" + WORKS, WORKS + "? for shortcuts\n", WORKS + CLAUDE.format("a person's line"))
    ]


WORKS = "✻ Brewing… (esc to interrupt)\n"


@pytest.mark.parametrize(
    ("screen", "typed", "what"),
    [
        (CLAUDE.format("[Pasted text #1 +53 lines]"), True, "waits"),
        (CLAUDE.format("Go on with"), True, "waits"),
        (CLAUDE.format("Go"), True, "unknown"),
        (CLAUDE.format("a person's line"), True, "unknown"),
        (CLAUDE.format(""), False, "unknown"),
        ("❯ Go on with\n  these: a.md\n" + CLAUDE.format(""), False, "taken"),
        (WORKS + CLAUDE.format(""), True, "taken"),
        (WORKS, False, "unknown"),
        (WORKS, True, "taken"),
        ("Do you want to?\n❯ 1. Yes\nEnter to confirm", True, "unknown"),
    ],
)
def test_a_screen_tells_no_more_of_a_text_than_it_shows(screen: str, typed: bool, what: Became) -> None:
    assert what == text_fate(screen, "Go on with these: a.md", typed=typed)


def worker(**seen: object) -> WorkerState:
    """Return a worker who was typed to, as a look has seen it."""
    observation = Observation(**{"worker": "w", "attempt": 1, "session": "running", **seen})  # type: ignore[arg-type] # a test's own
    return WorkerState(name="w", session="w", attempt=1, observation=observation)


TYPED = OpenIntent(seq=7, action="nudge", at=NOW, text="go on", typed=True)
ENTERED = OpenIntent(seq=7, action="nudge", at=NOW, text="go on", typed=True, enters=1)
LATE = NOW + timedelta(seconds=UNCONFIRMED_S)


@pytest.mark.parametrize(
    ("prompt", "seen", "seconds", "ok"),
    [
        (None, {"prompt": "heard"}, 0.0, None),
        (TYPED, {"prompt": "heard"}, 0.0, True),
        (TYPED, {"prompt": "taken"}, 0.0, True),
        (TYPED, {"prompt": "waits"}, UNCONFIRMED_S, None),
        (TYPED, {"prompt": "unknown"}, UNCONFIRMED_S - 1, None),
        (TYPED, {"prompt": "unknown"}, UNCONFIRMED_S, False),
        (TYPED, {"prompt": ""}, UNCONFIRMED_S, None),
        (TYPED, {"prompt": "unknown", "session": "unknown"}, ENTER_AGAIN_S, None),
        (TYPED, {"prompt": "unknown", "session": "queued"}, ENTER_AGAIN_S, None),
        (TYPED, {"session": "exited"}, 0.0, False),
        (TYPED, {"session": "exited", "prompt": "heard"}, 0.0, False),
        (TYPED, {"prompt": "heard", "attempt": 2}, 0.0, None),
        (
            ENTERED,
            {"prompt": "waits"},
            ENTER_AGAIN_S,
            False,
        ),
        (
            ENTERED,
            {"prompt": "waits"},
            ENTER_AGAIN_S - 1,
            None,
        ),
        (OpenIntent(seq=7, action="nudge", at=NOW, text="go on"), {"prompt": "unknown"}, UNCONFIRMED_S, False),
    ],
)
def test_a_text_is_settled_by_evidence_or_when_none_can_be_waited_for(
    prompt: OpenIntent | None, seen: dict[str, object], seconds: float, ok: bool | None
) -> None:
    told = confirmation(worker(**seen), prompt, NOW + timedelta(seconds=seconds))

    assert ok == (told.ok if told is not None else None)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"prompt": "heard"}, "the client said so"),
        ({"prompt": "taken"}, "its input box is empty again"),
        ({"prompt": "waits"}, "it stands in the input box, Enter was pressed twice"),
        ({"prompt": "unknown"}, "nothing tells that it arrived; it is not typed again"),
        ({"session": "killed"}, "its attempt has ended"),
    ],
    ids=str,
)
def test_a_text_is_settled_with_the_reason_for_it(seen: dict[str, object], why: str) -> None:
    told = confirmation(worker(**seen), ENTERED, LATE)

    assert told is not None
    assert (7, why) == (told.intent, told.why)


def test_what_was_lost_is_said_to_be_unknown_and_not_typed_again() -> None:
    lost = confirmation(worker(prompt="unknown"), OpenIntent(seq=7, action="nudge", at=NOW, text="go on"), LATE)

    assert lost is not None
    assert "whether it was typed is not known; it is not typed again" == lost.why


@pytest.mark.parametrize(
    ("prompt", "seen", "seconds", "wanted"),
    [
        (TYPED, "waits", ENTER_AGAIN_S, True),
        (TYPED, "waits", ENTER_AGAIN_S - 1, False),
        (TYPED, "taken", ENTER_AGAIN_S, False),
        (None, "waits", ENTER_AGAIN_S, False),
        (ENTERED, "waits", UNCONFIRMED_S, False),
    ],
)
def test_enter_is_repeated_once_after_a_while(
    prompt: OpenIntent | None, seen: str, seconds: float, wanted: bool
) -> None:
    assert wanted == unsent(worker(prompt=seen), prompt, NOW + timedelta(seconds=seconds))


def test_no_enter_is_pressed_for_another_attempt_or_one_that_was_not_seen() -> None:
    assert not unsent(worker(prompt="waits", attempt=2), TYPED, LATE)
    assert not unsent(WorkerState(name="w", session="w"), TYPED, LATE)


def test_without_a_look_nothing_is_settled() -> None:
    assert confirmation(WorkerState(name="w", session="w"), TYPED, NOW) is None
    assert not unsent(worker(prompt="waits"), TYPED, None)


def test_an_enter_for_which_no_text_waits_any_more_changes_nothing() -> None:
    d = Deployment(workers={"w": WorkerState(name="w", session="w")})

    apply_drafts(d, [Draft(Intended(action="enter", target="w"), worker="w", attempt=0)], NOW, "at:1")

    assert 0 == d.workers["w"].prompt


@EACH
def test_what_somebody_has_half_typed_into_each_client_is_kept_before_its_end(screen: str, empty: str) -> None:
    assert ("", "half typed") == (half_typed(screen.format(empty)), half_typed(screen.format("half typed")))


HALF = f"{{}}\n{RULE}\n❯ half typed\n{RULE}\n{{}}"
"""An input box with the line of a client above it, and one below."""
HINT = "  esc to interrupt"


@pytest.mark.parametrize(
    ("screen", "line"),
    [
        (HALF.format("● Done.", "  ? for shortcuts"), "half typed"),
        (HALF.format("● Done.", HINT), ""),
        (HALF.format(HINT, "  ? for shortcuts"), ""),
        (HALF.format("\n" + HINT, "\n  one\n\n  two\n"), ""),  # six lines from the bottom, without empty ones
        (HALF.format(HINT + "\n● Done.", "  one\n  two"), "half typed"),  # seven: what it did before
        (HALF.format("● Done.", "  Enter to select · Esc to cancel"), ""),
        ("Do you want to proceed?\n❯ 1. Yes\n  2. No", ""),
        ("Do you want to proceed?\n  1. Yes\n❯ 12. No", ""),
        ("❯ 1.5 is too much", "1.5 is too much"),
        ("user@host:~$", ""),
        ("", ""),
    ],
)
def test_nothing_is_half_typed_into_a_client_that_works_or_shows_a_dialog(screen: str, line: str) -> None:
    assert line == half_typed(screen)

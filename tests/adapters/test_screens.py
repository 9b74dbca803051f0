"""A screen is read by the client's own frame, in each size; text that it quotes from others has no effect.

The files in `screens/` were shown by the real clients at the stand-in of `tests/agents`, recorded by its `record`:
client, what it shows, size.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeman.adapters.harness import find
from wakeman.adapters.harness.client import Agentic
from wakeman.adapters.harness.table import Sign
from wakeman.core.model import Meaning
from wakeman.core.policy.last_words import sense_of
from wakeman.core.policy.prompt_delivery import half_typed, input_box, text_fate
from wakeman.ports import Evidence, Report

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RECORDED = Path(__file__).parent / "screens"
SCREENS = {path.stem: path.read_text() for path in sorted(RECORDED.glob("*.txt"))}
LATER = {f"{path.stem}@{path.parent.name}": path.read_text() for path in sorted(RECORDED.glob("*/*.txt"))}
"""Those of later versions."""
FALSE = {"waiting", "limited", "error", "idle"}
"""What somebody would act on."""


def read(client: str, screen: str, version: str = "") -> Report:
    return find(client).report(Evidence(screen=screen, version=version), NOW)


def client(name: str) -> str:
    return name.partition("-")[0]


def state(name: str) -> str:
    return re.split("[-.]", name)[1]


@pytest.mark.parametrize("name", SCREENS)
def test_a_recorded_screen_is_told_right(name: str) -> None:
    assert state(name) == read(client(name), SCREENS[name]).activity


@pytest.mark.parametrize("name", LATER)
def test_a_screen_of_a_later_version_is_told_right_whether_its_version_is_known_or_not(name: str) -> None:
    version = name.partition("@")[2]

    assert [state(name)] * 2 == [read(client(name), LATER[name], asked).activity for asked in (version, "")]


@pytest.mark.parametrize("name", [name for name in LATER if state(name) == "idle"])
def test_of_a_version_that_nobody_has_recorded_a_screen_alone_never_says_idle(name: str) -> None:
    assert "unknown" == read(client(name), LATER[name], "99.0.0").activity


@pytest.mark.parametrize("name", [name for name in LATER if state(name) != "idle"])
def test_all_else_a_screen_says_of_any_version(name: str) -> None:
    assert state(name) == read(client(name), LATER[name], "99.0.0").activity


WELCOME = """\
 ▐▛███▛█   Claude Code v2.1.332
▝▜██████▀  Opus 5.5 · API Usage Billing
 ▝▝   ▝▝   ~/work


                                                            ◐ medium · /effort
────────────────────────────────────────────────────────────────────────────────
❯ BOX
────────────────────────────────────────────────────────────────────────────────
  ⏵⏵ FOOT on (shift+tab to cycle) · ← for agents
"""


EVERY = SCREENS | LATER
TYPED = [name for name in EVERY if "-typed" in name]


@pytest.mark.parametrize("name", [name for name in EVERY if state(name) == "idle" and name not in TYPED])
def test_the_box_of_each_client_at_rest_is_found_empty(name: str) -> None:
    assert "" == input_box(EVERY[name])


@pytest.mark.parametrize("name", TYPED)
def test_what_stands_in_the_box_of_each_client_is_read(name: str) -> None:
    line = "half typed"
    fates = [text_fate(EVERY[name], text, typed=True) for text in (line, "Still missing, go on with these: a")]

    assert (line, line, ["waits", "unknown"]) == (input_box(EVERY[name]), half_typed(EVERY[name]), fates)


LONG = "half typed" + "".join(f"\n  line {n}" for n in range(9))


@pytest.mark.parametrize(
    ("box", "foot", "line"),
    [
        ("❯ half typed", "  ? for shortcuts", "half typed"),
        (f"❯ {LONG}", "  ? for shortcuts", "half typed"),
        ("❯ half typed", "\n".join(f"  {n} of its notes" for n in range(6)), "half typed"),
        ("❯ 1. first do this", "  ? for shortcuts", "1. first do this"),
        ("! ls -l", "  ! for bash mode", "ls -l"),
        ("❯", "  ? for shortcuts", ""),
        ('❯ Try "fix lint errors"', "  ? for shortcuts", ""),
        ("❯ half typed", "  esc to interrupt", ""),
    ],
)
def test_a_half_typed_line_of_claude_is_found_in_a_box_of_any_size(box: str, foot: str, line: str) -> None:
    rule = "─" * 80

    assert line == half_typed(f"● Done.\n\n✻ Worked for 9s\n\n{rule}\n{box}\n{rule}\n{foot}\n")


@pytest.mark.parametrize(
    ("box", "line"),
    [
        ("half typed", "half typed"), (LONG, "half typed"), ("Ask Codex to do anything", ""), ("1. Yes\n  2. No", ""),
        ("Improve documentation in @filename", ""), ("Explain this codebase", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_half_typed_line_of_codex_is_found_in_a_box_of_any_size(box: str, line: str) -> None:
    assert line == half_typed(f"• Done.\n\n  Worked for 6s\n\n\n› {box}\n\n  model · ~/work\n")


def test_of_each_live_client_there_is_a_screen_with_a_typed_line() -> None:
    assert {"claude", "codex", "gemini", "opencode"} == {client(name) for name in TYPED}


@pytest.mark.parametrize(
    ("name", "meaning", "end"),
    [
        ("opencode-idle-wonders.200x50", "asks", "bullets or prose?"),
        ("opencode-idle-claims.200x50", "claims", "Everything is complete."),
        ("opencode-idle-declines.200x50", "refuses", "with writing these files."),
        ("opencode-busy-hang.200x50", "", ""),
        ("opencode-error-401.200x50", "", ""),
    ],
)
def test_the_last_words_of_a_client_without_a_record_are_read_from_its_screen(
    name: str, meaning: Meaning, end: str
) -> None:
    said = find("opencode").last_words(Evidence(screen=SCREENS[name]))

    assert (True, meaning) == (said.endswith(end), sense_of(said))
    assert len(said) < 60


BESIDE = """\
  ┃{0:153}A title
  ┃  Read /home/agent/work/task.md and do what it says.
  ┃{0:153}Context
{0:156}120 tokens
     → Read task.md{0:137}0% used
{0:156}$0.00 spent
  ┃
  ┃  invalid x-api-key{0:134}LSP
  ┃{0:153}LSPs are disabled

     ▣  Build · stand-in
"""


def test_what_is_beside_the_conversation_is_no_part_of_it() -> None:
    box = SCREENS["opencode-error-401.200x50"].splitlines()[-6:]
    report = read("opencode", "\n".join([BESIDE.format(""), "", *box]))

    assert ("error", "invalid x-api-key", "auth") == (report.activity, report.why, report.fault)


PROCESS_WAITS = b'{"status": "waiting", "waitingFor": "permission prompt", "statusUpdatedAt": 1764417600000}'


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("claude-waiting-question.80x24", "asks a question"),
        ("claude-waiting-permission.80x24", "asks for a permission"),
        ("claude-busy-hang.80x24", "asks: permission prompt"),
    ],
)
def test_which_dialog_is_open_is_read_from_the_screen_where_only_a_process_says_that_it_waits(
    name: str, why: str
) -> None:
    said = find("claude").report(Evidence(state=PROCESS_WAITS, screen=SCREENS[name]), NOW)

    assert ("waiting", why, "state") == (said.activity, said.why, said.source)


@pytest.mark.parametrize("foot", ["manual mode", "accept edits"])
@pytest.mark.parametrize("box", ["", 'Try "fix lint errors"', "Once fixed, resend your message"])
def test_an_empty_box_without_a_turn_is_unknown(box: str, foot: str) -> None:
    assert "unknown" == read("claude", WELCOME.replace("BOX", box).replace("FOOT", foot)).activity


@pytest.mark.parametrize("words", ["API Error: 500 internal error", "Credit balance is too low"])
@pytest.mark.parametrize("box", ["Once fixed, resend your message", "Resend your message to try again"])
def test_after_a_failure_the_box_shows_what_to_do_in_grey(words: str, box: str) -> None:
    screen = WELCOME.replace("BOX", box).replace("~/work\n", f"~/work\n\n❯ go\n\n  ⎿  {words}\n")

    assert ("error", "error", "unknown") == tuple(
        read("claude", screen, version).activity for version in ("", "2.1.332", "2.1.197")
    )
    assert "" == input_box(screen)


@pytest.mark.parametrize(
    "said",
    ["500 internal error · retrying in 13s · attempt 6/10", "API error · Retrying in 3s · attempt 7/10"],
)
def test_a_client_that_tries_again_is_at_work(said: str) -> None:
    screen = WELCOME.replace("BOX", "").replace("~/work\n", f"~/work\n\n❯ go\n\n✻ {said}\n")

    assert "busy" == read("claude", screen).activity


@pytest.mark.parametrize(
    "words",
    [
        "Conversation interrupted - use /feedback if something went wrong",
        "Conversation interrupted - tell the model what to do differently.\n  Hit `/feedback` to report the issue.",
    ],
)
def test_codex_that_a_person_has_interrupted_is_at_rest(words: str) -> None:
    screen = f"› go\n\n\n■ {words}\n\n\n› Ask Codex\n\n  model · ~/work"

    assert ("idle", "was interrupted") == (read("codex", screen).activity, read("codex", screen).why)
    assert (
        "error" == read("codex", screen.replace("■ ", "■ stream disconnected\n■ ").replace(words, "it failed")).activity
    )


@pytest.mark.parametrize(
    ("version", "there"), [("", True), ("2.1.299", False), ("2.1.300", True), ("2.1.400", True), ("2.2.0", False)]
)
def test_a_sign_is_of_a_range_of_versions(version: str, there: bool) -> None:
    assert there == Sign("idle", "x", since="2.1.300", before="2.2").of(version)


@pytest.mark.parametrize("name", SCREENS)
def test_spaces_that_do_not_break_make_no_difference(name: str) -> None:
    hard = re.sub(r"(?<=❯) |(?<=›) ", "\N{NO-BREAK SPACE}", SCREENS[name])

    assert state(name) == read(client(name), hard).activity


def test_each_client_is_recorded_at_work_at_rest_waiting_and_failed_in_both_sizes() -> None:
    there = {(client(name), state(name), name.rpartition(".")[2]) for name in SCREENS}
    states = {"claude": ("busy", "idle", "waiting", "error", "limited"), "gemini": ("busy", "idle", "waiting", "error")}

    missing = [(c, s, size) for c, each in states.items() for s in each for size in ("80x24", "200x50")]
    assert [] == [one for one in missing if one not in there and one[1] != "limited"]


@pytest.mark.parametrize(
    ("name", "words", "fault"),
    [
        ("claude-error-401", "Invalid API key", "auth"),
        ("claude-error-500", "API Error: 500 internal error", ""),
        ("codex-error-401", "unexpected status 401 Unauthorized: invalid x-api-key", "auth"),
        ("gemini-error-401", "[API Error:", "auth"),
        ("claude-waiting-trust", "asks whether it may trust the folder", ""),
        ("claude-waiting-bypass", "asks to accept bypass mode", ""),
        ("claude-waiting-question", "asks a question", ""),
        ("claude-waiting-permission", "asks for a permission", ""),
        ("claude-waiting-command", "asks for a permission", ""),
        ("codex-waiting-trust", "asks whether it may trust the folder", ""),
        ("gemini-waiting-permission", "asks for a permission", ""),
    ],
)
@pytest.mark.parametrize("size", ["80x24", "200x50"])
def test_what_is_wrong_is_said_in_its_own_words(name: str, words: str, fault: str, size: str) -> None:
    said = read(client(name), SCREENS[f"{name}.{size}"])

    assert (True, fault) == (said.why.startswith(words), said.fault)
    assert "Worked" not in said.why


# --- screens that repeat others -------------------------------------------------------------------------------

BOX = "\n".join(("─" * 80, "❯", "─" * 80))
HOSTS = {
    "claude": {
        "idle": f"❯ go\n\nQUOTE\n\n● All of it is done.\n\n✻ Worked for 9s\n\n{BOX}\n  ? for shortcuts",
        "busy": f"❯ go\n\nQUOTE\n\n✶ Musing… (12s · ↓ 10 tokens)\n\n{BOX}\n  esc to interrupt · ← for agents",
        "unknown": f"❯ go\n\nQUOTE\n\n{BOX.replace('❯', '❯ half typed')}\n  ? for shortcuts",
    },
    "codex": {
        "idle": "› go\n\nQUOTE\n\n• Done.\n\n  Worked for 6s • 13:26\n\n\n› Ask Codex\n\n  model · ~/work",
        "busy": "› go\n\nQUOTE\n\n• Working (3s • esc to interrupt)\n\n\n› Ask Codex\n\n  model · ~/work",
        "unknown": "› go\n\nQUOTE\n\n• I am about to\n\n\n› Ask Codex\n\n  model · ~/work",
    },
}
"""Screens of a client, by what is true of it, with room for what it repeats."""

WAYS = {
    "claude": {
        "output": ("● Bash(cat log)\n  ⎿  ", "     "),
        "message": ("● It shows:\n\n  ", "  "),
        "code": ("● It shows:\n\n    ", "    "),
        "diff": ("● Update(a.md)\n  ⎿  Added 9 lines\n      1 + ", "      2 + "),
        "frame": ("● Bash(tmux capture-pane -p)\n  ⎿  │ ", "     │ "),
    },
    "codex": {
        "output": ("• Ran cat log\n  └ ", "    "),
        "message": ("• It shows:\n\n  ", "  "),
        "code": ("• It shows:\n\n      ", "      "),
        "diff": ("• Edited a.md (+9 -0)\n    1 +", "    2 +"),
        "frame": ("• Ran tmux capture-pane -p\n  └ │ ", "    │ "),
    },
}
"""How a client sets in what a tool printed, what it says, code, a diff: before the first line, and before the rest."""


def repeated(name: str, way: str, quoted: list[str]) -> str:
    first, rest = WAYS[name][way]
    return first + "\n".join([quoted[0], *((rest + line).rstrip() for line in quoted[1:])])


@st.composite
def quotes(draw: st.DrawFn) -> list[str]:
    """Draw lines out of screens: a whole one, its end, or lines of several."""
    lines = draw(st.sampled_from(list(SCREENS.values()))).splitlines()
    match draw(st.integers(0, 2)):
        case 0:
            return lines
        case 1:
            return lines[-draw(st.integers(3, 20)) :]
        case _:
            pool = [line for screen in SCREENS.values() for line in screen.splitlines() if line.strip()]
            return draw(st.lists(st.sampled_from(pool), min_size=1, max_size=15))


@pytest.mark.parametrize("truth", ["idle", "busy", "unknown"])
@pytest.mark.parametrize("name", HOSTS)
@settings(max_examples=300, deadline=None)
@given(quoted=quotes(), way=st.sampled_from(["output", "message", "code", "diff", "frame"]))
def test_a_quoted_screen_is_no_state(name: str, truth: str, quoted: list[str], way: str) -> None:
    screen = HOSTS[name][truth].replace("QUOTE", repeated(name, way, quoted))

    found = read(name, screen).activity

    assert found == truth or (truth == "unknown" and found not in FALSE), (found, screen)


CODEX = "› go\n\n• Done.\n\n  Worked for 6s\n\n{}\n\n\n› Ask Codex\n\n  model · ~/work"
OPTIONS = "1. Yes\n  2. No\n\n  Press Enter to continue\n"


@pytest.mark.parametrize(
    ("screen", "activity"),
    [
        (CODEX.format("  1 background terminal running · /ps to view"), "busy"),
        (CODEX.format("  1 background terminal is running"), "busy"),
        (CODEX.format("  2 background terminals still running · /ps to view"), "busy"),
        (CODEX.format("  1 sub-agent running"), "busy"),
        (CODEX.format(""), "idle"),
        (f"  Sign in with ChatGPT to use Codex as part of your paid plan\n\n> {OPTIONS}", "waiting"),
        (f"  Sign in with ChatGPT to use Codex as part of your paid plan\n\n› {OPTIONS}", "waiting"),
        ("› go\n\n• Asking\n\n  Question 1/1\n  Which?\n\n  › 1. A\n    2. B\n\n  enter to submit answer\n", "waiting"),
    ],
)
def test_codex_at_work_behind_its_prompt_or_before_a_choice(screen: str, activity: str) -> None:
    assert activity == read("codex", screen).activity


@pytest.mark.parametrize(
    ("said", "activity"),
    [
        ("✕ You have reached your daily limit", "limited"),
        ("✕ Error: something else went wrong", "error"),
        ("✕ [API Error: You have exhausted your capacity on this model. Your quota will reset after 5h.]", "limited"),
        ("✕ [API Error: got status: INTERNAL]\n\nℹ  An update is available", "error"),
        ("✦ All of it is done.", "idle"),
        ("✕ Error: something went wrong\n\n✦ All of it is done.", "idle"),
    ],
)
def test_any_message_of_gemini_s_own_about_a_failure_is_one(said: str, activity: str) -> None:
    assert activity == read("gemini", SCREENS["gemini-idle.80x24"].replace("✦ All of it is done.", said)).activity


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_without_a_quote_is_told_right(name: str) -> None:
    assert list(HOSTS[name]) == [read(name, host.replace("QUOTE", "")).activity for host in HOSTS[name].values()]


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
@settings(max_examples=150, deadline=None)
@given(lines=st.lists(st.sampled_from([line for text in SCREENS.values() for line in text.splitlines()]), max_size=30))
def test_lines_of_screens_without_a_frame_at_the_end_tell_nothing(name: str, lines: list[str]) -> None:
    screen = "\n".join([*(f"   {line}" for line in lines), "$ "])

    assert read(name, screen).activity not in FALSE


def test_every_client_with_signs_of_a_part_has_a_frame() -> None:
    for name in ("claude", "codex", "gemini", "opencode"):
        harness = find(name)
        assert isinstance(harness, Agentic)
        assert {"typed", "foot"} <= set(re.compile(harness.client.frame).groupindex), name


# --- work in the background -----------------------------------------------------------------------------------

TURN = "❯ go\n\n● All of it is done.\n\nABOVE\n\n" + BOX + "\n  FOOT"
IN_THE_BACKGROUND = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "background.tsv").read_text().splitlines()
    if not line.startswith("#")
]
ANY_VERSION = [
    ("✢ Waiting for 1 background task to finish…", "? for shortcuts"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 shell · ← for agents · ↓ to manage"),
    ("✻ Worked for 9s", "manual mode on · 3 background tasks"),
    ("✻ Worked for 9s", "2 local agents"),
    ("✻ Waiting for background agents", "? for shortcuts"),
    ("✻ 2 background tasks running", "? for shortcuts"),
    ("✻ Worked for 9s · 1 background task running", "? for shortcuts"),
    ("✻ Worked for 9s · 2 subagents still active", "? for shortcuts"),
    ("✻ Worked for 9s · 2 subagents are running in background", "? for shortcuts"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 monitor (running)"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 shell, 2 local agents · ↓ to manage"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 subagent"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 background task is running"),
]
NOT_IN_THE_BACKGROUND = [
    ("✻ Worked for 9s", "? for shortcuts"),
    ("✻ Worked for 9s · 1 shell still running\n\n● Background command completed\n\n✻ Baked for 0s", "? for shortcuts"),
    ("  1 shell still running\n\n✻ Worked for 9s", "← for agents"),
    ("● 1 shell still running", "? for shortcuts"),
    ("✻ Worked for 9s · done 2:22 PM", "⏵⏵ accept edits on · 2 sessions of others"),
    ("✻ Worked for 9s · done 2:22 PM", "100 tokens · 3 files changed"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 MCP server failed · /mcp"),
    ("✻ Worked for 9s", "⏵⏵ accept edits on · 1 task was left"),
]


@pytest.mark.parametrize(("version", "above", "foot"), [(one[0], *one[2:]) for one in IN_THE_BACKGROUND])
def test_work_in_the_background_is_read_in_the_words_of_each_version(version: str, above: str, foot: str) -> None:
    each = [read("claude", TURN.replace("ABOVE", above).replace("FOOT", foot), asked) for asked in (version, "")]

    assert [("busy", True)] * 2 == [(said.activity, said.background) for said in each]


@pytest.mark.parametrize(("above", "foot"), ANY_VERSION)
def test_work_in_the_background_is_read_in_words_of_any_version(above: str, foot: str) -> None:
    said = read("claude", TURN.replace("ABOVE", above).replace("FOOT", foot))

    assert ("busy", True) == (said.activity, said.background)


@pytest.mark.parametrize(("above", "foot"), NOT_IN_THE_BACKGROUND)
def test_words_about_the_background_that_are_quoted_or_over_are_none(above: str, foot: str) -> None:
    said = read("claude", TURN.replace("ABOVE", above).replace("FOOT", foot))

    assert ("idle", False) == (said.activity, said.background)


LIMITED = "❯ go\n\n● You've hit your session limit · resets 3pm (UTC)\n\n✻ Worked for 3s · done 2:22 PM\n\n  BELOW\n\n"


@pytest.mark.parametrize(
    ("below", "foot", "activity"),
    [
        ("Usage limit reached · set to continue automatically at 3pm", "? for shortcuts", "limited"),
        ("※ Usage limit reached again · set to continue automatically at 3pm", "? for shortcuts", "limited"),
        ("", "Continuing automatically at 3pm · Esc to cancel", "limited"),
        ("Usage limit has reset · Press enter to continue", "? for shortcuts", "limited"),
        ("Automatic continue cancelled · /rate-limit-options to wait again", "? for shortcuts", "limited"),
        ("Automatic continue was turned off · this task will not resume on its own", "? for shortcuts", "limited"),
        ("Automatic continue stopped after repeated usage limit hits", "? for shortcuts", "limited"),
        ("Usage limit available again · continuing now", "? for shortcuts", "busy"),
        ("Usage limit reset · Continuing automatically", "? for shortcuts", "busy"),
    ],
)
def test_a_client_that_waits_for_the_end_of_its_limit_is_never_idle(below: str, foot: str, activity: str) -> None:
    screen = LIMITED.replace("BELOW", below) + BOX + "\n  " + foot  # words of the program of 2.1.332

    assert [activity] * 2 == [read("claude", screen, version).activity for version in ("2.1.332", "")]


def test_words_of_a_limit_in_the_client_s_own_message_are_none() -> None:
    words = "Usage limit reached · set to continue automatically at 3pm"
    shown = TURN.replace("All of it is done.", f"It printed:\n  {words}").replace("ABOVE", "✻ Worked for 9s")

    assert "idle" == read("claude", shown.replace("FOOT", "? for shortcuts"), "2.1.332").activity


@pytest.mark.parametrize(
    "said",
    [
        "Usage limit handling is described in limits.md.",
        "Credit balance checks are in billing.py.",
        "Prompt is too long to be shown here, so I wrote it to a file.",
        "Request timed out errors are handled.",
        "Not logged in users are redirected.",
        "Your organization's page is written.",
    ],
)
def test_the_model_s_own_words_about_a_failure_are_none(said: str) -> None:
    shown = TURN.replace("All of it is done.", said).replace("ABOVE", "✻ Worked for 9s").replace("FOOT", "")

    assert "idle" == read("claude", shown).activity


@pytest.mark.parametrize("version", ["", "2.1.197", "2.1.332"])
@pytest.mark.parametrize("over", ["\n\n✻ Worked for 9s", ""])
@pytest.mark.parametrize("more", ["", "\n     /upgrade to increase your usage limit."])
@pytest.mark.parametrize(
    "said",
    [
        "● You've hit your session limit · resets 3pm (UTC)",
        "● Claude usage limit reached. Your limit will reset at 3pm (UTC).",
        "  ⎿  5-hour limit reached ∙ resets 3pm (UTC)",
        "  ⎿  Claude usage limit reached. Your limit will reset at 3pm (UTC).",
    ],
)
def test_a_limit_is_read_with_its_lines_below(said: str, more: str, over: str, version: str) -> None:
    shown = f"❯ go\n\n{said}{more}{over}\n\n{BOX}\n  ? for shortcuts"

    report = read("claude", shown, version)

    if over or said.startswith("●"):
        assert ("limited", NOW.replace(hour=15)) == (report.activity, report.until)
    else:
        assert "unknown" == report.activity


@pytest.mark.parametrize("line", ["API Error (Connection error.) · Retrying in 4 seconds… (attempt 3/10)"])
def test_a_retry_below_what_it_is_for_is_work(line: str) -> None:
    shown = f"❯ go\n\n● Reading\n  ⎿  {line}\n\n{BOX}\n  ? for shortcuts"

    assert ("busy", True) == (read("claude", shown).activity, read("claude", shown).retries)
    assert not read("claude", shown.replace(line, f"{line}\n\n● Done.\n\n✻ Worked for 9s")).retries


CHOICES = "❯ 1. Yes\n   2. Yes, and don't ask again\n   3. No, and tell Claude what to do differently (esc)"


@pytest.mark.parametrize(
    ("screen", "why"),
    [
        (f"● Bash(ls)\n\n{'─' * 80}\n Do you want to proceed?\n {CHOICES}\n", "asks for a permission"),
        (
            "╭─────╮\n│ Do you want to proceed?\n│ " + CHOICES.replace("\n", "\n│") + "\n╰─────╯\n",
            "asks for a permission",
        ),
        (" Ready to code?\n\n ❯ 1. Yes\n   2. No, keep planning\n\n ctrl-g to edit in Vim\n", "shows a dialog"),
        (" Choose the text style\n\n ❯ 1. Dark mode ✔\n   2. Light mode\n", "shows a dialog"),
        (" Select login method:\n\n ❯ 1. A subscription\n\n   2. An account\n", "shows a dialog"),
        (" Login successful. Press Enter to continue…\n", "shows a dialog"),
        (" Security notes:\n\n Press Enter to continue…\n", "shows a dialog"),
    ],
)
def test_a_dialog_that_names_no_keys_is_one_too(screen: str, why: str) -> None:
    assert ("waiting", why) == (read("claude", screen).activity, read("claude", screen).why)


def test_a_hook_that_names_no_task_does_not_hide_what_the_screen_names() -> None:
    stop = b'{"hook_event_name":"Stop","background_tasks":[]}'
    shown = TURN.replace("ABOVE", "✻ Waiting for 2 background agents to finish").replace("FOOT", "? for shortcuts")

    said = find("claude").report(Evidence(hook=stop, screen=shown), NOW)

    assert ("busy", True) == (said.activity, said.background)

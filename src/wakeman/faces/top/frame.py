"""The whole picture: head, time, list, panes and foot, in exactly as many rows as there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wakeman.api.rewind import NightMark
from wakeman.api.status import Status
from wakeman.api.watch import Happening
from wakeman.faces.cli.board import head_rows
from wakeman.faces.cli.overview import Found
from wakeman.faces.cli.page import ago, decided
from wakeman.faces.cli.paper import BOLD, DIM, NEEDED, WAITS, Line, Paper
from wakeman.faces.top.keys import DOING_KEYS, MOVING_KEYS, KeyDeed, KeyHelp
from wakeman.faces.top.panes import Beside, detail, log_rows, stacked
from wakeman.faces.top.rows import Columns, ListEntry, entry_row, tally_words
from wakeman.faces.top.slider import slider_row

DETAIL_ROWS_MIN = 14
"""Rows of a terminal from which on there are panes below the list."""
SLIDER_ROWS_MIN = 10
LIST_ROWS_MIN = 3
LIST_HEIGHT_SHARE_MAX = 0.45
"""Share of the rows between head and foot that the list has above the panes."""
LIST_WIDTH_SHARE_MAX = 0.4
LIST_CELLS_MIN = 60
"""Cells that the list has beside the panes: a share of all, and at least so many."""


@dataclass(frozen=True)
class TopScene:
    """What is shown of one deployment."""

    status: Status
    entries: Sequence[ListEntry]
    columns: Columns
    chosen: int
    top: int
    beside: Beside
    marks: Sequence[NightMark]
    span: tuple[float, float]
    here: float | None
    caution: str = ""
    log: Sequence[Happening] | None = None
    log_hidden: int = 0


def list_height(on: Paper) -> int:
    """Return how many rows the list has, with those that say what is out of sight."""
    height = _rows_between(on)
    if on.wide or (on.rows or 0) < DETAIL_ROWS_MIN:
        return height
    return max(3, int(height * LIST_HEIGHT_SHARE_MAX))


def list_paper(on: Paper) -> Paper:
    """Return the paper of the list."""
    if not on.wide:
        return on
    return replace(on, width=max(LIST_CELLS_MIN, int(on.room * LIST_WIDTH_SHARE_MAX)))


def _rows_between(on: Paper) -> int:
    return max(1, (on.rows or 0) - _head_height(on) - 1)


def _head_height(on: Paper) -> int:
    return 3 if (on.rows or 0) >= SLIDER_ROWS_MIN else 1


def scene_rows(scene: TopScene, on: Paper, foot: Sequence[Line]) -> list[Line]:
    """Return the rows of the whole terminal; the last ones are the foot."""
    rows = on.rows or 0
    past = scene.here is not None
    live = "REPLAY" if past else "log only" if scene.status.elsewhere and scene.status.outcome == "open" else ""
    taken = scene.status.decision
    aside = on.dot.join(hosts_words(scene.status))
    if on.wide and taken.row and not aside:
        aside = f"last decision {ago(taken.at, scene.status.at)}: {decided(scene.status)}"
    head = head_rows(scene.status, on, live, past=past, aside=aside)
    head = [*head, slider_row(scene.marks, *scene.span, scene.here, on)][: _head_height(on)]
    if scene.caution:
        head[-1] = on.row([(f" {scene.caution}", NEEDED)])
    height = max(0, rows - len(head) - len(foot))
    return [*head, *_below_head(scene, on, height), *foot][:rows]


def hosts_words(status: Status) -> list[str]:
    """Return what the head says of hosts: those that do not answer, or else how many workers each, and a queue, has."""
    hosts = status.hosts or ()
    silent = [f"{each.name} does not answer" for each in hosts if each.silent is not None]
    used = [f"{each.name} {len(each.workers)}{f'/{each.slots}' if each.slots is not None else ''}" for each in hosts]
    return silent or [*used, *([f"queue {len(status.queue)}"] if status.queue else [])]


def _below_head(scene: TopScene, on: Paper, height: int) -> list[Line]:
    if scene.log is not None:
        return log_rows(scene.log, on, height, scene.log_hidden)
    needed = max(LIST_ROWS_MIN, len(scene.entries)) if not on.wide else height
    listed = min(height, list_height(on), needed)
    shown = list_rows(scene, list_paper(on), listed)
    if on.wide:
        left = list_paper(on)
        right = replace(on, width=max(1, on.room - left.room - 2))
        beside = stacked(scene.beside, right, height)
        bar = on.plain("│") if not on.ascii else "|"
        return [
            [*left.filled(one, left.room), (bar, DIM), (" ", ""), *other]
            for one, other in zip([*shown, *([] for _ in range(height - len(shown)))], beside, strict=True)
        ]
    return [*shown, *detail(scene.beside, on, height - listed)]


def list_rows(scene: TopScene, on: Paper, height: int) -> list[Line]:
    """Return the rows of the list that are in sight, and no others: exactly so many."""
    many = len(scene.entries)
    end = scene.top + height
    more = many > end
    end -= more
    shown = [
        entry_row(scene.entries[at], scene.status, on, scene.columns, chosen=at == scene.chosen)
        for at in range(scene.top, min(end, many))
    ]
    if not many:
        shown = [on.row([("   nobody here", DIM)])]
    if more:
        below = scene.entries[end:]
        shown.append(on.row([(f"   {len(below):,} more below: {tally_words(below)}", DIM)]))
    return [*shown, *([] for _ in range(height - len(shown)))][:height]


def foot_row(deeds: dict[str, KeyDeed], on: Paper, *, past: bool = False, listing: bool = False) -> Line:
    """Return the last row: the keys that apply, those of the row first; the last two stay if not all have room."""
    arrows = "<- ->" if on.ascii else "←→"
    move = ("j k" if on.ascii else "↑↓", "move")
    own: list[tuple[str, str]] = []
    if past:
        own, rest = [(arrows, "one event"), ("[ ]", "next ▲ ◆ ✗"), ("space", "now")], [move]
    elif listing:
        own, rest = [("Enter", "open"), ("Tab", "next")], [move]
    else:
        own = [
            (key, deeds[key.lower()].word) for each in DOING_KEYS for key in each.key.split() if key.lower() in deeds
        ]
        rest = [("/", "find"), ("l", "log"), (arrows, "time"), ("e", "why"), ("o", "open output"), ("f", "fold")]
        rest += [("Tab", "next deployment")]
    always = [("?", "all keys"), ("q", "quit")]
    cut = on.room - sum(len(on.plain(key + word)) + 3 for key, word in always) - 3
    line, used = [(" ", "")], 1
    for key, word in (*own, *((None, ""),) * bool(own), *rest):
        piece: Line = [(key, BOLD), (f" {word}  ", DIM)] if key else [("| ", DIM)]
        cells = sum(len(on.plain(text)) for text, _ in piece)
        if used + cells > cut:
            continue
        line, used = [*line, *piece], used + cells
    for key, word in always:
        line += [(key, BOLD), (f" {word}  ", DIM)]
    return on.row([*line[:-1], (line[-1][0].rstrip(), DIM)])


def help_rows(on: Paper, *, acts: bool) -> list[Line]:
    """Return the page of all keys."""
    rows = [on.rule("all keys", "? or Esc leaves them")]
    rows += [_key_row(each, on) for each in MOVING_KEYS]
    rows += [[], on.rule("by row" if acts else "by row: off, as this only shows")]
    rows += [_key_row(each, on) for each in DOING_KEYS]
    rows.append(on.row([(" each shows the command that it runs, then y or n", DIM)]))
    return rows


def _key_row(each: KeyHelp, on: Paper) -> Line:
    key = each.key.replace("↑↓", "up down").replace("← →", "left right") if on.ascii else each.key
    return on.row([(f" {on.pad(key, 12)} ", BOLD), (on.pad(each.word, 12), ""), (f" {each.does}", DIM)])


def sized_page(rows: list[Line], on: Paper, foot: Sequence[Line]) -> list[Line]:
    """Return a page and the foot in exactly as many rows as there are."""
    height = max(0, (on.rows or 0) - len(foot))
    return [*rows[:height], *([] for _ in range(height - len(rows))), *foot]


def reading_rows(name: str, read: int, lines: int, on: Paper) -> list[Line]:
    """Return what stands there while a long log is read: how far that is."""
    share = f" of {lines:,}" if lines > read else ""
    rows = [on.row([(f" {on.middle(name, 40)}  ", BOLD), (f"reading its log: {read:,}{share} lines", "")])]
    return [*rows, on.row([(" ", ""), *on.bar(read, lines, max(10, on.room - 2))])] if share else rows


def listing_rows(
    parts: tuple[list[Line], list[Found], list[Line]], chosen: int, on: Paper, foot: Sequence[Line]
) -> list[Line]:
    """Return the page of all deployments, one of them chosen."""
    head, found, tail = parts
    blocks = []
    for at, (_, rows) in enumerate(found):
        first: Line = [("▌", BOLD), *_stripped(rows[0])] if at == chosen else rows[0]
        blocks.append([on.row(first), *rows[1:]])
    room = max(1, (on.rows or 0) - len(foot) - len(head))
    begin = _first_block([len(block) for block in blocks], chosen, room)
    body = [row for block in blocks[begin:] for row in block] + tail
    return sized_page([*head, *body[:room]], on, foot)


def _stripped(line: Line) -> Line:
    (text, style), *rest = line
    return [(text[1:], style), *rest]


def _first_block(sizes: Sequence[int], chosen: int, room: int) -> int:
    """Return the first block that is shown, so that the chosen one is in sight."""
    begin, used = chosen, sizes[chosen] if sizes else 0
    while begin > 0 and used + sizes[begin - 1] <= room:
        begin, used = begin - 1, used + sizes[begin - 1]
    return begin


def said_row(text: str, on: Paper, *, bad: bool = False) -> Line:
    """Return a row that answers a key."""
    return on.row([(f" {text}", NEEDED if bad else WAITS)])

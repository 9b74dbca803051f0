"""A terminal as SVG that moves: what each row showed, and when, by CSS alone; still for who wants no motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby, pairwise
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

CELL, LINE, FONT = 12.2, 24.4, 20
"""Width of a cell, height of a row and of a letter, in the picture's own units."""
MARGIN = 9
GAP_S_MAX = 1.5
"""Seconds at most that nothing moves: longer waits are cut."""
END_S = 8.0
"""Seconds that the last screen stands before all begins again."""
FRAME = """<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">
<style>
text {{ font: {font}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c5c8c6; white-space: pre }}
.g {{ visibility: hidden }}
.m {{ animation: {seconds:.2f}s step-end infinite }}
{styles}
@media (prefers-reduced-motion: reduce) {{ .m {{ animation: none }} }}
</style>
<rect fill="#1b1f24" stroke="#8b949e" x="1" y="1" width="{inner:g}" height="{high:g}" rx="8"/>
{rows}
</svg>
"""


class Screen(NamedTuple):
    """What a terminal showed from a moment on, in seconds; its rows have escape sequences for their colours."""

    at: float
    rows: tuple[str, ...]


class Shown(NamedTuple):
    """What one row showed from one screen on, up to another."""

    row: int
    begin: int
    end: int
    text: str


def moving(screens: Sequence[Screen], columns: int) -> str:
    """Return the picture: each screen at its time, then the last one for a while, then all again."""
    times = _times(screens)
    seconds = times[-1] + END_S
    height = max(len(screen.rows) for screen in screens)
    known = _Styles()
    found = sorted(_shown(screens, height))
    drawn = [_drawn(each, len(screens), known) for each in found]
    spans = sorted({(each.begin, each.end) for each in found if each.begin or each.end < len(screens)})
    frames = [_keyframes(begin, end, [*times, seconds], seconds) for begin, end in spans]
    return FRAME.format(
        width=columns * CELL + 2 * MARGIN,
        height=height * LINE + 2 * MARGIN,
        inner=columns * CELL + 2 * MARGIN - 2,
        high=height * LINE + 2 * MARGIN - 2,
        font=FONT,
        seconds=seconds,
        styles="\n".join([*known.css(), *frames]),
        rows="\n".join(filter(None, drawn)),
    )


def _times(screens: Sequence[Screen]) -> list[float]:
    """Return when each screen is shown: as it was, with the waits cut."""
    times = [0.0]
    for before, after in pairwise(screens):
        times.append(times[-1] + min(after.at - before.at, GAP_S_MAX))
    return times


def _shown(screens: Sequence[Screen], height: int) -> Iterator[Shown]:
    for row in range(height):
        texts = [screen.rows[row] if row < len(screen.rows) else "" for screen in screens]
        for text, group in groupby(range(len(texts)), texts.__getitem__):
            places = list(group)
            if Text.from_ansi(text).plain.strip():
                yield Shown(row, places[0], places[-1] + 1, text)


def _keyframes(begin: int, end: int, times: Sequence[float], seconds: float) -> str:
    """Return when rows are seen that stand from one screen to another."""
    on, off = (100 * times[at] / seconds for at in (begin, end))
    steps = [f"0% {{ visibility: {'hidden' if on else 'visible'} }}"]
    steps += [f"{on:.2f}% {{ visibility: visible }}"] if on else []
    steps += [f"{off:.2f}%, 100% {{ visibility: hidden }}"] if off < 100 else []
    return f".k{begin}-{end} {{ animation-name: k{begin}-{end} }} @keyframes k{begin}-{end} {{ {' '.join(steps)} }}"


def _drawn(each: Shown, last: int, known: _Styles) -> str:
    y, x, parts = MARGIN + each.row * LINE + FONT, 0, []
    with open("/dev/null", "w") as nowhere:
        console = Console(file=nowhere, force_terminal=True, color_system="truecolor", width=1000)
        for segment in Text.from_ansi(each.text.rstrip()).render(console):
            cells = cell_len(segment.text)
            if segment.text.strip():
                name = known.of(segment.style)
                place = f'x="{MARGIN + x * CELL:g}" y="{y:g}" textLength="{cells * CELL:g}"'
                own = f' class="{name}"' if name else ""
                parts.append(f"<text{own} {place}>{escape(segment.text).replace(' ', '&#160;')}</text>")
            x += cells
    whole = each.begin == 0 and each.end == last
    classes = [] if whole else ["m", f"k{each.begin}-{each.end}", *["g"] * (each.end < last)]
    return f'<g class="{" ".join(classes)}">{"".join(parts)}</g>' if classes else "".join(parts)


class _Styles:
    """The colours that were met, each with a class."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, style: Style | None) -> str:
        """Return the class of a style; "" for that of all text."""
        if style is None or not style:
            return ""
        rules = [f"fill: {style.color.get_truecolor(SVG_EXPORT_THEME).hex}"] if style.color else []
        rules += ["font-weight: bold"] * bool(style.bold) + ["opacity: 0.65"] * bool(style.dim)
        return self._known.setdefault("; ".join(rules), f"c{len(self._known)}") if rules else ""

    def css(self) -> list[str]:
        """Return what the classes mean."""
        return [f".{name} {{ {rules} }}" for rules, name in self._known.items()]

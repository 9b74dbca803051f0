"""The documentation as a site: `make site`. The pages are those of `docs/`, and read the same without it."""

from __future__ import annotations

import re
from pathlib import Path

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

from wakeman import __version__

DOCS = Path(__file__).resolve().parent.parent
LINKED = re.compile(r"\]\(([\w./-]+)\.md\)")

project = "Wakeman"
author = "The Wakeman developers"
copyright = author  # noqa: A001 - Sphinx's name
release = version = __version__
extensions = ["myst_parser"]
root_doc = "README"
exclude_patterns = ["site", "generate.py"]
html_theme = "furo"
html_title = f"Wakeman {__version__}"
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 4
nitpicky = True
suppress_warnings = ["myst.header"]  # some pages begin with a heading of a lower level


def setup(app: Sphinx) -> None:
    """Add what the site needs and the pages do not have."""
    app.add_lexer("mermaid", TextLexer)  # diagrams are shown as their text: nothing is loaded from elsewhere
    app.connect("source-read", _with_contents)


def _with_contents(_: Sphinx, name: str, source: list[str]) -> None:
    """Give the first page the table of contents that its own tables say, a part for each heading."""
    if name != root_doc:
        return
    text = source[0]
    trees: list[str] = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        heading = part.partition("\n")[0].lstrip("# ") if trees else "Start"
        pages = "\n".join(dict.fromkeys(LINKED.findall(part)))
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}\n```\n")
    source[0] = text + "\n" + "\n".join(trees)

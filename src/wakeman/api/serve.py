"""What is served, and where."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Value


class ServedPages(Value, frozen=True, kw_only=True):
    """Pages that are served until the process ends."""

    url: Annotated[str, Meta(description="Address to open, with the token if one is asked for.")]
    acts: Annotated[bool, Meta(description="The pages offer what changes something.")]

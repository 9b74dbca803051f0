"""The completion of a shell, and man pages, where a user's programs look for them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import Value


class InstalledCompletion(Value, frozen=True, kw_only=True):
    """Files that were written or removed."""

    shell: Annotated[Literal["bash", "zsh", "fish"], Meta(description="The shell.")]
    removed: Annotated[bool, Meta(description="They were removed.")]
    files: Annotated[tuple[str, ...], Meta(description="The completion, then the man pages: absolute paths.")]
    load: Annotated[str, Meta(description="What a person does so that the shell reads it.")]

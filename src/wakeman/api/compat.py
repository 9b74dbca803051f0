"""What the verbs answer that take the place of the playbook's own scripts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Value


class InstalledScripts(Value, frozen=True, kw_only=True):
    """The playbook's scripts, as they were written or removed."""

    files: Annotated[tuple[str, ...], Meta(description="Absolute paths of the scripts.")]
    removed: Annotated[bool, Meta(description="They were taken away.")]
    directory: Annotated[str, Meta(description="Absolute path of their directory.")]
    on_path: Annotated[bool, Meta(description="Their directory is on `PATH`.")]


class StartedSession(Value, frozen=True, kw_only=True):
    """A session of a client that no deployment has yet."""

    session: Annotated[str, Meta(description="Name of the session.")]
    directory: Annotated[str, Meta(description="Absolute path of its directory, with its files and what it prints.")]

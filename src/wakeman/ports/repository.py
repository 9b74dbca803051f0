"""The git repository of the workers' work trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from wakeman.core.model import Repository


class Branch(Struct, frozen=True):
    """A branch: its commit, and the work tree that has it checked out, "" for none."""

    commit: str
    tree: str = ""


class Kept(Struct, frozen=True):
    """Result of a commit of paths to a branch; `commit` is the branch's commit now.

    Shape: `made`: it was made by this call; `unchanged` are the paths that equal the base commit, `loose` those
    deliberately not committed; `note` is a harmless remark.
    """

    commit: str
    unchanged: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    made: bool = False
    note: str = ""


class Merge(Struct, frozen=True):
    """Result for one branch: `commit` is its merge, `files` are those in conflict."""

    branch: str
    state: Literal["merged", "contained", "conflict", "gone"]
    commit: str = ""
    files: tuple[str, ...] = ()


class MergeResult(Struct, frozen=True):
    """Result of a merge: the branch merged into, its commit, and each branch in order."""

    into: str
    commit: str
    branches: tuple[Merge, ...] = ()


class Git(Protocol):
    """The repository of the workers' work trees. Paths are relative to its top, except `root` and `tree`.

    Shape: branches go by their short names. No hook of the repository runs and nothing is signed. Raises: ProgramError
    with git's message if git fails.
    """

    def survey(self, root: str, rev: str) -> Repository:
        """Find the repository that holds a directory, and the commit that `rev` means now.

        Raises: UsageError when no repository holds it; UnknownRevisionError when `rev` is no commit of it; ProgramError
        when git is missing or too old.
        """

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        """Return the paths that would be missing or different in a tree of the base commit, each with the reason."""

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        """Return the paths that git ignores."""

    def modules(self, repository: Repository) -> list[str]:
        """List the base commit's submodules by path; a new tree holds none of their files."""

    def unfilled(self, repository: Repository) -> str:
        """Return why large files of the base commit would stay empty in a work tree; "" if none would."""

    def loose(self, repository: Repository, tree: str) -> list[str]:
        """List the files in a tree that are not committed, relative to it."""

    def branches(self, repository: Repository) -> dict[str, Branch]:
        """List all branches."""

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        """Make a work tree on its own branch from the base commit; return the command that checks out its files.

        Repeatable: yes; an existing tree is adopted, a half-made one completed, an existing branch continued. Raises:
        ProgramError when something else is at `tree`.
        """

    def keep(
        self,
        repository: Repository,
        tree: str,
        branch: str,
        paths: Sequence[str],
        claims: Sequence[str],
        author: str,
        message: str,
    ) -> Kept:
        """Commit these paths of a tree, and changes within `claims`, to its branch; nothing else.

        Shape: `claims` are patterns; `author` is the commit's author; without a `message` nothing is committed.
        Repeatable: yes; what is on the branch already makes no commit.
        """

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> MergeResult:
        """Merge branches into another, in order, without a work tree; one in conflict is skipped.

        Shape: `into` is created if missing, from the branch at which the trees began. `dry` moves no branch. Raises:
        UsageError when `into` is checked out somewhere.
        """

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        """Remove a tree that is clean and whose branch is in one of `merged`, or in the base; return "" or why it was
        kept.

        Boundary: the branch itself stays. A tree that is gone is no error.
        """

    def drop(self, repository: Repository, branch: str, merged: Sequence[str]) -> str:
        """Delete a branch whose commits are all in one of `merged`, or in the base; return "" or why it was kept.

        Boundary: one that a work tree has checked out is kept. A branch that is gone is no error.
        """

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        """Repair git's links to trees that were moved, given their new paths."""

"""The git repository that workers get work trees of."""

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
    """What became of paths that were to be on a branch; `commit` is its commit now.

    Shape: `made` says that it was made for them; `unchanged` are those that are as in the base commit, `loose` what is
    not committed and was to be left so; `note` what did not matter and may be worth reporting.
    """

    commit: str
    unchanged: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    made: bool = False
    note: str = ""


class Merge(Struct, frozen=True):
    """What became of one branch: `commit` is what it was merged as, `files` those in conflict."""

    branch: str
    state: Literal["merged", "contained", "conflict", "gone"]
    commit: str = ""
    files: tuple[str, ...] = ()


class MergeResult(Struct, frozen=True):
    """What a merge came to: the branch merged into, its commit, each branch in its order."""

    into: str
    commit: str
    branches: tuple[Merge, ...] = ()


class Git(Protocol):
    """The repository that workers get work trees of. Paths are relative to its top, but for `root` and `tree`.

    Shape: branches go by their short names. No hook of the repository runs and nothing is signed.
    Raises: ProgramError wherever git fails, in its words.
    """

    def survey(self, root: str, rev: str) -> Repository:
        """Find the repository that holds a directory, and the commit that `rev` means now.

        Raises: UsageError when no repository holds it; UnknownRevisionError when `rev` is no commit of it; ProgramError
        when git is missing or too old.
        """

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        """Return the paths that a tree of the base commit would lack or have otherwise, each with the reason."""

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        """Return the paths that git leaves out."""

    def modules(self, repository: Repository) -> list[str]:
        """List the base commit's submodules by path; a new tree holds none of their files."""

    def branches(self, repository: Repository) -> dict[str, Branch]:
        """List all branches."""

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        """Make a work tree on a branch of its own from the base commit; give the command that puts its files there.

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
        """Commit these paths of a tree, and what was changed within `claims`, to its branch; nothing else.

        Shape: `claims` are patterns; `author` is whose work it is; without a `message` nothing is committed.
        Repeatable: yes; what is on the branch already makes no commit.
        """

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> MergeResult:
        """Merge branches into another, in order, without any work tree; one in conflict is left out.

        Shape: `into` is made where it is not there, from the branch that trees began at. `dry` moves no branch.
        Raises: UsageError when `into` is checked out somewhere.
        """

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        """Remove a tree that is clean and whose branch is in one of `merged`, or in the base; "" or why it was left.

        Boundary: the branch itself stays. One that is no tree any more is no error.
        """

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        """Repair git's links to trees that were moved, given their new places."""

"""A repository in a dictionary; its trees are among the files in memory."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1

from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.core.errors import ProgramError, UnknownRevisionError, UsageError
from wakeman.core.model import Repository
from wakeman.ports import Branch, Kept, Merge, MergeResult

Tree = dict[str, bytes]


@dataclass
class MemoryGit:
    """Commits by id: their files and parents. `top` is the user's own work tree, on branch `main`.

    Shape: `trees` are the others: path -> branch; `ignore` are ignored patterns; `submodules` are their paths.
    """

    files: MemoryFiles
    top: str = ""
    commits: dict[str, tuple[Tree, tuple[str, ...]]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()

    def init(self, top: str) -> None:
        """Make a repository of a directory, with all its files in one commit on `main`."""
        self.top = top
        self.refs["main"] = self._commit(self._tree(top), ())

    def imitate(self, repository: Repository) -> None:
        """Imitate a repository elsewhere: its base commit has the files below its top here."""
        self.top = repository.top
        self.commits[repository.base] = (self._tree(self.top), ())
        self.refs["main"] = repository.base

    def survey(self, root: str, rev: str) -> Repository:
        if not self.top or not f"{root}/".startswith(f"{self.top}/"):
            raise UsageError(f"{root} is in no git work tree", f"git -C {root} init, and commit what the units need")
        commit = self.refs["main"] if rev == "HEAD" else self.refs.get(rev, rev)
        if commit not in self.commits:
            raise UnknownRevisionError(f"found {rev!r}, which is no commit here", f"git -C {root} rev-parse {rev}")
        branch = "main" if rev == "HEAD" else rev if rev in self.refs else ""
        prefix = root.removeprefix(self.top).strip("/")
        return Repository(
            git="/usr/bin/git",
            top=self.top,
            common=f"{self.top}/.git",
            base=commit,
            prefix=prefix,
            branch=f"refs/heads/{branch}" if branch else "",
        )

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        held, _ = self.commits[repository.base]
        found = {}
        for path in paths:
            if path not in held:
                found[path] = f"is not in the commit {repository.base[:12]}"
            elif self._tree(self.top).get(path) != held[path]:
                found[path] = f"differs here from the commit {repository.base[:12]}"
        return found

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        held = self.commits[repository.base][0]
        return {path for path in paths if path not in held and self._ignores(path)}

    def modules(self, repository: Repository) -> list[str]:
        del repository
        return list(self.submodules)

    def unfilled(self, repository: Repository) -> str:
        del repository
        return ""

    def loose(self, repository: Repository, tree: str) -> list[str]:
        del repository, tree
        return []

    def branches(self, repository: Repository) -> dict[str, Branch]:
        del repository
        places = {branch: tree for tree, branch in {self.top: "main", **self.trees}.items()}
        return {name: Branch(commit=commit, tree=places.get(name, "")) for name, commit in self.refs.items()}

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        if tree in self.trees and tree not in self.files.made:
            del self.trees[tree]
        if tree not in self.trees:
            if self.files.names(tree):
                raise ProgramError(f"{tree}: already exists, and is no work tree of {self.top}", f"mv {tree} aside")
            self.trees[tree] = branch
            self.files.make(tree)
            for path, data in self.commits[self.refs.setdefault(branch, repository.base)][0].items():
                self.files.write(f"{tree}/{path}", data)
        return ("git", "reset", "--hard")

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
        del author
        if tree not in self.trees:
            raise ProgramError(f"{tree}: is no work tree of {self.top} any more")
        there, tip = self._tree(tree), self.refs[branch]
        old = self.commits[tip][0]
        own = {path for path in (*there, *old) if any(fnmatch.fnmatchcase(path, each) for each in claims)}
        wanted = {*paths, *(path for path in own if not self._ignores(path))}
        new = {path: data for path, data in old.items() if path not in wanted}
        new |= {path: there[path] for path in wanted if path in there}
        base = self.commits[repository.base][0]
        unchanged = tuple(path for path in paths if path in base and base[path] == new.get(path))
        if new == old:
            return Kept(commit=tip, unchanged=unchanged)
        if not message:
            loose = tuple(sorted(path for path in wanted if new.get(path) != old.get(path)))
            return Kept(commit=tip, unchanged=unchanged, loose=loose)
        self.refs[branch] = self._commit(new, (tip,))
        return Kept(commit=self.refs[branch], unchanged=unchanged, made=True)

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> MergeResult:
        there = self.branches(repository).get(into)
        if there is not None and there.tree:
            raise UsageError(
                f"{into} is checked out in {there.tree}, and is not moved under whoever works there",
                f"git -C {there.tree} merge {' '.join(branches)}",
            )
        base = repository.branch.removeprefix("refs/heads/")
        tip = start = there.commit if there is not None else self.refs.get(base, repository.base)
        done = []
        for branch in branches:
            merged = self._merge(tip, branch)
            tip = merged.commit or tip
            done.append(merged)
        if tip != start and not dry:
            self.refs[into] = tip
        return MergeResult(into=into, commit=tip, branches=tuple(done))

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        if tree not in self.trees:
            return ""
        tips = [self.refs[name] for name in merged if name in self.refs] + [repository.base]
        if not any(self.refs[branch] in self._history(tip) for tip in tips):
            return f"{branch} is not merged"
        there = {path: data for path, data in self._tree(tree).items() if not self._ignores(path)}
        if there != self.commits[self.refs[branch]][0]:
            return "it holds changes that are not committed"
        for path in there:
            self.files.remove(f"{tree}/{path}")
        self.files.made -= {place for place in self.files.made if f"{place}/".startswith(f"{tree}/")}
        del self.trees[tree]
        return ""

    def drop(self, repository: Repository, branch: str, merged: Sequence[str]) -> str:
        if branch not in self.refs:
            return ""
        if tree := self.branches(repository)[branch].tree:
            return f"it is checked out in {tree}"
        tips = [self.refs[name] for name in merged if name in self.refs] + [repository.base]
        if not any(self.refs[branch] in self._history(tip) for tip in tips):
            return "it is not merged"
        del self.refs[branch]
        return ""

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        del repository
        for tree in trees:
            old = next(place for place in self.trees if posixpath.basename(place) == posixpath.basename(tree))
            self.trees[tree] = self.trees.pop(old)

    def _ignores(self, path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.ignore)

    def _tree(self, top: str) -> Tree:
        start = f"{top}/"
        return {path.removeprefix(start): entry[0] for path, entry in self.files.held.items() if path.startswith(start)}

    def _commit(self, tree: Tree, parents: tuple[str, ...]) -> str:
        name = sha1(repr((sorted(tree.items()), parents)).encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = (tree, parents)
        return name

    def _history(self, tip: str) -> set[str]:
        found: set[str] = set()
        todo = [tip]
        while todo:
            name = todo.pop()
            found.add(name)
            todo += self.commits[name][1]
        return found

    def _merge(self, tip: str, branch: str) -> Merge:
        theirs = self.refs.get(branch)
        if theirs is None:
            return Merge(branch=branch, state="gone")
        if theirs in self._history(tip):
            return Merge(branch=branch, state="contained")
        if tip in self._history(theirs):
            return Merge(branch=branch, state="merged", commit=theirs)
        shared = self._history(tip) & self._history(theirs)
        base = self.commits[max(shared, key=lambda name: len(self._history(name)))][0]
        one, other = self.commits[tip][0], self.commits[theirs][0]
        clashing = sorted(path for path in {*one, *other} if _clash(path, base, one, other))
        if clashing:
            return Merge(branch=branch, state="conflict", files=tuple(clashing))
        paths = {*one, *other}
        chosen = {path: (other if one.get(path) == base.get(path) else one).get(path) for path in paths}
        tree = {path: data for path, data in chosen.items() if data is not None}
        return Merge(branch=branch, state="merged", commit=self._commit(tree, (tip, theirs)))


def _clash(path: str, base: Mapping[str, bytes], one: Mapping[str, bytes], other: Mapping[str, bytes]) -> bool:
    old, ours, theirs = base.get(path), one.get(path), other.get(path)
    return ours not in (old, theirs) and theirs != old

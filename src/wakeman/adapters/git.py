"""git: a work tree and a branch for each worker, commits of what passes, merges that touch no file of the user. Every
call runs the git program: no hook of the repository runs, nothing is signed, nothing is asked. A worker can change its
tree, so the tree's `.git` file is not trusted: calls name the directory that git itself keeps for it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory

from wakeman.core.errors import ProgramError, UnknownRevisionError, UsageError
from wakeman.core.model import Repository
from wakeman.ports import OUT_BYTES_MAX, Branch, Kept, Machine, Merge, MergeResult, Ran

GIT_VERSION_MIN = (2, 38)
"""The first git whose merge-tree merges without a work tree."""
GIT_TIMEOUT_S = 600.0
"""Time limit of one call in seconds."""
GIT_BATCH_PATHS_MAX = 500
"""Paths in one command line at most."""
GIT_SETTINGS = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "-c", "commit.gpgSign=false", "-c", "core.quotePath=false", "-c", "advice.detachedHead=false",
)  # fmt: skip
"""Options against waiting: the user's hooks may wait for input, a signature for a key."""
FALLBACK = {"GIT_COMMITTER_NAME": "Wakeman", "GIT_COMMITTER_EMAIL": "wakeman@localhost"}
"""Committer if git does not know the user's identity."""
OBJECTS, MORE_OBJECTS = "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"
"""Variables for a dry merge: git writes objects to a temporary directory, and reads those of the repository."""
MODULE_MODE = "160000"
_HEADS = "refs/heads/"


class LocalGit:
    """The git program of this machine, run with `env`."""

    def __init__(self, machine: Machine, env: Mapping[str, str]) -> None:
        self._machine = machine
        self._env = {**env, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}

    def survey(self, root: str, rev: str) -> Repository:
        """Ask git for the repository and the commit of `rev`."""
        git = shutil.which("git", path=self._env.get("PATH"))
        if git is None:
            raise ProgramError("git: not found on PATH", "apt-get install git, or brew install git")
        self._new_enough(git)
        where = self._ask(git, root, "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir")
        if where.code != 0 and (trust := re.search(r"git config --global --add safe\.directory .+", where.err)):
            raise UsageError(f"{root}: git does not trust it, as it belongs to another user", trust[0].strip())
        if where.code != 0:
            hint = f"git -C {root} init, and commit what the units need"
            raise UsageError(f"{root} is in no git work tree: {_last_line_of(where)}", hint)
        _, common = where.out.splitlines()
        prefix = self._ask(git, root, "rev-parse", "--show-prefix").out.rstrip("\n").rstrip("/")
        base = self._ask(git, root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        if base.code != 0:
            raise UnknownRevisionError(f"found {rev!r}, which is no commit here", f"git -C {root} rev-parse {rev}")
        full = self._ask(git, root, "rev-parse", "--symbolic-full-name", "--end-of-options", rev).out.split()
        branch = next((name for name in full if name.startswith(_HEADS)), "")
        top = root.removesuffix(f"/{prefix}") if prefix else root
        return Repository(git=git, top=top, common=common, base=base.out.strip(), prefix=prefix, branch=branch)

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        """Compare with the base commit: paths that are not in it, or differ in the user's work tree."""
        found: dict[str, str] = {}
        short = repository.base[:12]
        for batch in _path_batches(paths):
            listed = self._must(
                repository, "ls-tree", "-r", "-z", "--name-only", "--full-tree", repository.base, "--", *batch
            )
            there = set(listed.split("\0"))
            # ls-tree also accepts a directory's name, which is no file.
            found |= {path: f"is not in the commit {short}" for path in batch if path not in there}
            differing = self._must(
                repository, "diff", "--no-ext-diff", "--name-only", "-z", repository.base, "--", *batch
            )
            found |= {
                path: f"differs here from the commit {short}"
                for path in differing.split("\0")
                if path and path in there
            }
        return found

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        """Ask which paths git ignores."""
        stdin = "\0".join(f"./{path}" for path in paths).encode("utf-8", "surrogateescape")
        ran = self._run(repository.git, repository.top, {}, "check-ignore", "-z", "--stdin", stdin=stdin)
        if ran.code not in (0, 1):
            raise ProgramError(f"git check-ignore: {_last_line_of(ran)}", f"git -C {repository.top} status")
        return {path.removeprefix("./") for path in ran.out.split("\0") if path}

    def modules(self, repository: Repository) -> list[str]:
        """Read the base commit's `.gitmodules`."""
        blob = f"{repository.base}:.gitmodules"
        ran = self._ask(
            repository.git, repository.top, "config", "-z", "--blob", blob, "--get-regexp", r"^submodule\..*\.path$"
        )
        return [entry.partition("\n")[2] for entry in ran.out.split("\0") if entry] if ran.code == 0 else []

    def unfilled(self, repository: Repository) -> str:
        """Ask whether the base commit has files of git LFS, and whether this user's git fills them in."""
        words = ("grep", "-q", "-I", "-E", r"^[^#].*\bfilter=lfs\b", repository.base)
        attributes = (":(top,glob)**/.gitattributes",)
        if self._run(repository.git, repository.top, {}, *words, "--", *attributes).code != 0:
            return ""
        if shutil.which("git-lfs", path=self._env.get("PATH")) is None:
            return "git-lfs is not installed"
        smudge = self._ask(repository.git, repository.top, "config", "filter.lfs.process")
        return "" if smudge.code == 0 else "git-lfs is not set up for this user: git lfs install"

    def loose(self, repository: Repository, tree: str) -> list[str]:
        """List what was left in a tree that is not committed; nothing where there is no tree."""
        if os.path.realpath(tree) not in self._trees(repository) or not os.path.isdir(tree):
            return []
        env = {"GIT_DIR": self._admin(repository, tree), "GIT_WORK_TREE": tree}
        words = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        listed = self._run_checked(repository, tree, env, *words)
        return sorted(entry[3:] for entry in listed.split("\0") if entry)

    def branches(self, repository: Repository) -> dict[str, Branch]:
        """List the branches of the repository, each with the work tree that has it checked out."""
        listed = self._must(repository, "for-each-ref", "--format=%(refname)%00%(objectname)", _HEADS)
        found = dict(line.split("\0") for line in listed.splitlines())
        places = {branch: tree for tree, branch in self._trees(repository).items() if branch}
        return {
            name.removeprefix(_HEADS): Branch(commit=commit, tree=places.get(name, ""))
            for name, commit in found.items()
        }

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        """Add a work tree without its files, which its worker checks out by the returned command."""
        real, there = os.path.realpath(tree), self._trees(repository)
        if real in there and not os.path.exists(f"{real}/.git"):
            self._must(repository, "worktree", "prune", "--expire=now")  # its directory was removed
            there.pop(real)
        if real not in there:
            if os.path.isdir(real) and os.listdir(real):
                raise ProgramError(
                    f"{tree}: already exists, and is no work tree of {repository.top}", f"mv {tree} aside"
                )
            known = branch in self.branches(repository)
            what = (tree, branch) if known else ("-b", branch, tree, repository.base)
            self._must(repository, "worktree", "add", "--quiet", "--no-checkout", *what)
        return (repository.git, *GIT_SETTINGS, "-C", tree, "reset", "--quiet", "--hard", "HEAD")

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
        """Write a tree from the branch and only these paths, by a separate index; the worker's index is not used."""
        admin, ref = self._admin(repository, tree), f"{_HEADS}{branch}"
        with self._index(tree) as index:
            env = {"GIT_DIR": admin, "GIT_WORK_TREE": tree, "GIT_INDEX_FILE": index}
            tip = self._run_checked(repository, tree, env, "rev-parse", "--verify", f"{ref}^{{commit}}").strip()
            self._run_checked(repository, tree, env, "read-tree", tip)
            more = self._claimed(repository, tree, env, claims)
            listed = "\0".join([*paths, *more]).encode("utf-8", "surrogateescape")
            self._run_checked(repository, tree, env, "update-index", "--add", "--remove", "-z", "--stdin", stdin=listed)
            made = self._run_checked(repository, tree, env, "write-tree").strip()
        old = self._must(repository, "rev-parse", f"{tip}^{{tree}}").strip()
        changed = set(self._names(repository, repository.base, made))
        unchanged = tuple(path for path in paths if path not in changed)
        if made == old:
            return Kept(commit=tip, unchanged=unchanged)
        if not message:
            return Kept(commit=tip, unchanged=unchanged, loose=tuple(self._names(repository, tip, made)))
        identity = {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": "wakeman@localhost", **self._committer(repository)}
        commit = self._run_checked(
            repository, repository.top, identity, "commit-tree", made, "-p", tip, "-F", "-", stdin=message.encode()
        ).strip()
        self._must(repository, "update-ref", "-m", "wakeman: what passed", ref, commit, tip)
        # So that the committed paths are clean in the work tree. It may fail if the worker left its index locked.
        own = {"GIT_DIR": admin, "GIT_WORK_TREE": tree}
        ran = self._run(repository.git, tree, own, "update-index", "--add", "--remove", "-z", "--stdin", stdin=listed)
        return Kept(commit=commit, unchanged=unchanged, made=True, note=_last_line_of(ran) if ran.code else "")

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> MergeResult:
        """Merge in the object database only, one branch after the other, then update the target branch once."""
        if dry and OBJECTS not in self._env:
            with TemporaryDirectory(prefix="wakeman-") as place:
                elsewhere = {OBJECTS: place, MORE_OBJECTS: f"{repository.common}/objects"}
                return LocalGit(self._machine, {**self._env, **elsewhere}).merge(repository, branches, into, dry=True)
        known = self.branches(repository)
        there = known.get(into)
        if there is not None and there.tree:
            raise UsageError(
                f"{into} is checked out in {there.tree}, and is not moved under whoever works there",
                f"git -C {there.tree} merge {' '.join(branches)}",
            )
        base = repository.branch.removeprefix(_HEADS)
        start = there.commit if there is not None else known[base].commit if base in known else repository.base
        tip, done = start, []
        for branch in branches:
            merged = self._merge(repository, tip, branch, into)
            tip = merged.commit or tip
            done.append(merged)
        if tip != start and not dry:
            old = there.commit if there is not None else "0" * len(tip)
            self._must(repository, "update-ref", "-m", "wakeman: merge", f"{_HEADS}{into}", tip, old)
        return MergeResult(into=into, commit=tip, branches=tuple(done))

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        """Remove a tree if everything in it is committed, and its branch is merged."""
        known = self.branches(repository)
        if os.path.realpath(tree) not in self._trees(repository):
            return ""
        tips = [known[name].commit for name in merged if name in known] + [repository.base]
        tip = known[branch].commit if branch in known else ""
        if not tip or not any(self._contains(repository, other, tip) for other in tips):
            return f"{branch} is not merged"
        env = {"GIT_DIR": self._admin(repository, tree), "GIT_WORK_TREE": tree}
        if self._run_checked(repository, tree, env, "status", "--porcelain"):
            return "it holds changes that are not committed"
        if moved := self._moved_modules(repository, tip):
            return f"its submodule {moved[0]} holds commits of its own"
        # Git removes no tree with submodules unless forced; what they hold was compared above.
        ran = self._ask(repository.git, repository.top, "worktree", "remove", "--force", tree)
        return "" if ran.code == 0 else _last_line_of(ran)

    def drop(self, repository: Repository, branch: str, merged: Sequence[str]) -> str:
        """Delete a merged branch, unless it has moved meanwhile."""
        known = self.branches(repository)
        if branch not in known:
            return ""
        tip, tree = known[branch].commit, known[branch].tree
        if tree:
            return f"it is checked out in {tree}"
        tips = [known[name].commit for name in merged if name in known] + [repository.base]
        if not any(self._contains(repository, other, tip) for other in tips):
            return "it is not merged"
        self._must(repository, "update-ref", "-d", f"{_HEADS}{branch}", tip)
        return ""

    def _moved_modules(self, repository: Repository, tip: str) -> list[str]:
        """List the submodules that another commit is recorded for than in the base commit."""
        listed = self._must(repository, "diff-tree", "-r", "-z", "--no-renames", repository.base, tip).split("\0")
        pairs = zip(listed[::2], listed[1::2], strict=False)
        return [path for fact, path in pairs if MODULE_MODE in fact.removeprefix(":").split(" ")[:2]]

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        """Repair git's links to trees that were moved."""
        if trees:
            self._must(repository, "worktree", "repair", *trees)

    # --- calls of git -------------------------------------------------------------------------------------------

    def _new_enough(self, git: str) -> None:
        words = self._ask(git, "/", "--version").out.split()
        numbers = words[2].split(".") if len(words) > 2 else []
        if not all(part.isdigit() for part in numbers[:2]) or tuple(map(int, numbers[:2])) < GIT_VERSION_MIN:
            wanted = ".".join(map(str, GIT_VERSION_MIN))
            raise ProgramError(
                f"git: found version {' '.join(words[2:]) or '?'}, expected {wanted} or later", "update git"
            )

    def _run(self, git: str, cwd: str, env: Mapping[str, str], *words: str, stdin: bytes = b"") -> Ran:
        argv = [git, *GIT_SETTINGS, *words]
        ran = self._machine.run(argv, cwd=cwd, env={**self._env, **env}, timeout=GIT_TIMEOUT_S, stdin=stdin)
        if ran.cut == "size":  # what a hook leaves may hold the pipe, and git's own words are complete then
            raise ProgramError(f"git: found more than {OUT_BYTES_MAX} bytes of output, expected at most that")
        return ran

    def _ask(self, git: str, cwd: str, *words: str, stdin: bytes = b"") -> Ran:
        return self._run(git, cwd, {}, "--literal-pathspecs", *words, stdin=stdin)

    def _run_checked(
        self, repository: Repository, cwd: str, env: Mapping[str, str], *words: str, stdin: bytes = b""
    ) -> str:
        ran = self._run(repository.git, cwd, env, *words, stdin=stdin)
        if ran.code != 0:
            raise ProgramError(f"git {words[0]}: {_last_line_of(ran)}", f"git -C {cwd} status")
        return ran.out

    def _must(self, repository: Repository, *words: str) -> str:
        return self._run_checked(repository, repository.top, {}, "--literal-pathspecs", *words)

    def _names(self, repository: Repository, old: str, new: str) -> Iterator[str]:
        listed = self._must(repository, "diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        return (name for name in listed.split("\0") if name)

    def _contains(self, repository: Repository, tip: str, commit: str) -> bool:
        return self._ask(repository.git, repository.top, "merge-base", "--is-ancestor", commit, tip).code == 0

    def _trees(self, repository: Repository) -> dict[str, str]:
        """Return the work trees of the repository, by path, each with the full name of its branch."""
        found: dict[str, str] = {}
        place = ""
        for line in self._must(repository, "worktree", "list", "--porcelain", "-z").split("\0"):
            key, _, value = line.partition(" ")
            if key == "worktree":
                place = value
                found[place] = ""
            elif key == "branch":
                found[place] = value
        return found

    def _admin(self, repository: Repository, tree: str) -> str:
        """Find the directory that git keeps for a tree. Raises: ProgramError when there is none."""
        wanted = f"{os.path.realpath(tree)}/.git"
        with suppress(FileNotFoundError):
            for name in os.listdir(f"{repository.common}/worktrees"):
                place = f"{repository.common}/worktrees/{name}"
                with suppress(OSError), open(f"{place}/gitdir") as file:
                    if file.read().strip() == wanted:
                        return place
        raise ProgramError(
            f"{tree}: is no work tree of {repository.top} any more", f"git -C {repository.top} worktree list"
        )

    @contextmanager
    def _index(self, tree: str) -> Iterator[str]:
        index = f"{tree}.index-{os.urandom(12).hex()}"
        try:
            yield index
        finally:
            for left in (index, f"{index}.lock"):
                with suppress(FileNotFoundError):
                    os.unlink(left)

    def _claimed(self, repository: Repository, tree: str, env: Mapping[str, str], claims: Sequence[str]) -> list[str]:
        """List the changed paths that match the patterns of `units.writes`, without ignored ones."""
        if not claims:
            return []
        words = ("ls-files", "-z", "-m", "-o", "-d", "--exclude-standard", "--", *(f":(glob){each}" for each in claims))
        return [name for name in self._run_checked(repository, tree, env, *words).split("\0") if name]

    def _committer(self, repository: Repository) -> Mapping[str, str]:
        known = self._ask(repository.git, repository.top, "var", "GIT_COMMITTER_IDENT").code == 0
        return {} if known else FALLBACK

    def _merge(self, repository: Repository, tip: str, branch: str, into: str) -> Merge:
        name = f"{_HEADS}{branch}"
        ran = self._ask(repository.git, repository.top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if ran.code != 0:
            return Merge(branch=branch, state="gone")
        theirs = ran.out.strip()
        if self._contains(repository, tip, theirs):
            return Merge(branch=branch, state="contained")
        if self._contains(repository, theirs, tip):
            return Merge(branch=branch, state="merged", commit=theirs)
        merged = self._ask(
            repository.git,
            repository.top,
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
            tip,
            theirs,
        )
        tree, *files = merged.out.rstrip("\0").split("\0")
        if merged.code == 1:
            return Merge(branch=branch, state="conflict", files=tuple(dict.fromkeys(filter(None, files))))
        if merged.code != 0:
            raise ProgramError(
                f"git merge-tree {branch}: {_last_line_of(merged)}", f"git -C {repository.top} merge {branch}"
            )
        ours = self._committer(repository)
        author = {key.replace("COMMITTER", "AUTHOR"): value for key, value in ours.items()}
        commit = self._run_checked(
            repository, repository.top, {**ours, **author}, "commit-tree", tree, "-p", tip, "-p", theirs,
            "-m", f"Merge branch '{branch}' into {into}",
        )  # fmt: skip
        return Merge(branch=branch, state="merged", commit=commit.strip())


def _path_batches(paths: Iterable[str]) -> Iterator[list[str]]:
    every = list(paths)
    yield from (every[at : at + GIT_BATCH_PATHS_MAX] for at in range(0, len(every), GIT_BATCH_PATHS_MAX))


def _last_line_of(ran: Ran) -> str:
    """Return git's reason: the last line of its output."""
    lines = (ran.error or ran.err).strip().splitlines()
    return lines[-1].removeprefix("fatal: ").removeprefix("error: ") if lines else f"exit status {ran.code}"

"""Files of the dictionary, judged where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.core.errors import ProgramError
from wakeman.core.formats import format_fault
from wakeman.core.model import FileFingerprint, Format, ParseLimitSpec


@dataclass
class MemoryParser:
    """A parser in whose process nothing goes wrong, but for the files of `deadly`: path -> what becomes of them.

    Shape: `broken` says why no parser can be started; `parsed` keeps the paths of each call.
    """

    files: MemoryFiles
    deadly: dict[str, str] = field(default_factory=dict)
    broken: str = ""
    parsed: list[tuple[str, ...]] = field(default_factory=list)

    def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
        if self.broken:
            raise ProgramError(self.broken)
        self.parsed.append(tuple(file.path for file in files))
        there = self.files.marks(file.path for file in files)
        return {file.path: self._judge(kind, file, limit) if there.get(file.path) == file else None for file in files}

    def _judge(self, kind: Format, file: FileFingerprint, limit: ParseLimitSpec) -> str:
        return self.deadly.get(file.path) or format_fault(kind, self.files.read(file.path, limit.size))

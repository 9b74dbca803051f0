"""Files judged by their format, apart from this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wakeman.core.model import FileFingerprint, Format, ParseLimitSpec


class Parser(Protocol):
    """What parses files that anybody may have written."""

    def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
        """Return, by path, why each file is not valid, or too large or too slow to say; "" for a valid one.

        Shape: None for a file that is not as its fingerprint says any more; what its parser does to itself, it does to
        the verdict on that file alone. Boundary: what there is no time for in one go is left out; the first file is
        never. Raises: ProgramError when no parser can be started.
        """

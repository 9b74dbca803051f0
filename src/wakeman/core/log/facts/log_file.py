"""Facts about the log itself and the disk that it is on, and notes."""

from wakeman.core.log.facts.fact import Event, Fact
from wakeman.core.model import Deployment


class Repaired(Fact, frozen=True):
    """Bytes behind the last whole write were cut off and kept."""

    file: str
    """File that keeps what was cut off."""
    size: int
    """Bytes that were cut off."""
    line: int = 0
    """First line cut off, when a person cut damage; 0 for a write that a crash left unfinished."""

    def summary(self) -> str:
        if self.line:
            return f"cut before line {self.line} by hand, {self.size} bytes; the original is in {self.file}"
        return f"{self.size} bytes of an unfinished write, kept in {self.file}"


class Sealed(Fact, frozen=True):
    """The lines before this one were moved to a sealed file."""

    file: str
    """Name of that file."""
    size: int
    """Its size in bytes."""
    sha256: str
    """SHA-256 of its contents, in hex."""

    def summary(self) -> str:
        return f"the lines before, {self.size} bytes, as {self.file}"


class Filled(Fact, frozen=True):
    """The disk is full. The reserve was released for what must still be written."""

    size: int
    """Bytes that could not be written."""
    why: str
    """Error message of the system."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.full = self.why

    def summary(self) -> str:
        return f"{self.why}: {self.size} bytes refused, the reserve given up, nobody is launched"


class Freed(Fact, frozen=True):
    """The disk has room again: the reserve is back."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.full = ""

    def summary(self) -> str:
        return "there is room again"


class Noted(Fact, frozen=True):
    """A note that changes no state: an orphan, a refusal, a stale mark."""

    text: str
    """What is noted."""

    def summary(self) -> str:
        return self.text


class Unknown(Fact, frozen=True):
    """A fact of a newer version: kept, without effect. `name` is its type in the log."""

    name: str = ""

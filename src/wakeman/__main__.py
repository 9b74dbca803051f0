"""`python -m wakeman`, as alarms, the ends of workers and other programs call it."""

import gc
import sys

if sys.argv[1:2] in (["check"], ["status"]):
    gc.disable()  # both are over before it would pay to collect what their imports leave

# msgspec takes from `typing` what it would take from this package, which costs more to load than a seventh of a check.
if hidden := "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment] # so an import of it fails

import msgspec  # noqa: F401 - before anybody else needs that package

if hidden:
    del sys.modules["typing_extensions"]

from wakeman.faces.cli import main


def _exit_at_once(code: int) -> None:
    """End the process without taking the interpreter apart, which costs a tenth of a check.

    Shape: what was registered for the end runs, and what was written is flushed, as always: a trace or a coverage of
    this process is complete. Everything that a log needs was synced where it was written.
    """
    import atexit
    import os

    atexit._run_exitfuncs()  # noqa: SLF001 - Python has no other name for it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    code = main()
    if not gc.isenabled():
        _exit_at_once(code)
    sys.exit(code)

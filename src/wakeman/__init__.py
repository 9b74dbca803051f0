"""Wakeman: the night watch for parallel coding agents."""


def __getattr__(name: str) -> str:
    """Return `__version__`: that of the installed package, as pyproject.toml has it, read on first use."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _version_here() or _version_anywhere()


def _version_here() -> str:
    """Return what the name of the installed package's directory says; "" where it lies in no plain directory.

    Cost: a listing for each place of packages, where `importlib.metadata` loads a hundred modules.
    """
    import os
    import sys

    for place in sys.path:
        try:
            found = [name for name in os.listdir(place or ".") if name.startswith("wakeman-")]
        except OSError:
            continue
        for name in found:
            if name.endswith(".dist-info"):
                return name.removeprefix("wakeman-").removesuffix(".dist-info")
    return ""


def _version_anywhere() -> str:
    from importlib.metadata import version

    return version(__name__)

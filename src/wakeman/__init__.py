"""Wakeman: the night watch for parallel coding agents."""


def __getattr__(name: str) -> str:
    """Return `__version__`: that of the installed package, as pyproject.toml has it, read on first use."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)

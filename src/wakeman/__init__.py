"""Wakeman: the night watch for parallel coding agents."""

__version__ = "0.1.0"

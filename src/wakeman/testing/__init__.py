"""Conformance suites for what others plug in."""

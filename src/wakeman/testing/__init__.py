"""Conformance tests for plug-ins."""

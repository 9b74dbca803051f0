"""Serves the report as a live page, by HTTP on this machine. A face: a deployment does not need it."""

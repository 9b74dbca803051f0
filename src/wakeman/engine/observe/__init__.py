"""A check's observation of sessions, files, clients and outputs."""

"""What one check sees of sessions, files, clients and outputs."""

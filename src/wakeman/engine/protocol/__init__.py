"""What is written and done, in which order: defined once, driven by the engine and by the audit."""

"""What is written and done, in which order: described once, driven by the engine and by the audit."""

"""The parts of an attempt, and typing into its session."""

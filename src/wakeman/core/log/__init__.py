"""Facts, the lines that they become, and the state that they make."""

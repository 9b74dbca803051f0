"""From a plan to an open deployment, and back to one after a crash."""

"""Deployments to move in: a list, one worker beside it, and the time of a night as a slider."""

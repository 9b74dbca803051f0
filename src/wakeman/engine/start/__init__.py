"""Starts a deployment from a plan, and resumes one after a crash."""

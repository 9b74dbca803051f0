"""Decisions: the tables, and the conditions that they test."""

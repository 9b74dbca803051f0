"""The answers of verbs, as values with schemas: faces render them and compute nothing.

A function takes the world, and gives an `Answer`; `schema` has the table of verbs. A face passes in what needs an
adapter.
"""

"""What the verbs answer, as values with schemas: each face renders these and computes nothing itself.

A function takes the world, and gives an `Answer`; `schema` has the table of verbs. What only an adapter can do is
handed in by the face.
"""

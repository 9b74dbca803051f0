"""What is to be done, and why: the tables and what they ask."""

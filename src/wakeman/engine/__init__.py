"""The one loop: look, move, decide, act. Every verb that does something ends in it."""

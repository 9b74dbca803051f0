"""The loop: observe, transition, decide, act. Every verb that changes something ends in it."""

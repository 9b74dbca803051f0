"""The audit of a log: the protocol is driven with the recorded lines."""

"""A log judged again: the protocol driven with the recorded lines."""

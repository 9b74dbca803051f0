"""Facts, how they are written as lines, and the state that results from them."""

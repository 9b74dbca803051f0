"""How what was decided is done."""

"""`python -m wakeman`, as alarms and the ends of workers call it."""

import gc
import sys

if sys.argv[1:2] == ["check"]:
    gc.disable()  # a check is over before it would pay to collect what its imports leave

from wakeman.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())

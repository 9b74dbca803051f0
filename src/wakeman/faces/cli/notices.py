"""The verb that tells of all deployments, line by line, for a program that listens."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace

import msgspec

from wakeman.api.notices import Notice, standing
from wakeman.api.notices import notices as api_notices
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import json_line, out, print_note, printable


def _notices_options(parser: ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print what stands now, and end")


def notices(options: Namespace) -> int:
    """Print a line for each notice, until Ctrl-C or the reader's end."""
    world = reach(options)
    quiet = options.once or options.json
    for notice in standing(world) if options.once else api_notices(world, time.sleep):
        if notice is None:
            sys.stdout.flush()
            if not quiet:
                quiet = True
                print_note("further notices come as they are; Ctrl-C ends this, and no deployment")
        elif options.json:
            json_line(msgspec.to_builtins(notice))
        else:
            out(notice_line(notice))
    return 0


def notice_line(notice: Notice) -> str:
    """Return a notice as one line."""
    return printable(f"wakeman: {notice.deployment}: {notice.says}. Next: {notice.next}")


VERBS: dict[str, Verb] = {"notices": ("wakeman notices --once", _notices_options, notices)}

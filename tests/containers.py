"""Images for tests of containers, made of programs of this machine; and why there can be none here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.slurm import PATH

_SHELL = "dash"
_TOOLS = (
    "cat", "chmod", "dd", "echo", "env", "grep", "head", "kill", "ls", "mkdir", "mv", "nohup", "printf", "readlink",
    "rm", "setsid", "sleep", "stty", "sync", "tail", "touch", "tr", "uname", "wc", "awk", "ps",
)  # fmt: skip
APPTAINER = next((found for name in ("apptainer", "singularity") if (found := shutil.which(name))), None)
"""The program that runs containers here, by the PATH of who runs the tests."""


@cache
def unable() -> str:
    """Return why no container can be run here; "" if one can."""
    if APPTAINER is None:
        return "not installed: apptainer (or singularity)"
    with TemporaryDirectory(prefix="wki", dir="/tmp", ignore_cleanup_errors=True) as place:
        argv = (APPTAINER, "exec", "--no-home", str(make_image(Path(place, "image"))), "/bin/sh", "-c", ":")
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return "" if ran.returncode == 0 else f"{APPTAINER}: {ran.stderr.strip()[-200:]}"


def path() -> str:
    """Return the PATH of a cluster's daemons and jobs on which the program is found."""
    return f"{os.path.dirname(APPTAINER)}:{PATH}" if APPTAINER else PATH


def make_image(place: Path) -> Path:
    """Make an image, as a directory: a shell that is not bash, small programs, and what they load."""
    for name in ("tmp", "proc", "sys", "dev", "root", "etc", "var/tmp", "usr/bin"):
        (place / name).mkdir(parents=True)
    (place / "bin").symlink_to("usr/bin")
    (place / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (place / "etc" / "group").write_text("root:x:0:\n")
    (place / "etc" / "inside").write_text("the image\n")
    for name in ("sh", *_TOOLS):
        found = shutil.which(_SHELL if name == "sh" else name, path=PATH)
        if found is not None:
            shutil.copy(os.path.realpath(found), place / "usr" / "bin" / name)
            _bring_libraries(place, found)
    return place


def _bring_libraries(place: Path, program: str) -> None:
    loads = subprocess.run(("ldd", program), capture_output=True, text=True, timeout=20, check=False).stdout
    for library in re.findall(r"(/\S+\.so\S*)", loads):
        target = place / library.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(library), target)

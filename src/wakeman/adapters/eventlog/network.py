"""The type of a path's file system, as far as the kernel reports it."""

from __future__ import annotations

import os
import re

REMOTE = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|coda|ceph|glusterfs|lustre|gfs2?|ocfs2|beegfs|gpfs|orangefs|pvfs2|davfs|"
    r"fuse\.(?!fuse-overlayfs|gvfsd|portal).+|virtiofs"
)
"""Types whose locks and appends depend on another machine or a program. Source: mount(8), statfs(2)."""
MOUNTS = "/proc/self/mountinfo"


def network(path: str, mounts: str = MOUNTS) -> str:
    """Return the type of the network file system that a path is on, or would be once it exists; "" if on none.

    Boundary: "" where the kernel lists no mounts.
    """
    where = os.path.realpath(path)
    best, found = "", ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                head, _, tail = line.partition(" - ")
                point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), head.split()[4])
                inside = where == point or where.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):
                    best, found = point, tail.split()[0]
    except (OSError, IndexError):
        return ""
    return found if REMOTE.fullmatch(found) else ""

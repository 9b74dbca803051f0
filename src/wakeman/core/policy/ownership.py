"""Whether a deployment is live here: begun or adopted by this user, on this machine, in this very directory.

A log names programs, sockets and processes. What a clone, a copy or another host's disk brings along must not be run
or ended by them, so a log is only data until the registry of this user and machine vouches for its directory.
"""

import msgspec
from msgspec import Struct

from wakeman.core.digests import blake2b
from wakeman.core.model import Host, Identity

ADOPTED_ELSEWHERE = "was adopted elsewhere since"
"""How the reason begins where the log, which two machines share, says that it is live for another by now."""


class Entry(Struct, frozen=True):
    """What the registry keeps of one deployment: its directory as it was when it began, or was adopted.

    Shape: `host` is a digest of the programs and places that its log names; `boot` is that of the latest check. One
    that is live `anywhere` is so on each machine of its user that finds this entry: those that share the registry, too.
    """

    directory: str
    device: int
    inode: int
    identity: Identity
    boot: str
    host: str
    anywhere: bool = False


class Site(Struct, frozen=True):
    """What is found now: the directory, and where and as whom this process runs."""

    directory: str
    device: int
    inode: int
    identity: Identity
    boot: str


def digest(host: Host) -> str:
    """Return a digest of a host, wherever it is live, and whichever directory is at its root now.

    Boundary: also of one that no log can hold, as a name in it is not UTF-8: a plan that needs it is refused later.
    """
    named = msgspec.structs.replace(host, identity=None, root_id="", versions={})
    try:
        data = msgspec.json.encode(named)
    except UnicodeEncodeError:
        data = repr(named).encode("utf-8", "surrogateescape")
    return blake2b(data, digest_size=16).hexdigest()


def entry(site: Site, host: Host) -> Entry:
    """Return what the registry is to keep of a deployment that is live from now on."""
    return Entry(site.directory, site.device, site.inode, site.identity, site.boot, digest(host), host.anywhere)


def refusal(known: Entry | None, site: Site, host: Host | None = None) -> str:
    """Return why a deployment is not live here; "" when it is.

    Shape: `host` is what its log names, None before that is read.
    Its last line about where it is live decides between two machines that both have it in their registries.
    Boundary: the number of a device may change with a restart of the machine, so it counts within one boot. Of one that
    is live anywhere, machines and PID namespaces do not count: its sessions are in the cluster's hands, and its log's
    lock holds between machines, as `up` has tried.
    """
    if known is None:
        return "was not begun by this user on this machine"
    if (known.directory, known.inode) != (site.directory, site.inode):
        return f"is another directory than the one that began as {known.directory}"
    if known.boot == site.boot and known.device != site.device:
        return "is on another disk than the one that it began on"
    was, now = known.identity, site.identity
    if was.machine != now.machine and not known.anywhere:
        return f"is live on another machine ({was.machine[:8]}, this is {now.machine[:8]})"
    if was.uid != now.uid:
        return f"belongs to user {was.uid}, this is user {now.uid}"
    if was.pid_namespace != now.pid_namespace and not known.anywhere:
        return "is live in another PID namespace: its processes cannot be seen from this container"
    if host is not None and known.host != digest(host):
        return "names other programs or places in its log than it began with"
    if host is not None and host.identity not in (None, now) and not host.anywhere:
        return f"{ADOPTED_ELSEWHERE}: on {host.identity.machine[:8]}, this is {now.machine[:8]}"
    return ""

from __future__ import annotations

import pytest
from msgspec import structs

from wakeman.core.model import Host, Identity
from wakeman.core.policy.ownership import ADOPTED_ELSEWHERE, Site, digest, entry, refusal

HERE = Identity(machine="m1", uid=1000, pid_namespace=7)
HOST = Host(root="/p", directory="/state/night", python=("python",), place={"tmux": "/usr/bin/tmux"}, identity=HERE)
SITE = Site(directory="/state/night", device=1, inode=42, identity=HERE, boot="b1")
KNOWN = entry(SITE, HOST)


def other(site: Site = SITE, **identity: object) -> Site:
    return structs.replace(site, identity=structs.replace(HERE, **identity))


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (structs.replace(SITE, directory="/copy/night"), "another directory"),
        (structs.replace(SITE, inode=43), "another directory"),
        (structs.replace(SITE, device=2), "another disk"),
        (other(machine="m2"), "another machine"),
        (other(uid=0), "belongs to user 1000, this is user 0"),
        (other(pid_namespace=8), "another PID namespace"),
        (other(structs.replace(SITE, boot="b2"), machine="m2"), "another machine"),
    ],
)
def test_what_differs_from_where_it_began_is_not_live(site: Site, words: str) -> None:
    assert words in refusal(KNOWN, site, HOST)


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (other(machine="m2"), ""),
        (other(pid_namespace=8), ""),
        (other(structs.replace(SITE, boot="b2", device=9), machine="m2"), ""),
        (other(uid=0), "belongs to user 1000"),
        (structs.replace(SITE, inode=43), "another directory"),
    ],
)
@pytest.mark.parametrize("adopted", [HERE, structs.replace(HERE, machine="m3")])
def test_what_is_live_anywhere_is_so_on_each_machine_of_its_user(site: Site, words: str, adopted: Identity) -> None:
    roams = structs.replace(HOST, anywhere=True, identity=adopted)
    known = entry(SITE, roams)

    assert words in refusal(known, site, roams)
    assert bool(words) == bool(refusal(known, site, roams)) == bool(refusal(known, site))


def test_a_log_alone_makes_nothing_live_anywhere() -> None:
    there = other(machine="m2")

    assert "another machine" in refusal(KNOWN, there, structs.replace(HOST, anywhere=True))
    assert "other programs" in refusal(KNOWN, SITE, structs.replace(HOST, anywhere=True))


def test_of_a_machines_id_so_much_is_shown_that_two_are_told_apart() -> None:
    was, now = (structs.replace(HERE, machine=each * 4) for each in ("0123abcd", "4567fedc"))
    known = entry(structs.replace(SITE, identity=was), HOST)

    told = refusal(known, structs.replace(SITE, identity=now), HOST)

    assert "(0123abcd, this is 4567fedc)" in told


def test_what_the_registry_does_not_know_is_not_live() -> None:
    assert refusal(None, SITE, HOST)


@pytest.mark.parametrize("identity", [structs.replace(HERE, machine="m2"), structs.replace(HERE, pid_namespace=8)])
def test_where_another_has_adopted_it_since_it_is_live(identity: Identity) -> None:
    assert refusal(KNOWN, SITE, structs.replace(HOST, identity=identity)).startswith(ADOPTED_ELSEWHERE)


@pytest.mark.parametrize("host", [HOST, None, structs.replace(HOST, identity=None)])
def test_where_it_began_it_is_live(host: Host | None) -> None:
    assert "" == refusal(KNOWN, SITE, host)


def test_a_restart_of_the_machine_may_number_its_disks_anew() -> None:
    assert "" == refusal(KNOWN, structs.replace(SITE, boot="b2", device=9), HOST)


@pytest.mark.parametrize(
    "change",
    [
        {"place": {"tmux": "/clone/tmux"}},
        {"python": ("/clone/python",)},
        {"env": {"PATH": "/clone/bin"}},
        {"root": "/elsewhere"},
        {"directory": "/state/other"},
    ],
)
def test_a_log_that_names_other_programs_or_places_is_not_live(change: dict[str, object]) -> None:
    assert "names other programs" in refusal(KNOWN, SITE, structs.replace(HOST, **change))


def test_a_host_has_one_digest_wherever_it_was_adopted() -> None:
    assert digest(HOST) == digest(structs.replace(HOST, identity=None))


def test_a_host_that_no_log_can_hold_has_a_digest_too() -> None:
    odd, other = (Host(root="/", directory="/d", python=(), env={"HOME": f"/{name}"}) for name in ("\udcff", "\udcfe"))

    assert digest(odd) == digest(odd) != digest(other)

"""Where outputs lead through the symbolic links above them."""

from __future__ import annotations

import pytest

from wakeman.core.plan.links import directories_above, find_links, follow_links


@pytest.mark.parametrize(
    ("paths", "above"),
    [
        ([], []),
        (["/"], []),
        (["/a"], []),
        (["/p/a"], ["/p"]),
        (["/p/out/deep/a"], ["/p", "/p/out", "/p/out/deep"]),
        (["/p/out/a", "/p/out/b", "/p/c"], ["/p", "/p/out"]),
        (["/p/out/a", "/q/x/b"], ["/p", "/q", "/q/x", "/p/out"]),
    ],
    ids=str,
)
def test_each_directory_above_is_listed_once_and_no_sooner_than_the_one_it_is_in(
    paths: list[str], above: list[str]
) -> None:
    found = directories_above(paths)

    assert sorted(above) == sorted(found)
    assert found == sorted(found, key=len)


@pytest.mark.parametrize(
    ("resolved", "links"),
    [
        ({"/p": "/p", "/p/out": "/p/out"}, {}),
        ({"/p": "/p", "/p/out": "/disk/out"}, {"/p/out": "/disk/out"}),
        ({"/p": "/disk", "/p/out": "/disk/out"}, {"/p": "/disk"}),
        ({"/p": "/disk", "/p/out": "/tape"}, {"/p": "/disk", "/p/out": "/tape"}),
        ({"/p": "/disk", "/p/out": "/p/out"}, {"/p": "/disk", "/p/out": "/p/out"}),
        ({"/q/out": "/q/out", "/q/other": "/q/out"}, {"/q/other": "/q/out"}),
    ],
    ids=str,
)
def test_a_directory_that_leads_elsewhere_is_a_link_and_those_below_it_are_none_for_that(
    resolved: dict[str, str], links: dict[str, str]
) -> None:
    assert links == find_links(resolved)


@pytest.mark.parametrize(
    ("path", "links", "leads"),
    [
        ("/p/out/a", {}, "/p/out/a"),
        ("/p/out/a", {"/q": "/disk"}, "/p/out/a"),
        ("/p/out/a", {"/p": "/disk"}, "/disk/out/a"),
        ("/p/out/a", {"/p/out": "/disk"}, "/disk/a"),
        ("/p/out/a", {"/p": "/disk", "/p/out": "/tape"}, "/tape/a"),
        ("/p/out", {"/p/out": "/disk"}, "/disk"),
        ("/p/out/a/b", {"/": "/disk"}, "/disk/p/out/a/b"),
        ("/", {}, "/"),
    ],
    ids=str,
)
def test_a_path_leads_where_the_nearest_link_above_it_leads(path: str, links: dict[str, str], leads: str) -> None:
    assert leads == follow_links(path, links)

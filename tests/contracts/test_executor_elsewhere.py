"""What `test_executor.py` says of sessions in memory and on a tmux server, of hosts called by ssh and of a cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from tests import slurm, sshd
from tests.contracts import test_executor as contract
from tests.real.rig import REAL
from tests.real.test_slurm import executor as cluster_executor
from tests.real.test_ssh import executor as hosts_executor
from tests.waiting import until

from wakeman.ports import Executor, Made, Start

pytestmark = [*REAL]
host = contract.host
CASES = (
    contract.test_a_host_with_a_session_is_up_and_names_its_server,
    contract.test_a_session_shows_its_mark,
    contract.test_a_session_at_work_is_not_dead_and_has_no_code,
    contract.test_a_session_outlives_its_program_and_shows_its_code,
    contract.test_a_program_that_ended_left_its_exit_status,
    contract.test_several_are_started_in_one_call_and_answered_in_order,
    contract.test_a_start_that_is_repeated_gives_the_session_that_is_there,
    contract.test_a_name_that_another_mark_holds_is_taken,
    contract.test_a_session_whose_name_is_wanted_stays_as_it_is,
    contract.test_a_start_on_a_hung_host_is_refused,
    contract.test_an_ended_session_is_gone,
    contract.test_the_program_of_an_ended_session_is_hung_up_on,
    contract.test_a_dead_session_is_ended_too_and_keeps_its_exit_status,
    contract.test_a_session_of_another_mark_is_not_ended,
    contract.test_ending_none_ends_none,
    contract.test_ending_where_nothing_was_started_ends_none,
    contract.test_a_screen_is_captured_by_name_and_by_id,
    contract.test_a_capture_is_the_last_lines,
    contract.test_capturing_an_unknown_session_is_refused,
    contract.test_capturing_where_nothing_was_started_is_refused,
    contract.test_what_is_typed_and_submitted_arrives,
    contract.test_typing_to_an_unknown_session_is_refused,
    contract.test_typing_to_a_dead_session_is_refused,
    contract.test_marking_again_with_the_same_mark_is_no_error,
    contract.test_the_mark_of_another_attempt_is_not_replaced,
    contract.test_marking_what_is_gone_is_refused,
    contract.test_a_head_that_cannot_be_left_is_no_error,
    contract.test_a_host_that_does_not_answer_recalls_nothing,
    contract.test_what_carries_another_mark_is_not_reached_by_its_id_or_name,
)
"""The others are of sessions that somebody else has made, which these places do not list, of ids of tmux, of a place
that is down where nothing was started, or of one that lists who is lost no longer: these have none of it.
"""
globals().update({case.__name__: case for case in CASES})


class Seats:
    """An executor and its terminal in one. Who is made has begun, who is cancelled has ended: a queue takes a while."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def __getattr__(self, name: str) -> object:
        return getattr(self.executor if hasattr(self.executor, name) else self.executor.terminal, name)

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        made = self.executor.submit(starts)
        begun = [Path(start.argv[2]) / "claim" for start, one in zip(starts, made, strict=True) if one.session_id]
        until(lambda: all(claim.exists() for claim in begun), 30)
        until(lambda: all(one.phase != "queued" for one in self.executor.poll().seen), 30)
        return made

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        count = self.executor.cancel(ends)
        until(lambda: not {*ends} & {(one.session_id, one.mark) for one in self.executor.poll().seen}, 30)
        return count


class SharedBench(contract.Bench):
    """Attempts below a directory that the place shares."""

    def __init__(self, executor: Executor, place: Path) -> None:
        self.place, self.sessions = place, cast("contract.Place", Seats(executor))

    def attempt(self, session: str = "w1", mark: str = contract.MARK, code: int | None = None) -> Start:
        home = self.place / "attempts" / f"{session}-{mark[-1:]}"
        home.mkdir(parents=True)
        script = contract.LIVE if code is None else f"exit {code}"
        argv = ("/bin/sh", contract.WRAPPER, str(home), "--", "/bin/sh", "-c", script, str(home / "heard"))
        return Start(session, mark, argv, "/")

    def stranger(self, session: str) -> str:
        raise NotImplementedError(session)

    def exit_status(self, start: Start) -> str:
        return contract.contents(Path(start.argv[2]) / "exit")

    def heard(self, start: Start) -> str:
        return contract.contents(Path(start.argv[2]) / "heard")

    def settle(self) -> None:
        """Do nothing: time passes by itself."""

    def dies(self) -> None:
        raise NotImplementedError

    def unreachable(self) -> AbstractContextManager[None]:
        raise NotImplementedError


class SshBench(SharedBench):
    def __init__(self, hosts: sshd.SshHosts, place: Path) -> None:
        self.hosts = hosts
        super().__init__(hosts_executor(hosts, str(place)), place)

    def _server(self) -> int:
        return int(self.hosts.tmux("alpha", "display-message", "-p", "#{pid}"))

    def settle(self) -> None:
        """Have the server look for ended children: see `test_executor.py`."""
        os.kill(self._server(), signal.SIGCHLD)

    @contextmanager
    def hung(self) -> Iterator[contract.Place]:
        with self.hosts.hanging("alpha"):
            yield self.sessions


class SlurmBench(SharedBench):
    def __init__(self, cluster: slurm.Cluster, place: Path) -> None:
        self.cluster = cluster
        super().__init__(cluster_executor(cluster, str(place)), place)

    @contextmanager
    def hung(self) -> Iterator[contract.Place]:
        self.cluster.end_daemon()
        try:
            yield self.sessions
        finally:
            self.cluster.control()


@pytest.fixture(scope="module")
def hosts() -> Iterator[sshd.SshHosts]:
    with sshd.running_hosts() as hosts:
        yield hosts


@pytest.fixture(scope="module")
def cluster() -> Iterator[slurm.Cluster]:
    with slurm.running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["ssh", "slurm"], scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if reason := {"slurm": slurm.UNABLE, "ssh": sshd.UNABLE}[name]:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.fixture
def bench(kind: str, request: pytest.FixtureRequest) -> Iterator[contract.Bench]:
    with TemporaryDirectory(prefix="wkd", dir="/tmp", ignore_cleanup_errors=True) as place:
        made: SharedBench = (
            SshBench(request.getfixturevalue("hosts"), Path(place))
            if kind == "ssh"
            else SlurmBench(request.getfixturevalue("cluster"), Path(place))
        )
        yield made
        sessions = made.sessions
        until(lambda: not sessions.cancel([(one.session_id, one.mark) for one in sessions.poll().seen]), 30)

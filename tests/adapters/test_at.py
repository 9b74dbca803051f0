"""The real `at`: what is queued, what it runs, which environment a job gets, and how failures are reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.waiting import until
from tests.words import NO_FILE

from wakeman.adapters.at import PID_FILES, At
from wakeman.core.errors import ProgramError
from wakeman.ports import Job

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("at") is None, reason="at is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon for the test"),
]

ENV = {"PATH": os.environ["PATH"], "HOME": "/root"}
PAST = datetime(2020, 1, 1, tzinfo=UTC)
FAR = datetime(2035, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def atd() -> Iterator[None]:
    """A live daemon: the machine's own, or one of this test."""
    if not At(ENV).weakness():
        yield
        return
    with subprocess.Popen(["atd", "-f"], stdin=subprocess.DEVNULL) as daemon:
        until(lambda: not At(ENV).weakness())
        yield
        daemon.terminate()


@pytest.fixture
def at(atd: None) -> At:  # noqa: ARG001 # the daemon has to be there
    return At(ENV)


@pytest.fixture
def marker() -> Iterator[str]:
    """A marker for this test only; jobs with it, or with it as a prefix, are removed afterwards."""
    name = f"wakeman-test-{uuid.uuid4().hex}"
    yield name
    left = [number for number in numbers() if name in body(number)]
    if left:
        subprocess.run(["atrm", *left], capture_output=True, check=False)  # one may have ended meanwhile


def numbers() -> list[str]:
    listing = subprocess.run(["atq"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listing.splitlines()]


def body(job: str) -> str:
    return os.fsdecode(subprocess.run(["at", "-c", job], capture_output=True, check=False).stdout)


def queue_of(job: str) -> str:
    listing = subprocess.run(["atq", "-o", "%s"], capture_output=True, text=True, check=True).stdout
    return next((line.split()[2] for line in listing.splitlines() if line.split()[0] == job), "")


def recorder(file: Path, *words: str) -> list[str]:
    """Return a command that writes its words to `file`, each ended by NUL, then renames it into place."""
    script = 'f=$1; shift; printf "%s\\0" "$@" > "$f.tmp"; mv "$f.tmp" "$f"'
    return ["/bin/sh", "-c", script, "recorder", str(file), *words]


def as_user(uid: int, ask: Callable[[], str]) -> str:
    """Ask in a child that runs as another user: the interpreter itself may be out of that user's reach."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(writer, ask().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_a_job_that_is_due_is_run(at: At, marker: str, tmp_path: Path) -> None:
    at.arm(marker, recorder(tmp_path / "rung", "now"), PAST)

    until((tmp_path / "rung").exists)

    assert (tmp_path / "rung").read_bytes() == b"now\0"


def test_an_overdue_job_is_run_by_one_pass_of_a_daemon_that_was_down(at: At, marker: str, tmp_path: Path) -> None:
    job = at.arm(marker, recorder(tmp_path / "rung", "late"), FAR)
    postpone_to_the_past(job)

    subprocess.run(["atd", "-s"], check=True)

    until((tmp_path / "rung").exists)


def postpone_to_the_past(job: Job) -> None:
    """Give a queued job a time that has passed, as after a power off: the time is in the file's name."""
    spool = Path("/var/spool/cron/atjobs")
    (file,) = spool.glob(f"a{int(job.job):05x}*")
    file.rename(spool / f"a{int(job.job):05x}{int(PAST.timestamp()) // 60:08x}")


def test_an_armed_job_is_found_by_its_marker(at: At, marker: str) -> None:
    job = at.arm(marker, ["/bin/true"], FAR)

    assert [job] == at.find(marker)


def test_an_armed_job_carries_its_marker_as_a_line(at: At, marker: str) -> None:
    job = at.arm(marker, ["/bin/true"], FAR)

    assert f"# {marker}" in body(job.job).splitlines()


def test_an_armed_job_stands(at: At, marker: str) -> None:
    job = at.arm(marker, ["/bin/true"], FAR)

    assert at.pending(job.job, marker)


def test_another_job_of_the_same_number_does_not_stand(at: At, marker: str) -> None:
    job = at.arm(f"{marker}-other", ["/bin/true"], FAR)

    assert not at.pending(job.job, marker)


def test_a_marker_that_only_begins_alike_is_another_one(at: At, marker: str) -> None:
    at.arm(f"{marker}-2", ["/bin/true"], FAR)

    assert at.find(marker) == []


def test_a_job_that_is_gone_does_not_stand(at: At, marker: str) -> None:
    job = at.arm(marker, ["/bin/true"], FAR)
    at.disarm([job.job])

    assert not at.pending(job.job, marker)


@pytest.mark.parametrize("number", ["", "-c", "0", "99999999", "1 2", "x"])
def test_what_is_no_job_number_does_not_stand(at: At, number: str) -> None:
    assert not at.pending(number, "anything")


def test_a_running_job_is_not_found(at: At, marker: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job = at.arm(marker, ["/bin/sh", "-c", 'read line < "$0"', str(fifo)], PAST)
    until(lambda: queue_of(job.job) == "=")

    found = at.find(marker)

    fifo.write_text("go on\n")
    until(lambda: not queue_of(job.job))
    assert found == []


def test_all_jobs_of_a_marker_are_found_soonest_first(at: At, marker: str) -> None:
    later = at.arm(marker, ["/bin/true"], FAR + timedelta(days=1))
    sooner = at.arm(marker, ["/bin/true"], FAR)

    assert [sooner.job, later.job] == [job.job for job in at.find(marker)]


CROWD = 24


def counted(place: Path) -> Path:
    """Put programs of `at` that count their calls in a directory of their own; return the file of the count."""
    count = place / "calls"
    for name in ("at", "atq", "atrm"):
        program = place / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} >>"{count}"\nexec {shutil.which(name)} "$@"\n')
        program.chmod(0o755)
    return count


def test_jobs_of_others_cost_a_search_next_to_nothing(at: At, marker: str, tmp_path: Path) -> None:
    others = [at.arm(f"{marker}-{number}", ["/bin/true"], FAR).job for number in range(CROWD)]
    calls = counted(tmp_path)
    counting = At({**ENV, "PATH": f"{tmp_path}/bin:{ENV['PATH']}"})

    none = counting.find(marker)
    without = len(calls.read_text().split())
    job = at.arm(marker, ["/bin/true"], FAR)
    calls.unlink()
    found = counting.find(marker)

    assert ([], [job.job], len(others)) == (none, [each.job for each in found], CROWD)
    assert without == 2
    assert len(calls.read_text().split()) <= 2 + 2 * len(numbers()).bit_length()


@pytest.mark.parametrize("ours", [0, 1], ids=["none of ours", "one of ours"])
def test_the_script_of_a_check_asks_for_the_whole_queue_at_once(at: At, marker: str, tmp_path: Path, ours: int) -> None:
    jobs = [at.arm(f"{marker}-{number}", ["/bin/true"], FAR).job for number in range(CROWD)]
    jobs += [at.arm(marker, ["/bin/true"], FAR).job for _ in range(ours)]
    calls = counted(tmp_path)
    script = b'clean() { exec env "$@"; }\n' + at.shell() + b"\nqueued\n"

    ran = subprocess.run(
        ["/bin/sh", "-c", script], env={**ENV, "PATH": f"{tmp_path}/bin:{ENV['PATH']}", "marker": marker}, check=False
    )

    assert (not ours, ["atq", "at"]) == (bool(ran.returncode), calls.read_text().split())
    assert len(jobs) == CROWD + ours


def test_disarmed_jobs_are_gone(at: At, marker: str) -> None:
    jobs = [at.arm(marker, ["/bin/true"], FAR).job for _ in range(3)]

    at.disarm(jobs)

    assert at.find(marker) == []


def test_disarming_what_is_gone_already_takes_the_rest(at: At, marker: str) -> None:
    gone, there = (at.arm(marker, ["/bin/true"], FAR).job for _ in range(2))
    at.disarm([gone])

    at.disarm([gone, there, "-x", ""])

    assert at.find(marker) == []


@pytest.mark.parametrize(
    ("due", "minute"),
    [
        (datetime(2035, 3, 4, 5, 6, 0, tzinfo=UTC), datetime(2035, 3, 4, 5, 6, tzinfo=UTC)),
        (datetime(2035, 3, 4, 5, 6, 0, 1, tzinfo=UTC), datetime(2035, 3, 4, 5, 7, tzinfo=UTC)),
        (datetime(2035, 3, 4, 5, 6, 59, tzinfo=UTC), datetime(2035, 3, 4, 5, 7, tzinfo=UTC)),
        (datetime(2035, 12, 31, 23, 59, 30, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_job_is_queued_for_the_minute_at_or_after_it_is_due(
    at: At, marker: str, due: datetime, minute: datetime
) -> None:
    armed = at.arm(marker, ["/bin/true"], due)

    assert [minute, minute] == [armed.due, *(job.due for job in at.find(marker))]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Europe/Berlin"])
def test_the_time_zone_of_the_caller_does_not_matter(
    at: At, marker: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    due = datetime(2035, 3, 25, 1, 30, tzinfo=UTC)  # a night in which Berlin's clock jumps

    at.arm(marker, ["/bin/true"], due)

    assert [due] == [job.due for job in at.find(marker)]


def test_a_due_time_of_another_zone_means_the_same_moment(at: At, marker: str) -> None:
    due = FAR.astimezone(tz=datetime.now().astimezone().tzinfo) + timedelta(0)

    assert at.arm(marker, ["/bin/true"], due).due == FAR


def test_times_are_read_where_atq_knows_no_epoch_seconds(marker: str, at: At, tmp_path: Path) -> None:
    old = tmp_path / "atq"
    old.write_text(f'#!/bin/sh\n[ "$1" = -o ] && exit 1\nexec {shutil.which("atq")} "$@"\n')
    old.chmod(0o755)
    job = at.arm(marker, ["/bin/true"], FAR)

    found = At(ENV | {"PATH": f"{tmp_path}:{ENV['PATH']}"}).find(marker)

    assert [(job.job, FAR)] == [(job.job, job.due) for job in found]


WEIRD = (
    "",
    " ",
    "it's",
    '"quoted"',
    "two\nlines",
    "50%\t%d",
    "$HOME `id` $(id) ${x}",
    "Ünïcödé ☃",
    os.fsdecode(b"not utf-8 \xff\xfe"),
    "-c",
    "\\",
    "!history",
    "a=b",
    "*?[]{}~#;&|<>()",
    "\r",
    "x" * 5000,
)


def test_words_arrive_exactly_as_they_were_given(at: At, marker: str, tmp_path: Path) -> None:
    at.arm(marker, recorder(tmp_path / "words", *WEIRD), PAST)

    until((tmp_path / "words").exists)

    assert [os.fsencode(word) for word in WEIRD] == (tmp_path / "words").read_bytes().split(b"\0")[:-1]


@pytest.mark.usefixtures("atd")
def test_a_program_may_be_called_like_an_assignment(marker: str, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "A=b"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf ran > "{tmp_path}/ran"\n')
    program.chmod(0o755)
    caller = At(ENV | {"PATH": f"{program.parent}:{ENV['PATH']}"})

    caller.arm(marker, ["A=b"], PAST)

    until((tmp_path / "ran").exists)


@pytest.mark.parametrize("odd", ["\n/bin/touch /tmp/never", " ünï\udcff", "'\"$(x)"])
def test_an_odd_marker_stays_a_comment_and_is_found(at: At, marker: str, odd: str) -> None:
    job = at.arm(marker + odd, ["/bin/true"], FAR)

    assert [job.job] == [found.job for found in at.find(marker + odd)]


def test_no_secret_of_the_caller_reaches_the_spool(at: At, marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")

    job = at.arm(marker, ["/bin/true"], FAR)

    exported = {line.partition("=")[0] for line in body(job.job).splitlines() if "; export " in line}
    assert {"PATH", "HOME", "TZ"} == exported


def test_an_alarm_set_from_a_directory_that_is_deleted_rings(
    at: At, marker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = tmp_path / "worktree"
    doomed.mkdir()
    monkeypatch.chdir(doomed)
    doomed.rmdir()

    at.arm(marker, recorder(tmp_path / "rung", "still"), PAST)

    until((tmp_path / "rung").exists)


def test_where_atd_runs_there_is_no_weakness(at: At) -> None:
    assert at.weakness() == ""


def test_without_a_pid_file_the_daemon_counts_as_down(tmp_path: Path) -> None:
    weak = At(ENV, pid_files=[str(tmp_path / "atd.pid")]).weakness()

    assert f"its daemon is not running (no {tmp_path}/atd.pid); start it: " in weak


@pytest.mark.parametrize("whose", ["nobody's", "another program's", "a dead atd's"])
def test_a_stale_pid_file_is_no_daemon(whose: str, tmp_path: Path) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    pid = {"nobody's": "", "another program's": str(os.getpid()), "a dead atd's": str(gone.pid)}[whose]
    (tmp_path / "atd.pid").write_text(f"{pid}\n")

    weak = At(ENV, pid_files=[str(tmp_path / "atd.pid")]).weakness()

    assert weak.startswith("its daemon is not running (")


def test_arming_without_a_daemon_is_refused_and_queues_nothing(marker: str, tmp_path: Path) -> None:
    caller = At(ENV, pid_files=[str(tmp_path / "atd.pid")])

    with pytest.raises(ProgramError, match="its daemon is not running"):
        caller.arm(marker, ["/bin/true"], FAR)

    assert caller.find(marker) == []


ARM_IN_A_CLOSED_ROOM = """
import sys
from datetime import datetime, UTC
from wakeman.adapters.at import At
from wakeman.core.errors import ProgramError
marker, pid_file, path = sys.argv[1:]
at = At({"PATH": path}, pid_files=[pid_file])
try:
    at.arm(marker, ["/bin/true"], datetime(2035, 1, 1, tzinfo=UTC))
except ProgramError as error:
    print(error, [job.job for job in at.find(marker)])
"""


@pytest.mark.usefixtures("atd")
def test_a_job_that_at_itself_could_not_announce_is_taken_back(marker: str, tmp_path: Path) -> None:
    seen = tmp_path / "atd.pid"
    seen.write_text(Path(PID_FILES[0]).read_text())
    script = 'mount -t tmpfs none /run && exec "$@"'
    room = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", ARM_IN_A_CLOSED_ROOM]

    told = subprocess.run([*room, marker, str(seen), ENV["PATH"]], capture_output=True, text=True)

    if "mount" in told.stderr or "unshare" in told.stderr:
        pytest.skip(f"no private mounts here: {told.stderr.strip()}")
    assert "was removed, as it would never run: Can't open /run/atd.pid" in told.stdout
    assert told.stdout.endswith(" []\n")


def test_where_at_is_missing_its_package_is_named(tmp_path: Path) -> None:
    weak = At({"PATH": str(tmp_path)}).weakness()

    assert weak.startswith(f"at is not on PATH ({tmp_path}); install it: ")


def test_where_at_is_missing_arming_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="at is not on PATH"):
        At({"PATH": str(tmp_path)}).arm("x", ["/bin/true"], FAR)


def test_where_at_is_missing_finding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="at is not on PATH"):
        At({"PATH": str(tmp_path)}).find("x")


def test_a_user_whom_at_denies_is_told_so() -> None:
    if "nobody" not in Path("/etc/at.deny").read_text().split():
        pytest.skip("at.deny does not hold nobody here")

    assert "You do not have permission to use atq. Ask the administrator" in as_user(65534, At(ENV).weakness)


def test_a_user_without_a_passwd_entry_is_told_so() -> None:
    assert as_user(54321, At(ENV).weakness).startswith("it does not know this user: add user id 54321")


def test_an_at_that_hangs_is_given_up(tmp_path: Path) -> None:
    for name in ("at", "atq", "atrm"):
        (tmp_path / name).write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        (tmp_path / name).chmod(0o755)

    with pytest.raises(ProgramError, match=r"atq: no answer within 0\.1 s"):
        At({"PATH": str(tmp_path)}, timeout=0.1).find("x")


def test_a_queue_that_hangs_is_a_weakness(tmp_path: Path) -> None:
    for name in ("at", "atq", "atrm"):
        (tmp_path / name).write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        (tmp_path / name).chmod(0o755)
    for part in (tmp_path, *tmp_path.parents[:-2]):
        part.chmod(0o755)

    said = as_user(65534, At({"PATH": str(tmp_path)}, timeout=0.1).weakness)

    assert f"{tmp_path}/atq: no answer within 0.1 s" == said


def test_an_at_that_cannot_start_is_named(tmp_path: Path) -> None:
    (tmp_path / "atq").write_text("#!/no/such/interpreter\n")
    (tmp_path / "atq").chmod(0o755)

    with pytest.raises(ProgramError, match=f"atq: {NO_FILE}"):
        At({"PATH": str(tmp_path)}).find("x")

"""What Slurm prints, and what jobs leave behind, as sessions; without a cluster."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from wakeman.adapters.asking import LateError, ask
from wakeman.adapters.slurm import batches as kept_batches
from wakeman.adapters.slurm.allocation import HeldAllocation
from wakeman.adapters.slurm.batches import Batches, JobTask, KeptTask, job_name
from wakeman.adapters.slurm.calls import call_slurm
from wakeman.adapters.slurm.kept_files import append_line
from wakeman.adapters.slurm.queue import Queue, read_rows, session_of
from wakeman.adapters.slurm.scripts import job_script, refused_job
from wakeman.adapters.slurm.site import held_place, held_request, job_request
from wakeman.core.errors import ProgramError
from wakeman.core.model import SlurmSpec
from wakeman.ports import SessionInfo, Start

BATCH, MARK = "0123456789ab", "night/w1/1@b"
NAME = f"night.wk{BATCH}"


def line(task: str = "7_0", state: str = "RUNNING", code: str = "0", reason: str = "None", name: str = NAME) -> str:
    """Return a line as `squeue` of Slurm 22.05 prints it."""
    at = "2026-11-30T02:00:00"
    return f"{task:40}|{'9':20}|{state:20}|{code:12}|{reason:60}|{'t1':80}|{at}|{at}|{at}|{'(null)':300}|{name:120}|\n"


def kept(
    number: int = 0, *, base: str = "7", began: bool = True, code: int | None = None, ended: bool = False
) -> KeptTask:
    return KeptTask(BATCH, number, f"w{number + 1}", MARK, base, began, code, ended, gone=False)


def told(task: KeptTask, *lines: str, said: str = "") -> SessionInfo | None:
    return session_of(task, Queue(read_rows("".join(lines))).of(task), said)


def fate(task: KeptTask, *lines: str, said: str = "") -> tuple[str, int | None, str, str]:
    found = told(task, *lines, said=said)
    assert found is not None
    return found.phase, found.code, found.ended_by, found.why


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Licenses", ("queued", None, "", "Licenses")),
        ("REQUEUE_HOLD", "job_requeued_in_held_state", ("queued", None, "", "held: job_requeued_in_held_state")),
        ("CONFIGURING", "None", ("queued", None, "", "its node is being made ready")),
        ("RUNNING", "None", ("running", None, "", "")),
        ("COMPLETING", "None", ("running", None, "", "")),
        ("CANCELLED", "None", ("killed", None, "person", "its job was cancelled, on t1")),
        ("TIMEOUT", "TimeLimit", ("killed", None, "time", "its job's time was over (slurm.time), on t1")),
        (
            "OUT_OF_MEMORY",
            "OutOfMemory",
            ("killed", None, "", "its job took more memory than it had (slurm.memory), on t1"),
        ),
        ("PREEMPTED", "None", ("killed", None, "machine", "its job was preempted, on t1")),
        ("NODE_FAIL", "NodeDown", ("lost", None, "machine", "its node failed, on t1")),
        ("NEVER_HEARD_OF", "None", ("unknown", None, "", "Slurm says NEVER_HEARD_OF")),
    ],
)
def test_each_state_of_a_job_is_a_phase(state: str, reason: str, expected: tuple[str, int | None, str, str]) -> None:
    assert expected == fate(kept(), line(state=state, reason=reason))


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL"])
def test_the_status_that_a_program_left_counts_before_what_slurm_says(state: str) -> None:
    assert ("exited", 3, "", "") == fate(kept(code=3), line(state=state))


@pytest.mark.parametrize(
    ("state", "code", "status"), [("COMPLETED", "0", 0), ("FAILED", "768", 3), ("FAILED", "3:0", 3)]
)
def test_without_a_word_of_the_job_slurms_own_counts(state: str, code: str, status: int) -> None:
    assert ("exited", status, "", "") == fate(kept(), line(state=state, code=code))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", ("", "")),
        ("FAILED (non-zero exit code or other failure mode) ***", ("", "")),
        ("CANCELLED AT 2026-12-01T05:55:32 DUE TO JOB REQUEUE ***", ("", "")),
        ("CANCELLED AT 2026-12-01T05:55:32 ***", ("person", "its job was cancelled, on t1")),
        (
            "CANCELLED AT 2026-12-01T05:55:32 DUE TO TIME LIMIT ***",
            ("time", "its job's time was over (slurm.time), on t1"),
        ),
        ("CANCELLED AT 2026-12-01T05:55:32 DUE TO PREEMPTION ***", ("machine", "its job was preempted, on t1")),
        (
            "CANCELLED AT 2026-12-01T05:55:32 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
            ("machine", "its node failed, on t1"),
        ),
    ],
)
def test_who_ends_a_job_is_told_while_its_processes_end(said: str, expected: tuple[str, str]) -> None:
    word = f"slurmstepd-t1: error: *** JOB 9 ON t1 {said}" if said else ""

    assert ("running", None, *expected) == fate(kept(), line(state="COMPLETING"), said=word)
    assert ("exited", 3, "", "") == fate(kept(code=3), line(state="COMPLETING"), said=word), "it had ended before"


def test_who_has_ended_a_job_that_is_listed_no_longer_is_told_by_its_output() -> None:
    said = "slurmstepd-t1: error: *** JOB 9 ON t1 CANCELLED AT 2026-12-01T05:55:32 DUE TO TIME LIMIT ***"
    expected = ("killed", None, "time", "its job's time was over (slurm.time)")

    assert [expected] * 2 == [fate(kept(ended=ended), said=said) for ended in (True, False)]


@pytest.mark.parametrize("code", ["31744", "32256", "4021", "9", "0:53"])
def test_a_status_of_the_script_or_a_signal_is_none_of_the_program(code: str) -> None:
    assert ("killed", None, "", "its job failed: JobLaunchFailure") == fate(
        kept(), line(state="FAILED", code=code, reason="JobLaunchFailure")
    )


def test_a_program_that_left_no_status_was_ended_and_its_job_says_by_what() -> None:
    said = fate(kept(ended=True), line(state="FAILED", code="31744"), said="tmux: not found on t1")

    assert ("killed", None, "", "its program was ended: tmux: not found on t1") == said


def test_whose_tmux_server_died_is_ended_by_its_machine_unless_it_took_too_much_memory() -> None:
    cut = replace(kept(ended=True), cut=True)
    gone = ("killed", None, "machine", "its tmux server is gone")

    assert [gone] * 2 == [fate(cut, line(state="FAILED", code="31744")), fate(cut)]
    assert "" == fate(cut, line(state="OUT_OF_MEMORY"))[2]
    assert gone == fate(replace(inside(ended=True), cut=True), holding("RUNNING"))


def test_a_job_that_is_listed_no_longer_is_told_by_what_it_left() -> None:
    lost = "Slurm lists its job no longer, and it left no word of its end"
    assert ("exited", 0, "", "") == fate(kept(code=0))
    assert ("killed", None, "", "its program was ended") == fate(kept(ended=True))
    assert ("lost", None, "machine", lost) == fate(kept())


def test_one_of_an_array_that_was_cancelled_in_the_queue_is_listed_no_longer_and_never_began() -> None:
    """Source: Slurm 22.05 drops it at once, while the others of its array wait."""
    expected = ("killed", None, "person", "its job was cancelled before it began")
    assert expected == fate(kept(1, began=False), line("7_0", "PENDING"), line("7_2", "PENDING"))


def test_an_array_that_was_cancelled_whole_is_one_line_for_all() -> None:
    found = [fate(kept(number, began=False), line("7", "CANCELLED")) for number in (0, 1)]

    assert ["killed", "killed"] == [phase for phase, *_ in found]


def test_what_was_never_submitted_is_no_session() -> None:
    assert told(kept(base="", began=False)) is None


def test_jobs_of_a_batch_whose_id_was_not_written_are_found_by_their_name() -> None:
    found = told(kept(base="", began=False), line("12_0", "PENDING"))

    assert found is not None
    assert ("12_0@0123456789ab", "queued") == (found.session_id, found.phase)


HELD = HeldAllocation("ba9876543210", "12", began=True, closed=False, ending=False, batches={BATCH: 2})
HOLDS = "night.wkba9876543210"


def inside(*, began: bool = True, code: int | None = None, ended: bool = False, told: bool = False) -> KeptTask:
    return replace(kept(base="12", began=began, code=code, ended=ended), held=HELD, told=told)


def holding(state: str, reason: str = "None") -> str:
    return line("12", state, reason=reason, name=HOLDS)


@pytest.mark.parametrize(
    ("task", "lines", "expected"),
    [
        (inside(began=False), [holding("PENDING", "Priority")], ("queued", "", "its allocation waits: Priority")),
        (inside(began=False), [holding("RUNNING")], ("queued", "", "its allocation is about to start it")),
        (inside(), [holding("RUNNING")], ("running", "", "")),
        (inside(), [holding("PENDING", "BeginTime")], ("unknown", "", "its allocation is PENDING")),
        (inside(), [holding("NEVER_HEARD_OF")], ("unknown", "", "its allocation is NEVER_HEARD_OF")),
        (inside(), [holding("CANCELLED")], ("killed", "machine", "its allocation was cancelled, on t1")),
        (
            inside(began=False),
            [holding("TIMEOUT")],
            ("killed", "machine", "the time of its allocation was over (slurm.reserve_time), on t1"),
        ),
        (inside(), [holding("COMPLETING")], ("running", "machine", "its allocation is ending, on t1")),
        (
            inside(ended=True, told=True),
            [holding("COMPLETING")],
            ("killed", "machine", "its allocation is ending, on t1"),
        ),
        (inside(), [holding("NODE_FAIL")], ("lost", "machine", "a node of its allocation failed, on t1")),
        (
            inside(began=False),
            [holding("NODE_FAIL")],
            ("killed", "machine", "a node of its allocation failed, on t1"),
        ),
        (inside(), [holding("COMPLETED")], ("killed", "machine", "its allocation is COMPLETED, on t1")),
        (inside(), [], ("lost", "machine", "Slurm lists its allocation no longer")),
        (inside(began=False), [], ("killed", "machine", "Slurm lists its allocation no longer")),
        (inside(ended=True), [holding("RUNNING")], ("killed", "", "its program was ended: words")),
        (inside(ended=True), [holding("TIMEOUT")], ("killed", "", "its program was ended: words")),
        (inside(ended=True, told=True), [holding("RUNNING")], ("killed", "person", "its step was cancelled")),
        (
            inside(ended=True, told=True),
            [holding("CANCELLED")],
            ("killed", "machine", "its allocation was cancelled, on t1"),
        ),
        (inside(ended=True, told=True), [], ("killed", "machine", "Slurm lists its allocation no longer")),
    ],
)
def test_who_runs_in_an_allocation_ends_with_it_and_through_no_fault_of_its_own(
    task: KeptTask, lines: list[str], expected: tuple[str, str, str]
) -> None:
    phase, _, by, why = fate(task, *lines, said="words")

    assert expected == (phase, by, why)


def test_a_step_whose_own_time_is_over_is_told_by_what_slurm_prints_into_its_output() -> None:
    said = "slurmstepd-t1: error: *** STEP 12.1 ON t1 CANCELLED AT 2026-11-30T21:59:28 DUE TO TIME LIMIT ***"
    expected = ("killed", None, "time", "its job's time was over (slurm.time)")

    assert expected == fate(inside(ended=True, told=True), holding("RUNNING"), said=said)


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        (" DUE TO TIME LIMIT ***", ("time", "its job's time was over (slurm.time)")),
        (" ***", ("person", "its step was cancelled")),
    ],
)
def test_who_ends_a_step_is_told_before_its_last_word(why: str, expected: tuple[str, str]) -> None:
    said = f"slurmstepd-t1: error: *** STEP 12.1 ON t1 CANCELLED AT 2026-11-30T21:59:28{why}"

    assert ("running", None, *expected) == fate(inside(), holding("RUNNING"), said=said)
    over = replace(inside(), held=replace(HELD, ending=True))
    assert "machine" == fate(over, holding("RUNNING"), said=said)[2]
    killed = replace(inside(ended=True), silent=True)  # at once, as by `scancel` without a signal
    assert ("killed", None, *expected) == fate(killed, holding("RUNNING"), said=said)


@pytest.mark.parametrize("state", ["TIMEOUT", "COMPLETING"])
def test_a_step_of_an_allocation_whose_time_is_over_has_not_used_up_its_own(state: str) -> None:
    said = "slurmstepd-t1: error: *** STEP 12.1 ON t1 CANCELLED AT 2026-11-30T21:59:28 DUE TO TIME LIMIT ***"

    assert ("killed", "machine") == fate(inside(ended=True, told=True), holding(state), said=said)[::2]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([holding("RUNNING")], ("killed", None, "", "its program was ended: words")),
        ([holding("COMPLETING")], ("unknown", None, "", "its allocation is ending, on t1")),
        ([holding("NODE_FAIL")], ("lost", None, "machine", "a node of its allocation failed, on t1")),
        ([holding("PREEMPTED")], ("killed", None, "machine", "its allocation was preempted, on t1")),
        ([], ("killed", None, "machine", "Slurm lists its allocation no longer")),
    ],
)  # fmt: skip
def test_a_step_that_ends_without_a_word_has_the_fate_of_its_allocation_if_that_has_ended(
    lines: list[str], expected: tuple[str, int | None, str, str]
) -> None:
    assert expected == fate(replace(inside(ended=True), silent=True), *lines, said="words")


def test_who_is_ended_before_the_allocation_s_time_is_over_has_not_failed() -> None:
    task = replace(inside(ended=True, told=True), held=replace(HELD, ending=True))

    assert ("killed", None, "machine", "its allocation's time is nearly over (slurm.reserve_time)") == fate(
        task, holding("RUNNING")
    )


def test_what_a_step_says_of_its_end_stands_before_what_srun_says_of_it(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    over = "slurmstepd-t1: error: *** STEP 1.0 ON t1 CANCELLED AT 2026-11-30T23:13:25 DUE TO TIME LIMIT ***"
    killed = "/state/slurm/job.sh: 71: Terminated"  # the shell's word for the signal that Slurm sent
    refused = "srun: error: Unable to create step for job 1"
    missing = "tmux: not found on t1"
    printed = {
        f"{over}\nsrun: error: t1: task 0: Exited with exit code 124\n": over,
        f"{over}\n{killed}\nTerminated\nsrun: error: t1: task 0: Terminated\n": over,
        f"{refused}\n": refused,
        f"{killed}\n{missing}\n": missing,
        "": "",
    }
    batch = batches.write([(JobTask(f"w{number}", MARK), "a") for number in range(len(printed))])
    for number, text in enumerate(printed):
        (tmp_path / "slurm" / batch / f"{number}.out").write_text(text)

    assert list(printed.values()) == [batches.said(task) for task in batches.kept()]


def test_a_status_that_a_program_left_counts_before_what_became_of_its_allocation() -> None:
    assert ("exited", 0, "", "") == fate(inside(code=0), holding("NODE_FAIL"))


def test_an_allocation_runs_what_is_asked_for_in_it_until_it_is_closed(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    (tmp_path / "job.sh").write_text("true\n")
    batches.allocation.write(str(tmp_path / "job.sh"))
    held = batches.allocation.read()
    assert held is not None
    asked, never = (batches.write([(JobTask(name, MARK), "a")], held.name) for name in ("w1", "w2"))
    batches.allocation.run(asked, 1)
    batches.allocation.submitted("12")
    batches.allocation.close()
    batches.allocation.close()
    batches.allocation.run(never, 1)

    found = {one.session: (one.base, one.held is not None) for one in batches.kept()}
    assert {"w1": ("12", True), "w2": ("", True)} == found
    assert [True] == [one.held.closed for one in batches.kept() if one.held and one.session == "w1"]


def test_what_was_lost_is_left_behind_until_it_tells_its_end_or_its_node_begins_another(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batch = batches.write([(JobTask(f"w{number}", MARK), "a") for number in range(4)])
    batches.submitted(batch, "7")
    for number, node in enumerate(("t1", "t1", "t2", "t3")):
        (tmp_path / "slurm" / batch / f"{number}.began").write_text(f"{8 + number} host {node}\n")
    before = batches.left_behind()
    for task in batches.kept()[:3]:
        batches.lost(task)
    lost = batches.left_behind()
    batches.cancelled(batches.kept())
    batches.settle(batch)
    settled = batches.left_behind()
    past = tmp_path / "slurm" / "past" / batch
    (past / "0.over").write_text("ended told\n")
    told = batches.left_behind()
    os.utime(past / "2.lost", (1, 1))  # so what began on its node began later

    assert ({}, {"t1": ("w0", "w1"), "t2": ("w2",)}) == (before, lost)
    assert (lost, {"t1": ("w1",), "t2": ("w2",)}) == (settled, told)
    assert {"t1": ("w1",)} == batches.left_behind()


def test_a_job_that_slurm_has_begun_again_says_that_the_first_one_is_lost() -> None:
    again = line(state="FAILED", code=str(125 << 8), reason="NonZeroExitCode")

    assert ("lost", "machine") == fate(kept(), again)[::2]
    assert ("exited", 3) == fate(kept(code=3), again)[:2]
    assert "killed" == fate(kept(ended=True), again)[0]


def test_a_line_that_a_crash_has_torn_off_hides_none_behind_it(tmp_path: Path) -> None:
    file = str(tmp_path / "asked")
    (tmp_path / "asked").write_text("0123456789")
    append_line(file, f"{BATCH} 1")

    assert ["0123456789", f"{BATCH} 1"] == (tmp_path / "asked").read_text().splitlines()


def test_an_allocation_that_was_given_back_before_it_was_asked_for_never_is(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batches.allocation.close()
    held = batches.allocation.read()

    assert held is not None
    assert (True, "") == (held.closed, held.base)


def test_who_is_withdrawn_is_begun_by_nobody_and_who_has_begun_is_not_withdrawn(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batch = batches.write([(JobTask("w1", MARK), "a"), (JobTask("w2", MARK), "b")], HELD.name)
    (tmp_path / "slurm" / batch / "1.began").write_text("12.7 node t1\n")
    first, second = (replace(inside(began=False), batch=batch, number=number) for number in (0, 1))

    assert (True, False, False) == (batches.withdrawn(first), batches.withdrawn(first), batches.withdrawn(second))
    assert ("", "12.7") == (batches.step_of(first), batches.step_of(second))


def test_of_two_jobs_of_one_task_the_one_at_work_counts() -> None:
    """Two requests can have been accepted: the second job finds the first there and ends with 125."""
    twice = line("7_0", "FAILED", "32000"), line("9_0", "RUNNING")

    assert ["9_0@0123456789ab"] * 2 == [
        found.session_id for rows in (twice, twice[::-1]) if (found := told(kept(), *rows)) is not None
    ]


def test_jobs_of_others_are_passed_over() -> None:
    assert [] == list(read_rows(line(name="analysis") + line(name="night.wk77")))


def test_a_line_that_cannot_be_read_is_an_error_and_no_empty_queue() -> None:
    with pytest.raises(ValueError, match="slurm_load"):
        list(read_rows("slurm_load_jobs: something else\n"))


def test_a_batch_is_what_was_written_and_what_its_jobs_added(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batch = batches.write([(JobTask("w1", MARK), "a"), (JobTask("w2", MARK), "b")])
    before = [(one.session, one.base, one.began) for one in batches.kept()]
    batches.submitted(batch, "7")
    for name, text in {"0.began": "9 t1", "0.over": "exited 3\n", "1.began": "", "1.over": "ended\n"}.items():
        (tmp_path / "slurm" / batch / name).write_text(text)

    assert [("w1", "", False), ("w2", "", False)] == before
    assert [(3, False), (None, True)] == [(one.code, one.ended) for one in batches.kept()]
    assert [("7", True), ("7", True)] == [(one.base, one.began) for one in batches.kept()]


def test_a_batch_that_a_crash_left_half_written_holds_nothing(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batch = batches.write([(JobTask("w1", MARK), "a")])
    for left in ("", "[{"):
        (tmp_path / "slurm" / batch / kept_batches.TASKS).write_text(left)
        assert [] == batches.kept()


def test_the_name_of_a_job_shows_the_deployment_and_is_found_again() -> None:
    name = job_name("/state/night, the second", BATCH)

    assert ("night__the_second.wk0123456789ab", BATCH) == (name, (kept_batches.JOB_NAME.fullmatch(name) or "")[1])


def test_what_a_plan_asks_for_are_options_of_sbatch() -> None:
    spec = SlurmSpec(
        partition="big", account="us", qos="low", cpus=2, memory=2**30, time=90, licenses={"a": 1, "b": 2},
        options=("--constraint=x y",),
    )  # fmt: skip

    options = "--partition=big --account=us --qos=low --mem=1024M --time=2 --licenses=a:1,b:2 '--constraint=x y'"
    assert ["--cpus-per-task=2", *shlex.split(options)] == list(job_request(spec))


def test_what_is_held_is_asked_for_once_with_memory_and_licences_for_all_who_run_in_it() -> None:
    spec = SlurmSpec(
        partition="big", cpus=2, memory=2**30, time=90, licenses={"a": 2}, reserve=3, reserve_time=36000,
        options=("--constraint=x",),
    )  # fmt: skip

    asked = "--ntasks=3 --mem-per-cpu=512M --signal=B:USR1@60 --cpus-per-task=2 --partition=big --time=600"
    place = held_place(spec)
    assert f"{asked} --licenses=a:6 --constraint=x" == place["hold"]
    assert ("3", "--cpus-per-task=2 --time=2", "90") == (place["reserve"], place["step"], place["held_time"])


def test_a_short_allocation_is_not_ended_before_its_time() -> None:
    assert not any("--signal" in word for word in held_request(SlurmSpec(reserve=1, reserve_time=300)))


def test_nothing_of_a_session_is_read_by_the_shell_of_its_job() -> None:
    odd = "$(touch no); `touch no` 'x\" \\ \n%"
    start = Start("w1", MARK, ("echo", odd), "/", {"A": odd}, stream="/s")
    script = job_script(start, "pane") + 'call() { for word; do printf "%s\\0" "$word"; done; }; create'

    ran = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, text=True)
    words = ran.stdout.split("\0")

    assert "" == ran.stderr
    assert {"echo", odd, f"A={odd}"} <= set(words)


def test_a_session_that_no_server_would_take_is_refused_before_it_is_submitted() -> None:
    refused = refused_job(Start("w:1", MARK, ("true",), "/"))

    assert refused is not None
    assert "slurm: session 'w:1': expected letters" in refused.error


@pytest.mark.parametrize("stdin", [None, b""], ids=["reads nothing", "reads"])
@pytest.mark.parametrize(
    ("prints", "said"),
    [
        ("echo 'sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying' >&2; ",
         ", which says: Slurm temporarily unable to accept job, sleeping and retrying"),
        ("", ""),
    ],
    ids=["why it waits", "nothing"],
)  # fmt: skip
def test_what_a_program_said_before_its_time_was_over_is_told(prints: str, said: str, stdin: bytes | None) -> None:
    argv = ("/bin/sh", "-c", f"{prints}exec sleep 30")

    with pytest.raises(ProgramError) as fault:
        call_slurm(argv, {"PATH": "/usr/bin:/bin"}, 0.5)
    with pytest.raises(LateError) as late:
        ask(argv, {"PATH": "/usr/bin:/bin"}, 0.5, stdin)

    assert f"slurm: no answer within 0.5 s of /bin/sh{said}" == str(fault.value)
    assert bool(said) == (b"temporarily unable" in late.value.said)

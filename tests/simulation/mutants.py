"""Mutants of the product, each a change of a few words, and the schedule that must reveal it. Without its mutant a
schedule ends as usual; with it, something happens that must never happen.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial, reduce
from types import FunctionType
from typing import Any, NamedTuple, cast

from tests.play import NAME
from tests.simulation.found import OTHERS
from tests.simulation.night import KEYS
from tests.simulation.receivers import Fate
from tests.simulation.rules import BrokenError
from tests.simulation.scene import BARRED_STATUSES, OUTAGE_STATUS, Role, Scene, refused_role
from tests.simulation.staged import Staged, StagedElsewhere, StagedFound, StagedWall

from wakeman.adapters.memory import MemoryClock
from wakeman.adapters.memory.logs import MemoryWriter
from wakeman.adapters.memory.sessions import MemorySessions
from wakeman.core.log.facts import effect, observation, window, worker
from wakeman.core.policy import attempts, freshness, limits, notice, outbox, transitions, worker_rows
from wakeman.engine import check, layout
from wakeman.engine.attempt import compose
from wakeman.engine.effects import alarm, close, end, launch, sync
from wakeman.engine.observe import sessions, workers
from wakeman.engine.protocol import requests
from wakeman.engine.requests import request

ANNOTATIONS = __future__.annotations.compiler_flag
INTENT = b'"action":"launch"'
LIVE: dict[str, dict[str, object]] = {"workers": {"mode": "interactive"}, "stuck": {"silent": ["restart", "ask"]}}
"""Clients at a terminal, of which a silent one is restarted."""


class Mutant(NamedTuple):
    """A function of the product, what is changed in it, and the schedule that shows it."""

    function: Callable[..., Any]
    changes: tuple[tuple[str, str], ...]
    schedule: Callable[[], object] = lambda: None


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Have the product with that change in it."""
    function = cast("FunctionType", mutant.function)
    real = function.__code__
    function.__code__ = _changed(function, mutant.changes)
    try:
        yield
    finally:
        function.__code__ = real


def _changed(function: FunctionType, changes: tuple[tuple[str, str], ...]) -> Any:
    text = textwrap.dedent(inspect.getsource(function))
    for old, _ in changes:
        assert text.count(old) == 1, f"{function.__qualname__}: expected once: {old}"
    text = reduce(lambda so_far, change: so_far.replace(*change), changes, text)
    made: dict[str, Any] = {}
    code = compile(text, inspect.getfile(function), "exec", flags=ANNOTATIONS)
    exec(code, dict(function.__globals__), made)  # noqa: S102 - the product's own text
    return made[function.__name__].__code__


# --- schedules ------------------------------------------------------------------------------------------------------


def a_launcher_is_killed_once_its_session_stands() -> object:
    """The program runs; the next check finds what it was."""
    night = Staged()
    night.kill(night.past(night.upped(), "sessions.submit"))
    night.act()
    return night.rest()


def a_session_is_lost_before_its_launch_is_recorded_and_its_program_lives_on() -> object:
    """The claim alone tells that the attempt was started."""
    night = Staged(w0=Role(deaf=True, seconds=3000))
    night.kill(night.past(night.upped(), "sessions.submit"))
    night.act()
    night.scene.sessions.die()
    return night.rest()


def the_power_is_cut_once_a_program_runs() -> object:
    """What was synced before it ran is what the next boot has."""
    night = Staged()
    night.past(night.upped(), "sessions.submit")
    night.act()
    night.power()
    return night.rest()


def the_power_is_cut_once_a_program_runs_on_the_intent_of_a_killed_check() -> object:
    """The intent was in the page cache alone when the second check read it."""
    night = Staged()
    night.kill(night.to(night.upped(), "logs.sync", having=INTENT))
    night.past(night.checks(), "sessions.submit")
    night.act()
    night.power()
    return night.rest()


def a_check_goes_on_after_another_was_made() -> object:
    """Of two checks at once one waits, or goes."""
    night = Staged(workers=2, plan={"workers": {"stagger": 3}})
    night.up()
    night.scene.clock.advance(10)
    first = night.to(night.checks(), "files.marks")
    night.end(night.checks())
    night.end(first)
    return night.rest()


def a_check_is_killed_before_it_sets_the_alarm_anew() -> object:
    """The alarm before is still there."""
    night = Staged(workers=2, w1=Role(seconds=3000))
    night.up()
    night.kill(night.to(night.fires(), "alarms.arm"))
    return night.rest()


def an_alarm_fires_and_its_check_is_killed_at_once() -> object:
    """The script has set the next one by then."""
    night = Staged(w0=Role(seconds=3000))
    night.up()
    night.kill(night.fires())
    return night.rest()


def the_power_is_cut_before_a_launch_is_recorded_and_takes_the_claim() -> object:
    """The boot alone tells that this attempt may have run."""
    night = Staged()
    night.past(night.upped(), "sessions.submit")
    night.act()
    night.power()
    return night.rest()


def a_check_is_killed_in_the_middle_of_a_write() -> object:
    """Half a line stands at the end of the log."""
    night = Staged(workers=2)
    night.up()
    night.kill(night.to(night.fires(), "logs.write"))
    return night.rest()


def a_server_dies_and_a_program_lives_on() -> object:
    """It works on, so it is left to."""
    night = Staged(w0=Role(deaf=True, seconds=3000))
    night.up()
    night.scene.sessions.die()
    return night.rest()


def the_next_server_gives_a_number_again() -> object:
    """Its first session has the number of one whose program lives on, and ends."""
    night = Staged(workers=2, w0=Role(deaf=True, seconds=3000))
    night.up()
    night.scene.sessions.die()
    return night.rest()


def the_power_is_cut_once_a_worker_is_verified() -> object:
    """What its program has written was in the page cache alone when it ended."""
    night = Staged()
    night.up()
    night.past(night.fires(), "logs.sync", having=b'"type":"verified"')
    night.power()
    return night.rest()


def a_client_works_in_the_background_for_longer_than_silence_takes() -> object:
    """It is at its prompt, and something of it still writes."""
    night = Staged(plan=LIVE, w0=Role(rests=True, background=2700))
    night.up()
    return night.rest()


def a_client_answers_a_nudge_with_words() -> object:
    """Words are a sign of life, and no progress."""
    night = Staged(plan={**LIVE, "stuck": {"silent": ["nudge", "ask"]}}, w0=Role(rests=True, stops_after=0))
    night.up()
    return night.rest()


def the_service_is_out_for_half_an_hour() -> object:
    """All workers wait together, and one tries."""
    out = refused_role(OUTAGE_STATUS)
    night = Staged(workers=3, w0=out, w1=out, w2=out)
    night.up()
    night.agenda.append((night.scene.clock.at + timedelta(minutes=30), night.roles.clear))
    return night.rest()


def a_key_is_refused_and_mended_in_its_file() -> object:
    """Nobody is launched until the file has changed; then everybody is, and nobody said so."""
    night = Staged(
        workers=2,
        plan={"workers": {"at_once": 1, "env_file": "keys.env"}},
        w0=refused_role(BARRED_STATUSES[0]),
        w1=refused_role(BARRED_STATUSES[0]),
    )
    night.up()

    def mend() -> None:
        night.roles.clear()
        night.scene.files.write(KEYS, b"KEY=another\n", durable=True)

    night.agenda.append((night.scene.clock.at + timedelta(minutes=30), mend))
    d = night.rest()
    if d.outcome != "complete":
        raise BrokenError(f"the key was mended, and the night ends as {d.outcome}")
    return d


def told_to(**fates: list[Fate]) -> Staged:
    """Return a night with these receivers; each takes notices once its fates are used up."""
    tell = "all" if "all" in fates else "first"
    names = [name for name in fates if name != "all"]
    to = [{"tmux": name} for name in names]
    night = Staged(plan={"wake": {"every": 900, "to": to, "tell": tell, "on": ["wrap up"]}})
    left = {f"tmux:{name}": fates[name] for name in names}
    night.scene.receivers.fate = lambda name: left[name].pop(0) if left[name] else "takes"
    return night


def a_receiver_is_busy_once() -> object:
    """The next delivery arrives."""
    return told_to(desk=["refuses"]).whole()


def a_check_is_killed_once_its_notice_is_told() -> object:
    """Whether it arrived is not known; the next check tells it again, and says so."""
    night = told_to(desk=[])
    night.up()
    while not night.crew.actors or night.crew.actors[-1].at != "deliver":
        night.step()
    night.kill(night.past(night.crew.actors[-1], "deliver"))
    return night.rest()


def a_program_does_not_say_that_it_took_a_notice() -> object:
    return told_to(desk=["takes unseen"]).whole()


def a_receiver_dies_before_it_reads_a_notice() -> object:
    """Nobody saw how that ended, so it is told again."""
    return told_to(desk=["loses unseen"]).whole()


def a_receiver_comes_back_after_hours() -> object:
    """The notice waits for it."""
    return told_to(desk=["refuses"] * 12).whole()


def one_of_two_receivers_is_busy() -> object:
    """The other is not told again."""
    return told_to(all=[], desk=["refuses", "refuses"], phone=[]).whole()


def the_first_receiver_is_gone() -> object:
    """The second is told in its place."""
    return told_to(desk=["refuses"] * 99, phone=[]).whole()


def a_check_leaves_a_launch_while_another_stays_for_ends_alone() -> object:
    """What stays for the end of w0 looked before that of w1, and goes before its cleanup worker may be launched."""
    night = Staged(
        workers=3,
        plan={"workers": {"stagger": 3}},
        w0=Role(seconds=6),
        w1=Role(delay=4, stops_after=0),
        w2=Role(seconds=3000),
    )
    night.stays = True
    night.up()
    for _ in range(2):
        night.scene.clock.advance(3)
        night.act()
        night.end(night.checks())
        night.act()
    night.scene.sleepers.jobs.clear()
    night.scene.clock.advance(1)
    night.act()
    night.begin("exit", night.check)
    first = night.to(night.crew.actors[-1], "clock.pause")
    night.scene.clock.advance(1)
    night.act()
    night.scene.sessions.pushes.clear()  # a check was on its way
    night.begin("timer", night.check)
    night.end(night.crew.actors[-1])
    night.end(first)
    return night.rest()


def a_service_serves_fewer_than_are_launched() -> object:
    """Half as many are at work then, and more as the service answers."""
    return StagedWall(2, workers=8).whole()


def a_usage_limit_ends_all_who_are_at_work() -> object:
    """When it resets they begin again, no more than the window has."""
    return StagedWall(20, workers=16, seconds=2000, allowed=12).whole()


def nobody_is_ever_reached() -> object:
    """It is given up after a day; the status goes on to say so."""
    return told_to(desk=["refuses"] * 99).whole()


# --- schedules of workers elsewhere -----------------------------------------------------------------------------------


def a_place_starts_a_session_once_more() -> object:
    """Its program was begun, so it ends at once."""
    night = StagedElsewhere(w0=Role(seconds=3000))
    night.up()
    night.jobs.once_more(night.jobs.ours()[0])
    return night.rest()


def a_host_is_cut_off_and_its_worker_goes_on(*, lost: bool = True) -> object:
    """It writes while the next attempt is at work on the same units."""
    night = StagedElsewhere(w0=Role(seconds=1000), plan={"workers": {"stage": True}})
    night.up()
    host = night.jobs.host[night.jobs.ours()[0].pid]
    night.jobs.cut.add(host)
    if lost:
        night.jobs.fail(host)
    night.agenda.append((night.scene.clock.at + timedelta(hours=1), partial(night.jobs.back, host)))
    return night.rest()


def a_host_stops() -> object:
    """Its workers are started again, and no attempt is counted."""
    night = StagedElsewhere(w0=Role(seconds=1000))
    night.up()
    night.jobs.stop(night.jobs.host[night.jobs.ours()[0].pid])
    return night.rest()


def a_session_waits_for_an_hour(*, power: bool = False) -> object:
    """Nothing follows from that. What it begins with is there, whatever happens meanwhile to the machine here."""
    night = StagedElsewhere()
    night.jobs.waits = lambda: 3600
    night.end(night.upped())
    if power:
        night.power()
    return night.rest()


def a_person_pauses_while_sessions_wait() -> object:
    """They are taken out of the queue, and launched again behind the pause."""
    night = StagedElsewhere()
    night.jobs.waits = lambda: 3600
    night.end(night.upped())
    night.begin("hand", lambda world: request(world, NAME, "pause"))
    night.end(night.crew.actors[-1])
    return night.rest()


# --- schedules of sessions that somebody else has started -----------------------------------------------------------

HANGS = Role(hangs=True, stops_after=0)
LEAVES = Role(stops_after=0)


def given_up(then: str) -> dict[str, dict[str, object]]:
    """Return tables of a plan that tries all rungs with who is silent, and gives up after three hours."""
    return {
        "stuck": {"silent": ["nudge", "restart", "ask"]},
        "limits": {"give_up": "3h", "give_up_do": then},
    }


def a_session_is_not_there() -> object:
    """Nobody starts it in its place."""
    return StagedFound(workers=2, absent=("w1",)).whole()


def a_session_of_another_deployment_has_the_name() -> object:
    """It is left alone."""
    night = StagedFound(workers=2, absent=("w1",))
    visitor = night.scene.sessions.visit("w1", OTHERS)
    night.rules.visitor = visitor, visitor.mark
    return night.whole()


def a_person_ends_a_night_whose_sessions_are_only_watched() -> object:
    """They are let go, and go on."""
    night = StagedFound(workers=2, w0=Role(seconds=3000), w1=HANGS)
    night.up()
    night.begin("hand", lambda world: request(world, NAME, "down"))
    return night.rest()


def a_watched_session_shows_no_sign_of_life() -> object:
    """It is captured, somebody is told, nothing is typed; after hours it is left as it is, without a mark."""
    return StagedFound(live=True, plan=given_up("leave"), w0=HANGS).whole()


def a_session_goes_with_its_files_missing() -> object:
    """Somebody is told at once, not at the end of the others."""
    return StagedFound(workers=2, w0=LEAVES, w1=Role(seconds=5000)).whole()


def the_server_of_watched_sessions_dies() -> object:
    """Nobody begins them again."""
    night = StagedFound(workers=2, w0=Role(seconds=3000), w1=Role(seconds=3000))
    night.up()
    night.scene.sessions.die()
    return night.rest()


def a_session_that_may_be_ended_shows_no_sign_of_life() -> object:
    """It is nudged, and never begun anew: nobody here knows how."""
    return StagedFound("own", live=True, plan=given_up("stop"), w0=HANGS).whole()


# --- mutants --------------------------------------------------------------------------------------------------------

_INTENTS = (
    '    intents = yield from append("intent", [*prepared.marked, *(_intent(d, ready) for ready in prepared.ready)])\n'
)
_MADE = "    fates = yield from do(MakeSessions(prepared, now))\n"
_ONCE = """        if log.deployment.outcome == "open":
                waiting = once(world, log, findings, row)
            elif _is_owed(log.deployment):"""
_LATER = """        if d.outcome == "open":
            waiting = once(world, log, findings, row)
        _deliver_notices"""
_MOVED = "    d.moved.update({self.target: self.text} if self.action == 'move' else {})\n"
_FIND = "    find = view.listing.finder()\n"
_BY_NUMBER = """    by_mark = {seen.mark: seen for seen in view.listing.seen}
    numbers = {seen.session_id.partition("@")[0]: seen for seen in view.listing.seen}
    find = lambda session_id, mark: by_mark.get(mark) or numbers.get(session_id.partition("@")[0])
"""
_LEFT = "            _take_up_notices(world, log)\n            d = log.deployment\n        _deliver_notices"


def somebody_writes_before_the_first_launch() -> object:
    """The file is there when its worker is launched, and for as long as that takes to write it; it is not its work."""
    night = Staged(workers=2, plan={"workers": {"at_once": 1}}, w1=Role(seconds=3000))
    night.up()
    assert night.rules.intrude("w1/u0")
    return night.rest()


def somebody_writes_between_an_intent_and_its_launch() -> object:
    """The launcher is killed before the session was made; the file is there when the next check makes it."""
    night = Staged(plan={"workers": {}})
    night.kill(night.to(night.upped(), "sessions.submit"))
    assert night.rules.intrude("w0/u0")
    return night.rest()


MUTANTS: dict[str, Mutant] = {
    "no intent before the launch": Mutant(
        launch.launch,
        ((_INTENTS, ""), (_MADE, f"{_MADE}{_INTENTS}")),
        a_launcher_is_killed_once_its_session_stands,
    ),
    "no claim by the wrapper": Mutant(
        MemorySessions._claims,
        (('claim = f"{p.home}/claim"', "return True"),),
        a_session_is_lost_before_its_launch_is_recorded_and_its_program_lives_on,
    ),
    "no sync": Mutant(MemoryWriter.append, (("if durable:", "if False:"),), the_power_is_cut_once_a_program_runs),
    "no sync of outputs": Mutant(
        sync.Sync.perform,
        (("world.files.sync(owners, within=d.host.root)", "{}"),),
        the_power_is_cut_once_a_worker_is_verified,
    ),
    "no barrier at hold": Mutant(
        MemoryWriter.catch_up,
        (("    self._logs.sync(self._name)\n", "    pass\n"),),
        the_power_is_cut_once_a_program_runs_on_the_intent_of_a_killed_check,
    ),
    "decision outside the lock": Mutant(
        check.check,
        (
            (_ONCE, '        if log.deployment.outcome != "open" and _is_owed(log.deployment):'),
            (
                _LEFT,
                _LEFT.replace("        _deliver_notices", _LATER),
            ),
        ),
        a_check_goes_on_after_another_was_made,
    ),
    "alarm armed last": Mutant(
        alarm.Rearm.perform,
        (("    return alarm.arm(", "    world.timer.disarm([d.alarm.job])\n    return alarm.arm("),),
        a_check_is_killed_before_it_sets_the_alarm_anew,
    ),
    "no alarm before the check": Mutant(
        Scene.again, (("argv, due = ", 'return ""; argv, due = '),), an_alarm_fires_and_its_check_is_killed_at_once
    ),
    "attempt id reused across boots": Mutant(
        MemoryClock.boot,
        (("return self.name", 'return "00000001"'),),
        the_power_is_cut_before_a_launch_is_recorded_and_takes_the_claim,
    ),
    "torn tail not cut": Mutant(
        MemoryWriter.catch_up,
        (("self._logs.cut(self._name, self._size)", "self._size = len(self._tape.data)"),),
        a_check_is_killed_in_the_middle_of_a_write,
    ),
    "orphans not looked for": Mutant(
        workers._with_processes, (('observation.session == "lost"', "False"),), a_server_dies_and_a_program_lives_on
    ),
    "work in the background is no life": Mutant(
        transitions._trouble,
        (("    if seen.background:\n", "    if False:\n"),),
        a_client_works_in_the_background_for_longer_than_silence_takes,
    ),
    "ladders forget what they tried": Mutant(
        worker.Recovered.apply,
        (("(d, worker_of(d, event))", "(d, worker_of(d, event)) or forget_ladder(worker_of(d, event))"),),
        a_client_answers_a_nudge_with_words,
    ),
    "an outage costs attempts": Mutant(
        transitions._free,
        (('return d.plan.limits.wait and (seen.ended_by == "limit" or unavailable)', "return False"),),
        the_service_is_out_for_half_an_hour,
    ),
    "everybody tries a service that is out": Mutant(
        limits.outage_holds, (("return bool(d.outage)", "return False"),), the_service_is_out_for_half_an_hour
    ),
    "a refused key bars nobody": Mutant(
        limits.launches_barred, (("bool(d.barred) or ", ""),), a_key_is_refused_and_mended_in_its_file
    ),
    "a changed key is not noticed": Mutant(
        transitions.lifted, (("changed = d.barred", "changed = False"),), a_key_is_refused_and_mended_in_its_file
    ),
    "ids compared without their server": Mutant(
        workers.sightings, ((_FIND, _BY_NUMBER),), the_next_server_gives_a_number_again
    ),
    "outputs of before the first launch count": Mutant(
        freshness._never_begun,
        (("not state.begun and", "False and"),),
        somebody_writes_before_the_first_launch,
    ),
    "outputs are not marked again after a crash": Mutant(
        launch.recover,
        (("if any(outputs_to_mark(d, worker) for worker in _open_launches(d)):", "if False:"),),
        somebody_writes_between_an_intent_and_its_launch,
    ),
    "a notice that waits keeps no alarm": Mutant(
        outbox.is_owed, ((") or any(", ") and any("),), a_receiver_is_busy_once
    ),
    "a notice is forgotten with its first failure": Mutant(
        effect.Effected._note_owed, (("    if self.after:", "    if False:"),), a_receiver_is_busy_once
    ),
    "a delivery that nobody saw the end of counts as none": Mutant(
        outbox._interrupted, (("doubt=True", "doubt=False"),), a_check_is_killed_once_its_notice_is_told
    ),
    "a delivery that may have arrived counts as failed": Mutant(
        check._told_all, (("doubt=doubt and not ok", "doubt=False"),), a_program_does_not_say_that_it_took_a_notice
    ),
    "a delivery that nobody saw the end of counts as told": Mutant(
        check._told_all,
        (("if not came.why:", "if not came.why or came.doubt:"),),
        a_receiver_dies_before_it_reads_a_notice,
    ),
    "a notice is given up after three deliveries": Mutant(
        outbox.delay, (("if tries < len(RETELL_AFTER_S)", "if tries < 3"),), a_receiver_comes_back_after_hours
    ),
    "who was told is told again": Mutant(
        outbox.still_to_tell, (("if name not in told", ""),), one_of_two_receivers_is_busy
    ),
    "nobody is told in the place of one that is gone": Mutant(
        check._told_all,
        (
            (
                "came = world.deliver(target, wake.text, d)",
                "came = world.deliver(target, wake.text, d) if not failed else came",
            ),
        ),
        the_first_receiver_is_gone,
    ),
    "a place that starts a session again is trusted": Mutant(
        MemorySessions._claims, (("if self.files.marks([claim]):", "if False:"),), a_place_starts_a_session_once_more
    ),
    "what a lost attempt has made is installed": Mutant(
        layout.stage, (("{worker}.{attempt}/stage", "{worker}/stage"),), a_host_is_cut_off_and_its_worker_goes_on
    ),
    "lost is taken for an end": Mutant(sessions._dead, (('if seen.phase == "lost":', "if False:"),), a_host_stops),
    "out of reach is taken for lost": Mutant(
        sessions.sight,
        (("session=seen.phase, why", 'session="lost" if seen.phase == "unknown" else seen.phase, why'),),
        partial(a_host_is_cut_off_and_its_worker_goes_on, lost=False),
    ),
    "queued is taken for ended": Mutant(
        transitions._live_facts, (('case "queued" | "unknown":', 'case "unknown":'),), a_session_waits_for_an_hour
    ),
    "who waits in a queue begins in a pause": Mutant(
        limits.withholds, (("d.paused_at or d.barred", "d.barred"),), a_person_pauses_while_sessions_wait
    ),
    "what a queued session begins with is lost with the power": Mutant(
        compose.submit,
        (("    if executor.outlives_boot:", "    if False:"),),
        partial(a_session_waits_for_an_hour, power=True),
    ),
    "a session that is not there is begun": Mutant(
        compose.start_sessions,
        (("(each.adopts or each.found)", "each.adopts"), ("        if each.found:\n", "        if False:\n")),
        a_session_is_not_there,
    ),
    "the mark of another deployment is written over": Mutant(
        compose.find_session,
        (('if seen.mark not in ("", mark) and not is_lone(seen.mark):', "if False:"),),
        a_session_of_another_deployment_has_the_name,
    ),
    "a session that is only watched is ended with its night": Mutant(
        end.end_workers,
        (("for w in live if d.plan_of(w).workers.untouched", "for w in ()"),),
        a_person_ends_a_night_whose_sessions_are_only_watched,
    ),
    "a session that is only watched is nudged": Mutant(
        worker_rows._vain_rungs, ((" or workers.untouched", ""),), a_watched_session_shows_no_sign_of_life
    ),
    "nobody is told of a session without a sign of life": Mutant(
        notice.asking_workers, (("if worker.asked and", "if False and"),), a_watched_session_shows_no_sign_of_life
    ),
    "a session that goes on after the end keeps the mark": Mutant(
        close.let_go, (("if not found:", "if True:"),), a_watched_session_shows_no_sign_of_life
    ),
    "that a session is gone is not noticed": Mutant(
        sessions._gone,
        (("    if _is_adopted(", "    if found:\n        return base\n    if _is_adopted("),),
        a_session_goes_with_its_files_missing,
    ),
    "nobody is told of a session that is gone with files missing": Mutant(
        notice.unfinished_sessions,
        (("if d.edition < EDITION_FOUND_MIN:", "if True:"),),
        a_session_goes_with_its_files_missing,
    ),
    "a session that somebody else has started is begun anew by a rung": Mutant(
        worker_rows._vain_rungs,
        (('"restart": workers.found', '"restart": False'),),
        a_session_that_may_be_ended_shows_no_sign_of_life,
    ),
    "a session that is gone is begun again": Mutant(
        attempts.owed,
        ((" and not d.plan_of(worker).workers.found", ""),),
        the_server_of_watched_sessions_dies,
    ),
    "a refusal leaves the launch window as it is": Mutant(
        window.note_refusal, ((" // 2)", ")"),), a_usage_limit_ends_all_who_are_at_work
    ),
    "a launch does not keep to its window": Mutant(
        limits.slots, (("min(free, room(d)) if", "free if"),), a_service_serves_fewer_than_are_launched
    ),
    "a retry does not keep to the launch window": Mutant(
        attempts.may_retry, ((" and admitted(d, worker)", ""),), a_usage_limit_ends_all_who_are_at_work
    ),
    "a launch is left to who stays for ends alone": Mutant(
        check.LaunchRow.goes_on,
        (("if wanted is None and due:", "if False:"),),
        a_check_leaves_a_launch_while_another_stays_for_ends_alone,
    ),
    "what could not be told is not said": Mutant(
        effect.Effected._note_untold,
        (("for name, why in missed.items()", "for name, why in ()"),),
        nobody_is_ever_reached,
    ),
}
"""By name: the product without that one thing."""

UNDONE: dict[str, Mutant] = {
    "a worker started by a later check is silent at once": Mutant(
        observation._take_observation, (("changed = before is None or seen.life", "changed = seen.life"),)
    ),
    "a slow check sets an alarm in the past": Mutant(
        alarm.Rearm.perform, (("now = world.clock.now()", "now = d.looked_at"),)
    ),
    "a pause ends before an alarm is set": Mutant(requests.request, (('verb in ("unpause", "down")', "verb in ()"),)),
    "an alarm that comes before a notice is late is the last": Mutant(
        check.check, (("elif _is_owed(log.deployment):", "elif False:"),)
    ),
    "a notice is owed by what was closed in a pause": Mutant(
        close.close, (("    if is_owed(d) or not buried:", "    if False:"),)
    ),
    "a task file whose move a crash prevented stays": Mutant(
        effect.Intended.apply, (("    if self.settles:", f"{_MOVED}    if self.settles:"),)
    ),
    "an alarm left over hides that there is no other": Mutant(Scene.stale, ((" and bool(self.alarms.jobs)", ""),)),
}
"""Bugs that the simulation has found, put back. A test of the engine keeps each found; this counts who else sees it."""

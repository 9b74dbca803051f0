"""On which machine an attempt is, as looks tell it."""

from __future__ import annotations

from tests.log import Log

from wakeman.core.log import events as e
from wakeman.core.model import Observation
from wakeman.core.model.worker import Session


def looked(mono: float, attempt: int, host: str, session: Session = "running") -> e.Looked:
    seen = Observation(worker="w", attempt=attempt, session=session, host=host)
    return e.Looked(mono=mono, boot="b1", observations=(seen,))


def test_a_worker_is_where_it_was_seen_last_until_it_is_launched_again() -> None:
    log = Log().running()
    unknown = log.d.workers["w"].host
    log.say(looked(20.0, 1, "t1"))
    seen = log.d.workers["w"].host
    log.say(looked(30.0, 1, "", "killed"))  # its job is listed no more
    kept = log.d.workers["w"].host
    log.move(e.Exited(ended_by="machine", why="", code=None))
    log.say(e.Intended(action="launch", target="w", agent_session="u"), worker="w", attempt=2)
    log.move(e.Relaunched(intent=log.d.seq, session_id="$2"))

    assert ("", "t1", "t1", "") == (unknown, seen, kept, log.d.workers["w"].host)


def test_the_line_of_a_look_says_on_which_machine_a_session_is() -> None:
    assert "w running on t1" == looked(20.0, 1, "t1").summary()
    assert "w running" == looked(20.0, 1, "").summary()
    assert "w killed on t1" == looked(20.0, 1, "t1", "killed").summary()

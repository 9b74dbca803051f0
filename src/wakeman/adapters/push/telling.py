"""Tells a notice over the network: with its key, its secret, and one push for each question that has buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wakeman.adapters.push import Pushed, send_push
from wakeman.adapters.push.answers import answer_address, answer_key, buttons, unanswerable
from wakeman.adapters.push.secret import kept_secret
from wakeman.core.errors import WakemanError
from wakeman.core.model import Deployment, WakeTarget
from wakeman.core.policy import notice
from wakeman.core.policy.elsewhere import questions_in_notice
from wakeman.ports import Delivery


def tell(target: WakeTarget, message: str, d: Deployment, now: datetime) -> Delivery:
    """Send a notice, under a key that it keeps when it is told again."""
    wake = next((wake for wake in d.wakes.values() if wake.text == message), None)
    line, causes = (wake.again or wake.seq, wake.causes) if wake is not None else (0, ())
    born = int(d.started.timestamp()) if d.started is not None else 0
    words = notice.last_words_of(d) if target.share == "words" else {}
    try:
        secret = kept_secret(d.host.root, target.secret_file)
    except OSError as fault:
        return Delivery(f"{target.secret_file}: {fault.strerror}")
    if target.apprise:
        return _by_services(target, Pushed(message, d.name, "", words), d)
    pushed = Pushed(message, d.name, f"{d.name}.{born:x}.{line}", words)
    for at, each in enumerate(_with_buttons(target, pushed, d, causes) if target.answers_file else (pushed,)):
        came = send_push(target, each, now, secret)
        if came.why:
            return Delivery(came.why, doubt=came.doubt or at > 0)
    return Delivery()


def untellable(target: WakeTarget, root: str) -> str:
    """Return why a target cannot be told, or cannot answer; "" if it can. Nothing is sent for that."""
    if not target.apprise:
        return unanswerable(target, root) if target.answers_file else ""
    from wakeman.adapters.push.services import addresses_in, services_fault

    try:
        fault = services_fault(addresses_in(kept_secret(root, target.apprise)))
    except OSError as error:
        fault = f"{error.strerror}"
    return f"{target.apprise}: {fault}" if fault else ""


def _by_services(target: WakeTarget, pushed: Pushed, d: Deployment) -> Delivery:
    from wakeman.adapters.push.services import addresses_in, send_by_services

    try:
        addresses = addresses_in(kept_secret(d.host.root, target.apprise))
    except OSError as fault:
        return Delivery(f"{target.apprise}: {fault.strerror}")
    return send_by_services(addresses, pushed, target.timeout)


def _with_buttons(target: WakeTarget, pushed: Pushed, d: Deployment, causes: Sequence[str]) -> Sequence[Pushed]:
    """Return a push for each question of a notice, with its words and buttons; the notice itself is in the first.

    Boundary: where nothing can be answered, or the topic of answers cannot be used, the notice alone.
    """
    found = questions_in_notice(d, target, causes)
    if not found:
        return [pushed]
    try:
        address = answer_address(target, kept_secret(d.host.root, target.answers_file))
        key = answer_key(d.host.directory, make=True)
    except (OSError, WakemanError):
        return [pushed]
    asked = {each.worker for each in found}
    rest = {worker: words for worker, words in pushed.words.items() if worker not in asked}
    return [
        pushed._replace(
            text=pushed.text if at == 0 else f"{each.worker} asks:",
            words={**({each.worker: each.words} if each.words else {}), **(rest if at == 0 else {})},
            actions=buttons(key, d, each, address),
        )
        for at, each in enumerate(found)
    ]

"""What a client's last words mean, as far as words tell: a question, a claim to be done, a refusal. That is a reason
for a person to read them, and never evidence that something was done: only files are.
"""

from __future__ import annotations

import re

from wakeman.core.model import Meaning
from wakeman.core.text import sanitise

WORDS_CHARS_MAX = 400
"""Characters of a client's last words that are kept; of more the end, where a question is."""
QUESTION_CHARS_MAX = 200
"""Characters at the end of last words in which a question mark counts: one further up was asked before."""

# Compiled on first use: most checks read no last words.
_MARK = r"[\w\"'”’»)\]`*_][ \N{NO-BREAK SPACE}]?[?？؟⁇](?=[\s\"'”’»)\]`*_]|\Z)"
_REQUEST = (
    r"(?i)\bplease (?:confirm|advise|clarify|specify|choose|provide|tell me)\b"
    r"|\blet me know (?:how|which|what|whether|when)\b|\b(?:awaiting|waiting for) your\b"
    r"|\bI need (?:your|you to|more information|clarification)\b"
)
_COURTESY = (
    r"(?i)\b(?:(?:is there )?anything else\b|would you like me to (?:also|make any|adjust|change)\b|let me know if\b"
    r"|please let me know if\b|feel free to\b|(?:I['’]m |I am )?happy to\b)[^.!?\n]*[.!?]*"
)
_REFUSAL = (
    r"(?i)\bI(?: am|['’]m)? (?:\w+ )?(?:can ?not|can['’]t|won['’]t|will not|not able to|unable to"
    r"|not (?:allowed|permitted|going) to|could not|couldn['’]t|must decline|have to decline|decline to|refuse to)\b"
    r"|\b(?:unable|impossible) to (?:\w+ )?(?:proceed|continue|complete|comply|help|assist|write|create|do|finish)\b"
    r"|\bit is(?: not|n['’]t) (?:possible|permitted|allowed)\b|\b(?:permission|access) (?:was |is )?denied\b"
)
_CLAIM = (
    r"(?i)\b(?:all|everything|both|each|every|the (?:task|work|job|files?|outputs?|units?)|it|they|that|these|this)\b"
    r"[^.!?\n]{0,80}\b(?:done|finished|completed?|written|created|made|ready|in place|saved)\b"
    r"|\bI(?: have|['’]ve)? (?:\w+ )?(?:finished|completed|written|wrote|created|made|saved)\b"
    r"|\A\W*(?:done|finished|completed?)\b|\bsuccessfully\b"
)
_UNDONE = (
    r"(?i)(?:\b(?:not|never|being)|n['’]t)(?: \w+){0,2} (?:done|finished|completed?|written|created|made|ready)\b"
    r"|\bincomplete\b|\bunfinished\b|\bwill (?:be|write|finish|complete|continue)\b"
)


def shortened(said: str) -> str:
    """Return last words as one harmless line: of long ones the end, behind an ellipsis."""
    end = sanitise(said[-2 * WORDS_CHARS_MAX :], 2 * WORDS_CHARS_MAX)
    whole = len(said) <= 2 * WORDS_CHARS_MAX and len(end) <= WORDS_CHARS_MAX
    return end if whole else "…" + end[1 - WORDS_CHARS_MAX :].lstrip()


def sense_of(said: str) -> Meaning:
    """Return what last words mean; "" where they do not tell.

    Shape: a question at the end counts first, then a refusal anywhere, then a claim that nothing takes back. An offer
    of more behind a claim is no question.
    """
    if not said:
        return ""
    claims = re.search(_CLAIM, said) is not None and re.search(_UNDONE, said) is None
    asked = re.sub(_COURTESY, "", said) if claims else said
    if re.search(_MARK, asked[-QUESTION_CHARS_MAX:]) or re.search(_REQUEST, asked):
        return "asks"
    if re.search(_REFUSAL, said):
        return "refuses"
    return "claims" if claims else ""

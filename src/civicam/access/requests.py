"""Requests of residents for footage of themselves (GDPR, Art. 15): taken in, answered or refused within a month.

Each has a case of its own, so that grants and exports are for it like for any other, and its footage is held from the
start. A year after the decision what the resident told is forgotten. Pure.
"""

from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Final

from civicam.access import cases, holds
from civicam.access.change import Change
from civicam.access.deadline import due_ns
from civicam.access.decide import Action, Ask, Who, require
from civicam.access.holds import DAY_NS
from civicam.access.models import Case, RefusalReason, Request, RequestState, Where
from civicam.access.state import State
from civicam.core.errors import AccessError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value

PURPOSE: Final = "request of a resident"
"""Of its case, whatever a city lists: the right is the law's."""
MONTHS: Final = 1
"""It is answered within so many months (GDPR, Art. 12(3)),"""
MONTHS_EXTENDED: Final = 3
"""or within so many, if the resident is told why within the first."""
WARNED_NS: Final = 7 * DAY_NS
"""So long before it is due a request is an alarm."""
FORGOTTEN_NS: Final = 365 * DAY_NS
"""So long after its decision what the resident told is kept: they may ask why."""
_HELD_NS: Final = 30 * DAY_NS
"""So long after it is due its footage is held: the resident may complain."""
_CAMERAS: Final = 64
_WINDOW_NS: Final = 31 * DAY_NS
_OLDEST_NS: Final = 366 * DAY_NS
_WORDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a resident asks for.

    Attributes:
        subject: a random name for them, which has a key of its own.
        name: what they are called.
        sealed: all that they told, sealed with that key.
        cameras: which may have seen them.
        window: in which stretch.
        received_ns: when the request came in.
        legal_reference: the provision that it rests on.
    """

    subject: PersonId
    name: str
    sealed: bytes
    cameras: frozenset[CameraId]
    window: Span
    received_ns: int
    legal_reference: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the resident is told.

    Attributes:
        words: in these words.
        sealed: the same, sealed with the resident's key.
    """

    words: str
    sealed: bytes


def take(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int, *, zone: str) -> Change:
    """Takes a request in, opens its case, and asks that its footage be held. The request is the first of the rows.

    Args:
        state: the state.
        who: takes it in.
        where: they are.
        wanted: what is asked for.
        at_ns: now.
        zone: the city's time zone, in which the month is counted.

    Raises:
        NotAllowedError: they may not take in requests for one of these cameras.
        AccessError: the cameras, the stretch, the day it came in or the provision cannot be.
    """
    _check(state, who, wanted, at_ns)
    number = state.next_id("requests")
    case = Case(_free_number(state, number), PURPOSE, wanted.legal_reference, who.person, at_ns)
    opened = cases.open_case(state, who, case, (PURPOSE,), at_ns)
    request = Request(
        number,
        wanted.subject,
        case.number,
        wanted.cameras,
        wanted.window,
        wanted.sealed,
        wanted.received_ns,
        due_ns(wanted.received_ns, MONTHS, zone),
        who.person,
    )
    keep = holds.Wanted(case.number, wanted.cameras, wanted.window, max(request.due_ns, at_ns) + _HELD_NS)
    held = holds.ask(state.put(opened.rows), who, where, keep, at_ns)
    draft = _draft(request, "taken in", who, {"name": wanted.name})
    return Change((request, *opened.rows, *held.rows), (draft, *opened.drafts, *held.drafts))


def answer(state: State, who: Who, number: int, export: int, at_ns: int) -> Change:
    """Answers it with an export, which was made for its case; the case stays open as long as the link is to hold.

    Until somebody received it, another export may take its place: a link lapses, and an export is taken back.

    Raises:
        NotAllowedError: they may not.
        AccessError: no such request is open, or waits to be received.
    """
    found = answerable(state, who, number, at_ns)
    # The clock was met by the first answer; another one takes its place where that export came to nothing.
    decided_ns = at_ns if found.decided_ns is None else found.decided_ns
    answered = replace(found, state=RequestState.ANSWERED, decided_by=who.person, decided_ns=decided_ns, export=export)
    return Change((answered,), (_draft(answered, "answered", who),))


def refuse(state: State, who: Who, number: int, said: Said, at_ns: int, *, reason: RefusalReason) -> Change:
    """Refuses it, for a reason and in words that the resident is told; its case is closed.

    Raises:
        NotAllowedError: they may not.
        AccessError: no such request is open, or the words are missing or too long.
    """
    found = open_request(state, who, number, at_ns)
    _check_words(said)
    refused = replace(
        found,
        state=RequestState.REFUSED,
        decided_by=who.person,
        decided_ns=at_ns,
        reason=reason,
        sealed_refusal=said.sealed,
    )
    closed = cases.close_case(state.put([refused]), who, found.case, at_ns)
    draft = _draft(refused, "refused", who, {"words": said.words})
    return Change((refused, *closed.rows), (draft, *closed.drafts))


def extend(state: State, who: Who, number: int, said: Said, at_ns: int, *, zone: str) -> Change:
    """Takes two months more, once; the resident was told why within the first month (GDPR, Art. 12(3)).

    Raises:
        NotAllowedError: they may not.
        AccessError: no such request is open, it was extended, its month is over, or the words are missing or too long.
    """
    found = open_request(state, who, number, at_ns)
    _check_words(said)
    if found.extended_ns is not None:
        raise AccessError(f"request {number} was extended already", fix="answer or refuse it")
    if at_ns >= found.due_ns:
        raise AccessError("whoever asks is told within the first month that it takes longer", fix="answer or refuse it")
    later = due_ns(found.received_ns, MONTHS_EXTENDED, zone)
    extended = replace(found, due_ns=later, extended_ns=at_ns, sealed_delay=said.sealed)
    held = holds.prolonged(state, found.case, later + _HELD_NS)
    draft = _draft(extended, "extended", who, {"words": said.words})
    return Change((extended, *held.rows), (draft, *held.drafts))


def received(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Somebody says that the resident has the answer: it was handed over.

    Raises:
        NotAllowedError: they may not.
        AccessError: there is no such request, it is not decided, or this was said already.
    """
    found = _found(state, who, number, at_ns)
    if not _waits_for_receipt(found):
        raise AccessError(f"nothing of request {number} waits to be received")
    got = replace(found, received_answer_ns=at_ns)
    return Change((got,), (_draft(got, "received", who, how="handed over"),))


def fetched(state: State, export: int, at_ns: int) -> Change:
    """An export was fetched by its link: the request that it answers is received. Nothing where there is none."""
    rows = tuple(
        replace(one, received_answer_ns=at_ns)
        for one in state.requests.values()
        if one.export == export and _waits_for_receipt(one)
    )
    return Change(rows, tuple(_draft(one, "received", None, how="link") for one in rows))


def forgotten(state: State, at_ns: int) -> Change:
    """What residents told whose requests were decided long ago; their keys are destroyed next.

    The entries name nobody: they are written whatever became of the keys.
    """
    rows = tuple(
        replace(one, sealed=b"", sealed_delay=b"", sealed_refusal=b"", forgotten_ns=at_ns)
        for one in state.requests.values()
        if one.forgotten_ns is None and one.decided_ns is not None and at_ns >= one.decided_ns + FORGOTTEN_NS
    )
    return Change(rows, tuple(Draft(Kind.REQUEST, _facts(one, "forgotten")) for one in rows))


def open_request(state: State, who: Who, number: int, at_ns: int) -> Request:
    """The request of that number, which they may answer.

    Raises:
        NotAllowedError: they may not.
        AccessError: there is none, or it is decided.
    """
    found = _found(state, who, number, at_ns)
    if found.state is not RequestState.OPEN:
        raise AccessError(f"request {number} is {found.state} already")
    return found


def answerable(state: State, who: Who, number: int, at_ns: int) -> Request:
    """The request of that number, which they may answer, or answer with another export.

    Raises:
        NotAllowedError: they may not.
        AccessError: there is none, it was refused, or its answer was received.
    """
    found = _found(state, who, number, at_ns)
    if found.state is RequestState.REFUSED or found.received_answer_ns is not None or found.forgotten_ns is not None:
        raise AccessError(f"request {number} is {found.state} already, and nothing of it waits to be received")
    return found


def is_held(state: State, one: Request) -> bool:
    """Whether its footage is kept whatever its days are."""
    return any(hold.case == one.case for hold in holds.kept(state.holds.values()))


def _found(state: State, who: Who, number: int, at_ns: int) -> Request:
    found = state.requests.get(number)
    for camera in sorted(found.cameras) if found else [CameraId("")]:
        require(state, Ask(who, Action.REQUEST_EDIT, at_ns, camera))
    if found is None:
        raise AccessError(f"there is no request {number}")
    return found


def _check(state: State, who: Who, wanted: Wanted, at_ns: int) -> None:
    if not 0 < len(wanted.cameras) <= _CAMERAS:
        raise AccessError(f"a request is for 1 to {_CAMERAS} cameras")
    for camera in sorted(wanted.cameras):
        require(state, Ask(who, Action.REQUEST_TAKE, at_ns, camera))
    if not 0 <= wanted.window[0] < wanted.window[1]:
        raise AccessError("the stretch ends before it begins", fix="say from when until when")
    if wanted.window[1] > wanted.window[0] + _WINDOW_NS:
        raise AccessError("a request is for a stretch of at most 31 days")
    if wanted.window[0] >= at_ns:
        raise AccessError("a request is for what was recorded already")
    if wanted.received_ns > at_ns:
        raise AccessError("a request did not come in later than today", fix="say on which day it did")
    if wanted.received_ns < at_ns - _OLDEST_NS:
        raise AccessError("a request came in within the last year", fix="say on which day")


def _check_words(said: Said) -> None:
    if not 0 < len(said.words.strip()) <= _WORDS:
        raise AccessError("whoever asks is told why, in words", fix=f"write 1 to {_WORDS} letters")


def _free_number(state: State, number: int) -> str:
    """The number of its case: one that people gave to another case is not taken from it."""
    names = chain([f"R-{number}"], (f"R-{number}-{more}" for more in count(2)))
    return next(name for name in names if name not in state.cases)


def _waits_for_receipt(one: Request) -> bool:
    return one.state is not RequestState.OPEN and one.received_answer_ns is None and one.forgotten_ns is None


def _draft(one: Request, what: str, who: Who | None, told: dict[str, str] | None = None, how: str = "") -> Draft:
    """The entry, with parts of the resident and of who did it; nobody did what came by a link.

    Where the resident was, and when, their own part says: it is forgotten with the rest.
    """
    where = {"cameras": ", ".join(sorted(one.cameras)), "from": moment(one.window[0]), "to": moment(one.window[1])}
    parts = {"resident": Part(one.subject, where | (told or {}))}
    if who is not None:
        parts["by"] = Part(who.person, {"case": one.case})
    return Draft(Kind.REQUEST, _facts(one, what) | ({"how": how} if how else {}), parts)


def _facts(one: Request, what: str) -> dict[str, Value]:
    facts: dict[str, Value] = {
        "what": what,
        "request": one.id,
        "due": moment(one.due_ns),
    }
    if one.export is not None:
        facts["export"] = str(one.export)
    if one.reason is not None:
        facts["reason"] = one.reason.value
    return facts

"""Requests of residents: what may be done to one in which order, and what is written down of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.access import cases, holds, requests
from civicam.access.change import Change
from civicam.access.deadline import due_ns
from civicam.access.decide import Who
from civicam.access.models import (
    Case,
    Group,
    HoldState,
    Person,
    PersonState,
    RefusalReason,
    Request,
    RequestState,
    Right,
    Role,
    Where,
)
from civicam.access.requests import FORGOTTEN_NS, PURPOSE, Said, Wanted
from civicam.access.state import State
from civicam.core.errors import AccessError, CivicamError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.ledger.encoding import encode
from civicam.ledger.entry import Kind, PersonId

S = 1_000_000_000
DAY = 86_400 * S
NOW = 1_772_323_200 * S  # 2026-03-01, a Sunday, 00:00 UTC
FIRUZA, ANVAR, SHIRIN, RESIDENT = (PersonId(letter * 32) for letter in "abcd")
NORTH, SOUTH = CameraId("north-1"), CameraId("south-1")
WHO = Who(FIRUZA)
WORDS = Said("It was deleted after its 30 days.", b"sealed")
ZONE = "Asia/Dushanbe"


def city() -> State:
    """An investigator of the north, an approver and an investigator of the south."""
    people = [Person(one, PersonState.ACTIVE, one, b"", NOW) for one in (FIRUZA, ANVAR, SHIRIN)]
    groups = [Group("north", frozenset({NORTH})), Group("south", frozenset({SOUTH}))]
    rights = [
        Right(1, FIRUZA, Role.INVESTIGATOR, "north"),
        Right(2, ANVAR, Role.APPROVER),
        Right(3, SHIRIN, Role.INVESTIGATOR, "south"),
    ]
    return State().put([*people, *groups, *rights])


def wanted(*cameras: CameraId, received_ns: int = NOW - DAY, subject: PersonId = RESIDENT) -> Wanted:
    window = (NOW - 9 * DAY, NOW - 9 * DAY + 900 * S)
    return Wanted(subject, "Nigora", b"sealed", frozenset(cameras), window, received_ns, "GDPR, Art. 15")


def taken(state: State | None = None, at_ns: int = NOW) -> tuple[State, Request]:
    before = city() if state is None else state
    change = requests.take(before, WHO, Where(), wanted(NORTH), at_ns, zone=ZONE)
    (request, *_) = change.rows
    assert isinstance(request, Request)
    return before.put(change.rows), request


def what(change: Change) -> list[str]:
    return [str(one.facts["what"]) for one in change.drafts if one.kind is Kind.REQUEST]


def test_a_request_opens_a_case_of_its_own_and_has_its_footage_held() -> None:
    state, request = taken()
    assert (request.case, request.state, request.due_ns) == ("R-1", RequestState.OPEN, due_ns(NOW - DAY, 1, ZONE))
    assert (state.cases["R-1"].purpose, state.cases["R-1"].closed_ns) == (PURPOSE, None)
    (hold,) = state.holds.values()
    assert (hold.case, hold.cameras, hold.window, hold.state) == (
        "R-1",
        request.cameras,
        request.window,
        HoldState.ASKED,
    )
    assert hold.review_ns > request.due_ns


def test_the_case_is_opened_whatever_purposes_a_city_lists_and_whatever_its_number_was_given_to() -> None:
    others = [Case(name, "crime", "CPC 12", FIRUZA, NOW) for name in ("R-1", "R-1-2")]
    state, request = taken(city().put(others))
    assert (request.case, state.cases["R-1"].purpose) == ("R-1-3", "crime")


def test_what_everybody_may_read_of_it_tells_nothing_of_who_it_is() -> None:
    state, request = taken()
    changes = [
        requests.take(city(), WHO, Where(), wanted(NORTH), NOW, zone=ZONE),
        requests.extend(state, WHO, 1, WORDS, NOW, zone=ZONE),
        requests.refuse(state, WHO, 1, WORDS, NOW, reason=RefusalReason.NO_FOOTAGE),
        requests.answer(state, WHO, 1, 7, NOW),
    ]
    for draft in (one for change in changes for one in change.drafts):
        told = encode(draft, NOW, {})
        for word in (b"Nigora", b"deleted", RESIDENT.encode(), FIRUZA.encode(), b"R-1"):
            assert word not in told
        if draft.kind is Kind.REQUEST:
            assert draft.parts["resident"].person == request.subject
            assert draft.parts["by"].person == FIRUZA


@pytest.mark.parametrize(
    ("who", "cameras"),
    [(WHO, (NORTH, SOUTH)), (Who(ANVAR), (NORTH,)), (Who(SHIRIN), (NORTH,)), (Who(RESIDENT), (NORTH,))],
)
def test_nobody_takes_a_request_in_without_a_right_for_all_its_cameras(who: Who, cameras: tuple[CameraId]) -> None:
    with pytest.raises(NotAllowedError):
        requests.take(city(), who, Where(), wanted(*cameras), NOW, zone=ZONE)


@pytest.mark.parametrize(
    "changes",
    [
        {"cameras": frozenset()},
        {"window": (NOW - DAY, NOW - DAY)},
        {"window": (NOW - 40 * DAY, NOW)},
        {"window": (NOW, NOW + S)},
        {"received_ns": NOW + 1},
        {"received_ns": NOW - 400 * DAY},
        {"legal_reference": " "},
    ],
)
def test_what_cannot_be_asked_for_is_not_taken_in(changes: dict[str, object]) -> None:
    with pytest.raises(AccessError):
        requests.take(city(), WHO, Where(), replace(wanted(NORTH), **changes), NOW, zone=ZONE)  # type: ignore[arg-type]


def test_nobody_else_decides_about_it() -> None:
    state, _ = taken()
    for who in (Who(ANVAR), Who(SHIRIN)):
        with pytest.raises(NotAllowedError):
            requests.answer(state, who, 1, 7, NOW)
        with pytest.raises(NotAllowedError):
            requests.refuse(state, who, 1, WORDS, NOW, reason=RefusalReason.OTHERS)
        with pytest.raises(NotAllowedError):
            requests.extend(state, who, 1, WORDS, NOW, zone=ZONE)
        with pytest.raises(NotAllowedError):
            requests.received(state, who, 1, NOW)


def test_a_request_that_is_answered_is_received_once_by_its_link() -> None:
    state, _ = taken()
    change = requests.answer(state, WHO, 1, 7, NOW)
    answered = state.put(change.rows)
    assert (what(change), change.drafts[0].facts["export"]) == (["answered"], "7")
    assert answered.cases["R-1"].closed_ns is None
    assert requests.fetched(state, 7, NOW).rows == requests.fetched(answered, 8, NOW).rows == ()
    got = requests.fetched(answered, 7, NOW + S)
    assert (what(got), got.drafts[0].facts["how"], set(got.drafts[0].parts)) == (["received"], "link", {"resident"})
    after = answered.put(got.rows)
    assert after.requests[1].received_answer_ns == NOW + S
    assert requests.fetched(after, 7, NOW + DAY).rows == ()
    with pytest.raises(AccessError):
        requests.received(after, WHO, 1, NOW + DAY)


def test_a_refusal_states_its_reason_closes_the_case_and_is_handed_over() -> None:
    state, _ = taken()
    for words in ("", "  ", "x" * 1001):
        with pytest.raises(AccessError):
            requests.refuse(state, WHO, 1, Said(words, b""), NOW, reason=RefusalReason.IDENTITY)
    change = requests.refuse(state, WHO, 1, WORDS, NOW, reason=RefusalReason.NO_FOOTAGE)
    refused = state.put(change.rows)
    assert refused.cases["R-1"].closed_ns == NOW
    (draft,) = [one for one in change.drafts if one.kind is Kind.REQUEST]
    told = draft.parts["resident"].facts
    assert (draft.facts["reason"], told["words"], told["cameras"]) == ("no-footage", WORDS.words, NORTH)
    assert {"cameras", "from", "to"}.isdisjoint(draft.facts)  # where they were is theirs, and is forgotten
    got = requests.received(refused, WHO, 1, NOW + S)
    assert (what(got), got.drafts[0].facts["how"]) == (["received"], "handed over")
    agains: list[Callable[[], Change]] = [
        lambda: requests.refuse(refused, WHO, 1, WORDS, NOW, reason=RefusalReason.OTHERS),
        lambda: requests.answer(refused, WHO, 1, 7, NOW),
        lambda: requests.extend(refused, WHO, 1, WORDS, NOW, zone=ZONE),
    ]
    for again in agains:
        with pytest.raises(AccessError):
            again()


def test_footage_is_held_until_after_the_answer_is_due_however_long_that_takes() -> None:
    state, request = taken()
    (hold,) = state.holds.values()
    extended = requests.extend(state, WHO, 1, WORDS, NOW, zone=ZONE)
    later = state.put(extended.rows)
    assert later.requests[1].due_ns > request.due_ns
    assert later.holds[hold.id].review_ns > later.requests[1].due_ns
    assert [one.facts["what"] for one in extended.drafts if one.kind is Kind.HOLD] == ["prolonged"]


def test_until_it_is_received_another_export_may_be_the_answer() -> None:
    state, _ = taken()
    first = state.put(requests.answer(state, WHO, 1, 7, NOW).rows)
    second = first.put(requests.answer(first, WHO, 1, 8, NOW + DAY).rows)
    assert (second.requests[1].export, second.requests[1].decided_ns) == (8, NOW)
    assert requests.fetched(second, 7, NOW).rows == ()
    got = second.put(requests.fetched(second, 8, NOW + DAY).rows)
    with pytest.raises(AccessError, match="nothing of it waits"):
        requests.answer(got, WHO, 1, 9, NOW + DAY)


def test_footage_whose_hold_was_refused_is_not_held() -> None:
    state, request = taken()
    assert requests.is_held(state, request)
    refused = state.put(holds.refuse(state, Who(ANVAR), 1, NOW).rows)
    assert not requests.is_held(refused, request)


def test_nobody_closes_the_case_of_somebody_who_waits() -> None:
    state, _ = taken()
    with pytest.raises(AccessError, match="waits for an answer"):
        cases.close_case(state, WHO, "R-1", NOW)
    answered = state.put(requests.answer(state, WHO, 1, 7, NOW).rows)
    assert cases.close_case(answered, WHO, "R-1", NOW).rows


def test_it_takes_longer_once_and_only_if_that_is_told_within_the_first_month() -> None:
    state, request = taken()
    with pytest.raises(AccessError, match="within the first month"):
        requests.extend(state, WHO, 1, WORDS, request.due_ns, zone=ZONE)
    change = requests.extend(state, WHO, 1, WORDS, request.due_ns - 1, zone=ZONE)
    later = state.put(change.rows)
    assert later.requests[1].due_ns == due_ns(request.received_ns, 3, ZONE)
    assert what(change) == ["extended"]
    with pytest.raises(AccessError, match="already"):
        requests.extend(later, WHO, 1, WORDS, NOW, zone=ZONE)


def test_what_a_resident_told_is_forgotten_a_year_after_the_decision_and_never_before() -> None:
    state, _ = taken()
    assert requests.forgotten(state, NOW + 10 * FORGOTTEN_NS).rows == ()
    refused = state.put(requests.refuse(state, WHO, 1, WORDS, NOW, reason=RefusalReason.NO_FOOTAGE).rows)
    assert requests.forgotten(refused, NOW + FORGOTTEN_NS - 1).rows == ()
    change = requests.forgotten(refused, NOW + FORGOTTEN_NS)
    (gone,) = change.rows
    assert isinstance(gone, Request)
    assert (gone.sealed, gone.sealed_delay, gone.sealed_refusal, gone.reason) == (
        b"",
        b"",
        b"",
        RefusalReason.NO_FOOTAGE,
    )
    assert (what(change), change.drafts[0].parts) == (["forgotten"], {})
    after = refused.put(change.rows)
    assert requests.forgotten(after, NOW + 2 * FORGOTTEN_NS).rows == ()
    with pytest.raises(AccessError):
        requests.received(after, WHO, 1, NOW + FORGOTTEN_NS)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "answer", "refuse", "extend", "received", "fetched", "forgotten", "close", "lapse"]),
        st.integers(1, 3),
        st.integers(0, 40 * DAY),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_is_done_in_whatever_order_each_is_decided_once_and_received_after_that(
    steps: list[tuple[str, int, int]],
) -> None:
    state, at_ns, done = city(), NOW, dict[int, list[str]]()
    for number, (step, of, waits_ns) in enumerate(steps):
        at_ns += waits_ns
        try:
            change = do(state, step, of, at_ns, PersonId(f"{number:032x}"))
        except CivicamError:
            continue
        state = state.put(change.rows)
        for draft in change.drafts:
            if draft.kind is Kind.REQUEST:
                done.setdefault(int(str(draft.facts["request"])), []).append(str(draft.facts["what"]))
    for number, entries in done.items():
        one = state.requests[number]
        assert (entries[0], len(set(entries))) == ("taken in", len(entries))
        decided = [entry for entry in entries if entry in {"answered", "refused"}]
        assert len(decided) == (one.state is not RequestState.OPEN)
        order = ["taken in", "extended", *decided, "received", "forgotten"]
        assert entries == [entry for entry in order if entry in entries]
        assert (state.cases[one.case].closed_ns is None) or one.state is not RequestState.OPEN
        assert one.due_ns == due_ns(one.received_ns, 3 if "extended" in entries else 1, ZONE)


def do(state: State, step: str, of: int, at_ns: int, subject: PersonId) -> Change:
    one = replace(wanted(NORTH, received_ns=at_ns, subject=subject), window=(at_ns - 2 * S, at_ns - S))
    steps: dict[str, Callable[[], Change]] = {
        "take": lambda: requests.take(state, WHO, Where(), one, at_ns, zone=ZONE),
        "answer": lambda: requests.answer(state, WHO, of, of, at_ns),
        "refuse": lambda: requests.refuse(state, WHO, of, WORDS, at_ns, reason=RefusalReason.EXCESSIVE),
        "extend": lambda: requests.extend(state, WHO, of, WORDS, at_ns, zone=ZONE),
        "received": lambda: requests.received(state, WHO, of, at_ns),
        "fetched": lambda: requests.fetched(state, of, at_ns),
        "forgotten": lambda: requests.forgotten(state, at_ns),
        "close": lambda: cases.close_case(state, WHO, f"R-{of}", at_ns),
        "lapse": lambda: holds.lapsed(state, at_ns),
    }
    return steps[step]()

"""Whatever anybody tries, in any order, nobody sees what nobody gave them; and the walk would find it if they did."""

from typing import Any

import pytest

from civicam.access import cases, decide
from civicam.access.models import Grant
from civicam.access.state import State
from tests.access import machine


def test_nobody_sees_what_was_not_given_to_them() -> None:
    seen = machine.walk(12_000)
    for what in ("look: yes", "look: no", "clear look: yes", "clear look: no", "approve", "break glass", "leave"):
        assert seen[what], what


def _always_holds(state: State, grant: Grant, at_ns: int) -> None:
    return None


def _every_grant(state: State, person: str) -> Any:
    return iter(state.grants.values())


FORGOTTEN: dict[str, tuple[Any, str, Any]] = {
    "that grants end": (decide, "grant_ended", _always_holds),
    "that sessions end": (decide, "session_refusal", lambda *_: None),
    "that rights are taken away": (
        State,
        "rights_of",
        lambda self, who: (r for r in self.rights.values() if r.person == who),
    ),
    "that groups are not all cameras": (State, "has_camera", lambda *_: True),
    "the hours": (decide, "_hours_refusal", lambda *_: None),
    "who may approve": (cases, "_waiting", lambda state, who, number, at_ns: state.grants[number]),
    "that two are two": (cases, "check_apart", lambda *_: None),
    "to end by the clock": (decide, "SESSION_NS", 10**30),
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_decision_that_forgets_something_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, instead = FORGOTTEN[what]
    monkeypatch.setattr(where, name, instead)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the walk stumbles over
        machine.walk(40_000, shrinks=False)

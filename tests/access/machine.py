"""Everything that people may do about looking, in any order, and an oracle that reads only what was written down.

`python -m tests.access.machine --steps 1000000` walks that many steps; the test walks fewer.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from civicam.access import cases, people, roles, sessions
from civicam.access.change import Change
from civicam.access.decide import Action, Ask, Who, decide
from civicam.access.models import (
    Case,
    ChangeKind,
    GrantState,
    PersonState,
    Role,
    Session,
    SessionId,
    Token,
    TokenId,
    Where,
)
from civicam.access.schedule import ALWAYS, Schedule, parse_schedule
from civicam.access.state import State
from civicam.core.errors import AccessError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, PersonId

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_772_323_200 * SECOND  # a Sunday, 00:00 UTC
CAMERAS = tuple(CameraId(f"cam-{number}") for number in range(4))
GROUPS = ("", "north", "south")
SCHEDULES = (ALWAYS, parse_schedule("mon-fri 08:00-16:00", "UTC"), parse_schedule("mon-sun 22:00-06:00", "UTC"))
VIEWS = (Action.STILL, Action.LIVE, Action.PLAYBACK)
VIEWERS = frozenset({Role.OPERATOR, Role.INVESTIGATOR})

some_cameras = st.sets(st.sampled_from(CAMERAS), min_size=1, max_size=3).map(frozenset)
index = st.integers(0, 63)


@dataclass
class Entry:
    """What was written down, and when."""

    at_ns: int
    draft: Draft


@dataclass
class Oracle:
    """Says what may be, from the entries alone and from what each change was asked to do.

    It keeps nothing that the decision keeps: every answer reads the entries from the first to the last.
    """

    entries: list[Entry] = field(default_factory=list)
    asked: dict[int, roles.Wanted] = field(default_factory=dict)
    right_of: dict[int, int] = field(default_factory=dict)

    def is_here(self, person: PersonId) -> bool:
        came = self._about(Kind.PERSON, "person", person, what="came")
        return bool(came) and not self._about(Kind.PERSON, "person", person, what="left")

    def has_signed_in(self, person: PersonId, now_ns: int) -> bool:
        return any(now_ns - one.at_ns < 12 * HOUR for one in self._about(Kind.SIGN_IN, "person", person))

    def may_see(self, person: PersonId, camera: CameraId, moments: tuple[int, ...]) -> bool:
        """They were given a role that sees it, at those hours, and it was not taken away."""
        groups: dict[str, frozenset[CameraId]] = {}
        held: dict[int, roles.Wanted] = {}
        for entry in self.entries:
            facts = entry.draft.facts
            if entry.draft.kind is not Kind.ROLE or facts.get("what") not in {"give", "take", "group"}:
                continue
            wanted = self.asked[int(str(facts["change"]))]
            match wanted.kind:
                case ChangeKind.GIVE:
                    held[int(str(facts["change"]))] = wanted
                case ChangeKind.TAKE:
                    assert wanted.right is not None
                    held.pop(self.right_of.get(wanted.right, -1), None)
                case ChangeKind.GROUP:
                    groups[wanted.group] = wanted.cameras
        return any(
            one.person == person
            and one.role in VIEWERS
            and (not one.group or camera in groups[one.group])
            and all(_is_in_hours(one.schedule, at_ns) for at_ns in moments)
            for one in held.values()
        )

    def may_see_clear(
        self, person: PersonId, camera: CameraId, window: tuple[int, int], grant: int, now_ns: int
    ) -> bool:
        """Somebody else approved it, or they broke the glass just now; and nothing ended it."""
        held: dict[str, Any] | None = None
        case = ""
        for entry in self.entries:
            kind, facts, parts = entry.draft.kind, entry.draft.facts, entry.draft.parts
            if kind is Kind.CASE and facts["what"] == "closed" and parts["by"].facts["case"] == case:
                return False
            if facts.get("grant") != grant:
                continue
            match kind:
                case Kind.GRANT_ASKED:
                    case = parts["asked-by"].facts["case"]
                case Kind.GRANT_APPROVED:
                    assert parts["asked-by"].person != parts["approved-by"].person
                    held = {**facts, "person": parts["asked-by"].person}
                case Kind.BREAK_GLASS:
                    assert entry.at_ns <= now_ns < entry.at_ns + HOUR // 4 or now_ns >= entry.at_ns + HOUR // 4
                    held = {**facts, "person": parts["by"].person}
                    if now_ns >= entry.at_ns + HOUR // 4:
                        return False
                case Kind.GRANT_NARROWED:
                    assert held is not None
                    held |= facts
                case Kind.GRANT_REFUSED | Kind.GRANT_REVOKED | Kind.GRANT_EXPIRED:
                    return False
        return (
            held is not None
            and held["person"] == person
            and camera in held["cameras"]
            and held["from"] <= moment(window[0])
            and moment(window[1]) <= held["to"]
            and moment(now_ns) < held["until"]
        )

    def _about(self, kind: Kind, role: str, person: PersonId, **facts: str) -> list[Entry]:
        return [
            one
            for one in self.entries
            if one.draft.kind is kind
            and role in one.draft.parts
            and one.draft.parts[role].person == person
            and all(one.draft.facts.get(name) == value for name, value in facts.items())
        ]


def _is_in_hours(schedule: Schedule, at_ns: int) -> bool:
    """Read from the text by hand, in UTC."""
    seconds = at_ns // SECOND
    day, minute = (seconds // 86_400 + 3) % 7, seconds % 86_400 // 60
    match schedule.text:
        case "":
            return True
        case "mon-fri 08:00-16:00":
            return day < 5 and 480 <= minute < 960
        case "mon-sun 22:00-06:00":
            return minute >= 1320 or minute < 360
    raise AssertionError(schedule.text)


class AccessMachine(RuleBasedStateMachine):
    """A city in which anybody tries anything."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.state, self.now_ns, self.oracle, self.count = State(), START, Oracle(), 0

    def does(self, name: str, make: Any) -> Change | None:
        """Does it if it may be done; it is written down before it holds."""
        self.seen["steps"] += 1
        try:
            change: Change = make()
        except NotAllowedError:
            self.seen[f"{name}: not allowed"] += 1
            return None
        except AccessError:
            self.seen[f"{name}: cannot be"] += 1
            return None
        self.oracle.entries += [Entry(self.now_ns, draft) for draft in change.drafts]
        self.state = self.state.put(change.rows)
        self.seen[name] += 1
        return change

    def new(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count:031d}"[-32:]

    def anybody(self, at: int) -> PersonId:
        known = [*self.state.people]
        return known[at % len(known)]

    def who(self, at: int, *able: Role) -> tuple[Who, Where]:
        """Any session or token that ever was, those that have ended, too; half of the time of somebody who is able."""
        if able and at % 2:
            sessions_of_able = [
                one
                for one in self.state.sessions.values()
                if one.ended_ns is None and self.state.roles_of(one.person) & {*able}
            ]
            if sessions_of_able:
                chosen = sessions_of_able[-1 - at // 2 % len(sessions_of_able)]
                return _bearer(chosen), _place(chosen)
        bearers: list[Session | Token] = [*self.state.sessions.values(), *self.state.tokens.values()]
        if not bearers:
            return Who(self.anybody(at), session=SessionId("none")), Where("none", "none")
        found = bearers[at % len(bearers)]
        if isinstance(found, Session):
            return Who(found.person, session=found.id), Where(found.id, found.device)
        return Who(found.person, token=found.id), Where()

    # Who there is

    @initialize()
    def begins(self) -> None:
        """Two administrators, signed in, and a group."""
        for _ in range(2):
            newcomer = self.newcomer()
            self.does("found", lambda one=newcomer: people.found(self.state, one, self.now_ns))
            self.does("come", lambda one=newcomer: people.activate(self.state, one.id))
            self.signs_in(len(self.state.people) - 1, 9 + len(self.state.people))
        self.does_together(roles.Wanted(ChangeKind.GROUP, group="north", cameras=frozenset(CAMERAS[:2])))
        given = (
            (Role.INVESTIGATOR, "", ALWAYS),
            (Role.APPROVER, "", ALWAYS),
            (Role.OPERATOR, "north", ALWAYS),
            (Role.OPERATOR, "", SCHEDULES[1]),
        )
        for role, group, schedule in given:
            self.invites(1)
            person = self.anybody(len(self.state.people) - 1)
            self.does_together(roles.Wanted(ChangeKind.GIVE, person, role, group, schedule))
            self.signs_in(len(self.state.people) - 1, len(self.state.people))
        self.opens_case(1)
        investigator, approver = [*self.state.sessions.values()][2:4]
        wanted = self.wanted(frozenset(CAMERAS[:3]), 0, next(iter(self.state.cases)), 2)
        asked_by, asked_at = _bearer(investigator), _place(investigator)
        for _ in range(3):
            self.does("ask for grant", lambda: cases.ask(self.state, asked_by, asked_at, wanted, self.now_ns))
        approved_by, approved_at = _bearer(approver), _place(approver)
        self.does("approve", lambda: cases.approve(self.state, approved_by, approved_at, 1, self.now_ns))

    def newcomer(self) -> people.Newcomer:
        person = self.new("a")
        return people.Newcomer(PersonId(person), person, person, f"hash of {person}", b"sealed")

    def does_together(self, wanted: roles.Wanted) -> None:
        """The first two administrators agree, if they can."""
        first, second = [*self.state.sessions.values()][:2]
        self.does("ask", lambda: roles.ask(self.state, _bearer(first), _place(first), wanted, self.now_ns))
        self.oracle.asked[max(self.state.changes)] = wanted
        self.approves_change(_bearer(second), _place(second), max(self.state.changes))

    @rule()
    def founds(self) -> None:
        newcomer = self.newcomer()
        self.does("found", lambda: people.found(self.state, newcomer, self.now_ns))

    @rule(at=index)
    def invites(self, at: int) -> None:
        newcomer = self.newcomer()
        if self.does(
            "invite", lambda: people.invite(self.state, self.who(at, Role.ADMINISTRATOR)[0], newcomer, self.now_ns)
        ):
            self.does("come", lambda: people.activate(self.state, newcomer.id))

    @rule(at=index, person=index)
    def leaves(self, at: int, person: int) -> None:
        self.does(
            "leave",
            lambda: people.leave(self.state, self.who(at, Role.ADMINISTRATOR)[0], self.anybody(person), self.now_ns),
        )

    @rule(at=index, person=index)
    def is_erased(self, at: int, person: int) -> None:
        who, where = self.who(at, Role.ADMINISTRATOR)
        wanted = roles.Wanted(ChangeKind.ERASE, self.anybody(person))
        self.does("erase", lambda: roles.ask(self.state, who, where, wanted, self.now_ns))

    @rule(person=index, device=st.integers(0, 5))
    def signs_in(self, person: int, device: int) -> None:
        session = Session(SessionId(self.new("b")), self.anybody(person), f"device {device}", self.now_ns, self.now_ns)
        self.does("sign in", lambda: self.begun(session))

    def begun(self, session: Session) -> Change:
        return sessions.begin(self.state, session, "password and code")

    @rule(at=index, session=index)
    def signs_out(self, at: int, session: int) -> None:
        if self.state.sessions:
            name = [*self.state.sessions][session % len(self.state.sessions)]
            self.does("sign out", lambda: sessions.end(self.state, self.who(at)[0], name, self.now_ns))

    @rule(at=index)
    def is_seen(self, at: int) -> None:
        self.sees(self.who(at)[0])

    def sees(self, who: Who) -> None:
        """They ask for something, if they may."""
        found = self.state.sessions.get(who.session) if who.session else None
        if found is not None and decide(self.state, Ask(who, Action.ACCOUNT, self.now_ns)).is_allowed:
            self.state = self.state.put([replace(found, seen_ns=self.now_ns)])

    @rule(at=index, actions=st.sets(st.sampled_from([*VIEWS, Action.CLEAR, Action.ROLE_ASK]), max_size=3),
          only=st.sets(st.sampled_from(CAMERAS), max_size=1), hours=st.integers(-1, 50))  # fmt: skip
    def makes_token(self, at: int, actions: set[Action], only: set[CameraId], hours: int) -> None:
        who, _ = self.who(at)
        token = Token(
            TokenId(self.new("c")), who.person, "script", frozenset(one.value for one in actions), frozenset(only),
            self.now_ns, self.now_ns + hours * HOUR,
        )  # fmt: skip
        self.does("token", lambda: sessions.make_token(self.state, who, token, self.now_ns))

    @precondition(lambda self: self.state.tokens)
    @rule(at=index, token=index)
    def takes_token_back(self, at: int, token: int) -> None:
        name = [*self.state.tokens][token % len(self.state.tokens)]
        self.does("end token", lambda: sessions.end_token(self.state, self.who(at)[0], name, self.now_ns))

    @rule(at=index, times=st.sampled_from([1, 5, 28, 29, 30]))
    def works_on(self, at: int, times: int) -> None:
        who, _ = self.who(at, *VIEWERS)
        for _ in range(times):
            self.now_ns += 25 * 60 * SECOND
            self.sees(who)
        self.look(who, CAMERAS[0], Action.LIVE, 0)

    # What they may

    @rule(at=index, wanted=st.builds(
        roles.Wanted, st.just(ChangeKind.GROUP), group=st.sampled_from(GROUPS), cameras=some_cameras))  # fmt: skip
    def asks_for_group(self, at: int, wanted: roles.Wanted) -> None:
        self.asks_for_change(at, wanted)

    @rule(at=index, person=index, role=st.sampled_from(Role), group=st.sampled_from(GROUPS),
          schedule=st.sampled_from(SCHEDULES))  # fmt: skip
    def asks_to_give(self, at: int, person: int, role: Role, group: str, schedule: Schedule) -> None:
        self.asks_for_change(at, roles.Wanted(ChangeKind.GIVE, self.anybody(person), role, group, schedule))

    @rule(at=index, right=st.integers(0, 12))
    def asks_to_take(self, at: int, right: int) -> None:
        self.asks_for_change(at, roles.Wanted(ChangeKind.TAKE, right=right))

    def asks_for_change(self, at: int, wanted: roles.Wanted) -> None:
        who, where = self.who(at, Role.ADMINISTRATOR)
        change = self.does(f"ask to {wanted.kind}", lambda: roles.ask(self.state, who, where, wanted, self.now_ns))
        if change is not None:
            self.oracle.asked[max(self.state.changes)] = wanted

    @precondition(lambda self: self.state.changes)
    @rule(at=index, number=st.integers(0, 3), is_yes=st.booleans())
    def decides_change(self, at: int, number: int, *, is_yes: bool) -> None:
        who, where = self.who(at, Role.ADMINISTRATOR)
        which = max(self.state.changes) - number
        if is_yes:
            self.approves_change(who, where, which)
        else:
            self.does("refuse change", lambda: roles.refuse(self.state, who, which, self.now_ns))

    def approves_change(self, who: Who, where: Where, which: int) -> None:
        before = set(self.state.rights)
        done = self.does("do change", lambda: roles.approve(self.state, who, where, which, self.now_ns))
        if done is not None:
            assert self.state.changes[which].asked_by != who.person
            for right in set(self.state.rights) - before:
                self.oracle.right_of[right] = which

    # Cases and grants

    @rule(at=index)
    def opens_case(self, at: int) -> None:
        who, _ = self.who(at, Role.INVESTIGATOR)
        case = Case(f"{self.count}/26", "crime", "CPC 1", who.person, self.now_ns)
        self.count += 1
        self.does("open case", lambda: cases.open_case(self.state, who, case, cases.PURPOSES, self.now_ns))

    @precondition(lambda self: self.state.cases)
    @rule(at=index, case=index)
    def closes_case(self, at: int, case: int) -> None:
        number = [*self.state.cases][case % len(self.state.cases)]
        self.does(
            "close case", lambda: cases.close_case(self.state, self.who(at, Role.INVESTIGATOR)[0], number, self.now_ns)
        )

    @rule(at=index, case=index, cameras=some_cameras, back=st.integers(0, 4), hours=st.integers(0, 25))
    def asks_for_grant(self, at: int, case: int, cameras: frozenset[CameraId], back: int, hours: int) -> None:
        who, where = self.who(at, Role.INVESTIGATOR)
        number = [*self.state.cases, ""][case % (len(self.state.cases) + 1)]
        wanted = self.wanted(cameras, back, number, hours)
        self.does("ask for grant", lambda: cases.ask(self.state, who, where, wanted, self.now_ns))

    @rule(at=index, cameras=some_cameras, back=st.integers(0, 4))
    def breaks_glass(self, at: int, cameras: frozenset[CameraId], back: int) -> None:
        who, where = self.who(at, *VIEWERS)
        wanted = self.wanted(cameras, back, "", 1)
        self.does("break glass", lambda: cases.break_glass(self.state, who, where, wanted, self.now_ns))

    def wanted(self, cameras: frozenset[CameraId], back: int, case: str, hours: int) -> cases.Wanted:
        window = self.now_ns - (back + 1) * HOUR, self.now_ns - back * HOUR
        return cases.Wanted(cameras, window, "a reason", b"sealed", case, hours * HOUR)

    @precondition(lambda self: self.state.grants)
    @rule(at=index, number=st.integers(0, 3), is_there=st.booleans())
    def approves(self, at: int, number: int, *, is_there: bool) -> None:
        who, where = self.who(at, Role.APPROVER)
        which = max(self.state.grants) - number
        if is_there and which in self.state.grants:  # at the very device where it was asked for
            where = replace(where, device=self.state.grants[which].asked_from.device)
        if self.does("approve", lambda: cases.approve(self.state, who, where, which, self.now_ns)):
            grant = self.state.grants[which]
            assert grant.person != who.person
            assert grant.asked_from.session != where.session
            assert grant.asked_from.device != where.device

    @precondition(lambda self: self.state.grants)
    @rule(at=index, number=st.integers(0, 3), how=st.sampled_from(["refuse", "revoke", "narrow"]), cameras=some_cameras,
          cut=st.integers(-20, 60))  # fmt: skip
    def ends_or_narrows(self, at: int, number: int, how: str, cameras: frozenset[CameraId], cut: int) -> None:
        who, _ = self.who(at, Role.APPROVER)
        which = max(self.state.grants) - number
        before = self.state.grants.get(which)
        left = cases.Narrower(cameras)
        if before is not None and before.expires_ns is not None:
            window = before.window[0] + cut * SECOND, before.window[1]
            left = cases.Narrower(cameras, window, before.expires_ns - cut * SECOND)
        ways = {
            "refuse": lambda: cases.refuse(self.state, who, which, self.now_ns),
            "revoke": lambda: cases.revoke(self.state, who, which, self.now_ns),
            "narrow": lambda: cases.narrow(self.state, who, which, left, self.now_ns),
        }
        self.does(how, ways[how])

    @rule()
    def runs_out(self) -> None:
        self.does("expire", lambda: cases.expired(self.state, self.now_ns))

    @rule(
        seconds=st.sampled_from([1, 1, 1, 60, 60, 600, 899, 900, 1799, 1800, 4 * 3600, 8 * 3600, 25 * 3600, 8 * 86_400])
    )
    def time_passes(self, seconds: int) -> None:
        self.now_ns += seconds * SECOND

    # Looking

    @rule(at=index, camera=st.sampled_from(CAMERAS), action=st.sampled_from(VIEWS), back=st.integers(0, 30))
    def looks(self, at: int, camera: CameraId, action: Action, back: int) -> None:
        self.look(self.who(at, *VIEWERS)[0], camera, action, back)

    def look(self, who: Who, camera: CameraId, action: Action, back: int) -> None:
        window = self.now_ns - back * HOUR, self.now_ns - back * HOUR + SECOND
        answer = decide(self.state, Ask(who, action, self.now_ns, camera, window))
        self.seen["steps"] += 1
        self.seen[f"look: {'yes' if answer.is_allowed else 'no'}"] += 1
        if answer.is_allowed:
            assert not answer.is_clear
            assert self.oracle.is_here(who.person)
            assert self.oracle.may_see(who.person, camera, (self.now_ns, window[0]))
            assert who.session is None or self.oracle.has_signed_in(who.person, self.now_ns)
            assert answer.until_ns is None or answer.until_ns > self.now_ns

    @precondition(lambda self: self.state.grants)
    @rule(at=index, camera=st.sampled_from(CAMERAS), number=st.integers(0, 3), back=st.integers(0, 61))
    def looks_clear(self, at: int, camera: CameraId, number: int, back: int) -> None:
        who, _ = self.who(at)
        which = max(self.state.grants) - number
        grant = self.state.grants.get(which)
        if grant is not None and at % 4:  # half of them by who has it, so that many are allowed
            own = [one for one in self.state.sessions.values() if one.person == grant.person]
            who = Who(grant.person, session=own[-1].id) if own else who
        start_ns = (grant.window[0] if grant else self.now_ns) + back * 60 * SECOND - 30 * SECOND
        window = start_ns, start_ns + SECOND
        answer = decide(self.state, Ask(who, Action.CLEAR, self.now_ns, camera, window, which))
        self.seen["steps"] += 1
        self.seen[f"clear look: {'yes' if answer.is_allowed else 'no'}"] += 1
        if answer.is_allowed:
            assert answer.is_clear
            assert who.session is not None
            assert self.oracle.is_here(who.person)
            assert self.oracle.has_signed_in(who.person, self.now_ns)
            assert self.oracle.may_see(who.person, camera, ())
            assert self.oracle.may_see_clear(who.person, camera, window, which, self.now_ns)

    @invariant()
    def two_administrators_stay(self) -> None:
        assert len(self.state.active_with(Role.ADMINISTRATOR)) >= 2 or not self.state.people

    @invariant()
    def who_sees_video_has_no_other_role(self) -> None:
        for person in self.state.people:
            found = self.state.roles_of(person)
            assert len(found) < 2 or found <= VIEWERS

    @invariant()
    def every_grant_was_approved_by_another(self) -> None:
        for grant in self.state.grants.values():
            if grant.state is GrantState.APPROVED:
                assert grant.is_break_glass or grant.decided_by not in {None, grant.person}

    @invariant()
    def nothing_is_left_of_who_left(self) -> None:
        for person in self.state.people.values():
            if person.state in {PersonState.LEFT, PersonState.ERASED}:
                assert not [*self.state.rights_of(person.id)]
                assert not [*self.state.grants_of(person.id)]


def _bearer(session: Session) -> Who:
    return Who(session.person, session=session.id)


def _place(session: Session) -> Where:
    return Where(session.id, session.device)


def walk(steps: int, *, is_new: bool = False, shrinks: bool = True) -> Counter[str]:
    """Walks about so many steps, the same ones unless it `is_new`, and returns what happened in them."""
    AccessMachine.seen = Counter()
    each = 60
    run_state_machine_as_test(
        AccessMachine,
        settings=settings(
            max_examples=max(1, steps // each),
            stateful_step_count=each,
            deadline=None,
            database=None,
            derandomize=not is_new,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        ),
    )
    return AccessMachine.seen


def main() -> None:
    options = argparse.ArgumentParser(prog="tests.access.machine")
    options.add_argument("--steps", type=int, default=1_000_000)
    for name, count in sorted(walk(options.parse_args().steps, is_new=True).items()):
        sys.stdout.write(f"{count:9d}  {name}\n")


if __name__ == "__main__":
    main()

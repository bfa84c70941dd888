"""Nobody becomes two, and one alone does no more than is said: found by somebody who tried."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from civicam.access import cases, people, roles, sessions
from civicam.access.cases import BREAK_GLASS_NS, REST_NS, REVOKED_REST_NS
from civicam.access.decide import Who
from civicam.access.models import ChangeKind, ChangeState, Role, Token, TokenId
from civicam.access.people import ERASED_AFTER_NS
from civicam.access.sign_in import limits
from civicam.access.sign_in.codes import Codes
from civicam.access.sign_in.door import TOKEN_PREFIX, CodeNeededError, Coming, From, digest
from civicam.access.sign_in.limits import Waiting, network_of
from civicam.core.errors import AccessError, NotAllowedError, SignInError, TooSoonError
from civicam.core.ids import CameraId
from civicam.ledger.encoding import decode
from tests.access.house import AT_HOME, PASSWORD, PeopleHouse, Somebody
from tests.fakes.clock import ManualClock
from tests.web.served import KnownLedger

SECOND = 1_000_000_000
CAMERA = CameraId("gate-1")
HERE = From(AT_HOME)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PeopleHouse]:
    ledger = KnownLedger(tmp_path / "ledger")
    made = asyncio.run(PeopleHouse.build(tmp_path / "access.sqlite", ledger, ManualClock()).begin())
    yield made
    asyncio.run(made.office.close())


def later(house: PeopleHouse, nanoseconds: int) -> None:
    assert isinstance(house.clock, ManualClock)
    house.clock.advance_ns(nanoseconds)


def entries(house: PeopleHouse) -> list[dict[str, object]]:
    assert isinstance(house.office._ledger, KnownLedger)
    log = house.office._ledger.log
    reader = log.reader()
    return [decode(reader.entry(index)) for index in range(reader.size)]


async def invited(house: PeopleHouse) -> tuple[Somebody, Somebody, Somebody, str]:
    """Both administrators, somebody who is invited by the first, and what the first has."""
    first, second = [await house.opens(one) for one in house.administrators]
    newcomer = await house.office.newcomer("carla", "Carla")
    await house.office.carry_out(lambda state, at_ns: people.invite(state, first.who, newcomer, at_ns))
    return first, second, Somebody(newcomer.id, "carla"), await house.door.invitation(newcomer.id, first.who)


async def test_an_invitation_opens_with_a_code_that_who_has_it_is_not_told(house: PeopleHouse) -> None:
    first, second, carla, invitation = await invited(house)
    with pytest.raises(CodeNeededError):
        await house.door.welcome(invitation, "", HERE)
    with pytest.raises(NotAllowedError, match="not told"):
        await house.door.invitation_code(carla.id, first.who)
    with pytest.raises(SignInError, match="code is wrong"):
        await house.door.welcome(invitation, "aaaa-aaaa", HERE)
    code = await house.door.invitation_code(carla.id, second.who)
    welcome = await house.door.welcome(invitation, code.upper().replace("-", " "), HERE)
    assert welcome.login == "carla"
    coming = Coming(invitation, "aaaa-aaaa", PASSWORD, Codes(base64.b32decode(welcome.secret)).code(0))
    with pytest.raises(SignInError, match="code is wrong"):
        await house.door.come(coming, HERE)
    assert [one["what"] for one in entries(house)[-3:]] == ["invited", "invitation made", "invitation code told"]


async def test_whoever_inviter_and_teller_are_they_are_at_two_browsers(house: PeopleHouse) -> None:
    first, second, carla, _ = await invited(house)
    second.device = first.device
    second = await house.opens(second)
    with pytest.raises(NotAllowedError, match="one device"):
        await house.door.invitation_code(carla.id, second.who)


async def test_an_invitation_code_is_not_guessed(house: PeopleHouse) -> None:
    _, _, _, invitation = await invited(house)
    for number in range(5):
        with pytest.raises(SignInError, match="code is wrong"):
            await house.door.welcome(invitation, f"code{number}", From(f"10.0.0.{number}"))
    with pytest.raises(TooSoonError):
        await house.door.welcome(invitation, "code", From("10.0.0.99"))


async def test_whoever_opened_an_invitation_before_knows_nothing_of_its_authenticator(house: PeopleHouse) -> None:
    _, second, carla, invitation = await invited(house)
    code = await house.door.invitation_code(carla.id, second.who)
    peeked = base64.b32decode((await house.door.welcome(invitation, code, HERE)).secret)
    shown = base64.b32decode((await house.door.welcome(invitation, code, HERE)).secret)
    assert peeked != shown
    now_ns = house.clock.wall_ns()
    with pytest.raises(SignInError, match="wrong"):
        await house.door.come(Coming(invitation, code, PASSWORD, Codes(peeked).code(now_ns)), HERE)
    await house.door.come(Coming(invitation, code, PASSWORD, Codes(shown).code(now_ns)), HERE)
    with pytest.raises(SignInError, match="no such invitation"):
        await house.door.welcome(invitation, code, HERE)
    with pytest.raises(AccessError, match="has come already"):
        await house.door.invitation(carla.id, second.who)


async def test_who_has_not_come_gets_no_right_and_is_no_administrator(house: PeopleHouse) -> None:
    first, second, carla, _ = await invited(house)
    wanted = roles.Wanted(ChangeKind.GIVE, carla.id, Role.ADMINISTRATOR)
    with pytest.raises(AccessError, match="have them come in first"):
        await house.office.carry_out(lambda state, at_ns: roles.ask(state, first.who, first.where, wanted, at_ns))
    with pytest.raises(NotAllowedError, match="two administrators"):
        await house.office.carry_out(lambda state, at_ns: people.leave(state, first.who, second.id, at_ns))


async def test_who_leaves_takes_what_they_asked_for_with_them(house: PeopleHouse) -> None:
    third = await house.person("third", Role.ADMINISTRATOR)
    operator = await house.person("operator")
    third = await house.opens(third)
    wanted = roles.Wanted(ChangeKind.GIVE, operator.id, Role.OPERATOR)
    await house.office.carry_out(lambda state, at_ns: roles.ask(state, third.who, third.where, wanted, at_ns))
    first = await house.opens(house.administrators[0])
    await house.office.carry_out(lambda state, at_ns: people.leave(state, first.who, third.id, at_ns))
    assert max(house.office.state.changes.items())[1].state is ChangeState.REFUSED


async def test_two_forget_somebody_and_not_at_once(house: PeopleHouse) -> None:
    somebody = await house.person("dilshod", Role.OPERATOR)
    somebody = await house.opens(somebody)
    now_ns = house.clock.wall_ns()
    token = Token(
        TokenId("t"), somebody.id, "Dilshod's laptop", frozenset({"still"}), frozenset(), now_ns, now_ns + SECOND
    )
    await house.office.carry_out(lambda state, at_ns: sessions.make_token(state, somebody.who, token, at_ns))
    first = await house.opens(house.administrators[0])
    await house.office.carry_out(lambda state, at_ns: people.leave(state, first.who, somebody.id, at_ns))
    with pytest.raises(AccessError, match="30 days"):
        await house.agree(roles.Wanted(ChangeKind.ERASE, somebody.id))
    later(house, ERASED_AFTER_NS)
    await house.agree(roles.Wanted(ChangeKind.ERASE, somebody.id))
    assert house.office.state.tokens[TokenId("t")].name == ""
    told = entries(house)[-1]
    assert told["kind"] == "person-erased"
    assert isinstance(told["parts"], dict)
    assert sorted(told["parts"]) == ["asked-by", "decided-by"]


def broken(house: PeopleHouse, who: Who, *cameras: CameraId) -> cases.Wanted:
    now_ns = house.clock.wall_ns()
    return cases.Wanted(frozenset(cameras or [CAMERA]), (now_ns - SECOND, now_ns), f"why {who.person}", b"sealed")


async def breaks(house: PeopleHouse, by: Somebody, *cameras: CameraId) -> None:
    wanted = broken(house, by.who, *cameras)
    await house.office.carry_out(lambda state, at_ns: cases.break_glass(state, by.who, by.where, wanted, at_ns))


async def test_the_glass_is_broken_for_a_quarter_of_an_hour_and_not_all_day(house: PeopleHouse) -> None:
    somebody = await house.opens(await house.person("dilshod", Role.OPERATOR))
    await breaks(house, somebody)
    for wait_ns in (0, BREAK_GLASS_NS, REST_NS - SECOND):
        later(house, wait_ns)
        somebody = await house.opens(somebody)
        with pytest.raises(NotAllowedError, match="just now"):
            await breaks(house, somebody)
    later(house, SECOND)
    await breaks(house, await house.opens(somebody))


async def test_who_was_stopped_does_not_go_on_with_another_glass(house: PeopleHouse) -> None:
    somebody = await house.opens(await house.person("dilshod", Role.OPERATOR))
    approver = await house.opens(await house.person("malika", Role.APPROVER))
    await breaks(house, somebody)
    await house.office.carry_out(lambda state, at_ns: cases.revoke(state, approver.who, 1, at_ns))
    later(house, REVOKED_REST_NS - SECOND)
    with pytest.raises(NotAllowedError, match="just now"):
        await breaks(house, await house.opens(somebody))
    later(house, SECOND)
    await breaks(house, await house.opens(somebody))


@pytest.mark.parametrize("group", ["north", "south"])
async def test_an_approver_of_any_of_a_grant_s_cameras_ends_it(house: PeopleHouse, group: str) -> None:
    await house.group("north", CAMERA)
    await house.group("south", CameraId("gate-2"))
    somebody = await house.person("dilshod", Role.OPERATOR, "north")
    await house.agree(roles.Wanted(ChangeKind.GIVE, somebody.id, Role.OPERATOR, "south"))
    approver = await house.opens(await house.person("malika", Role.APPROVER, group))
    await breaks(house, await house.opens(somebody), CAMERA, CameraId("gate-2"))
    await house.office.carry_out(lambda state, at_ns: cases.revoke(state, approver.who, 1, at_ns))
    with pytest.raises(AccessError, match="no grant 1 holds"):
        await house.office.carry_out(lambda state, at_ns: cases.revoke(state, approver.who, 1, at_ns))


async def test_an_approver_of_other_cameras_does_not_end_a_grant(house: PeopleHouse) -> None:
    await house.group("south", CameraId("gate-2"))
    approver = await house.opens(await house.person("malika", Role.APPROVER, "south"))
    await breaks(house, await house.opens(await house.person("dilshod", Role.OPERATOR)))
    with pytest.raises(NotAllowedError):
        await house.office.carry_out(lambda state, at_ns: cases.revoke(state, approver.who, 1, at_ns))


async def test_the_public_cannot_tell_which_logins_there_are(house: PeopleHouse) -> None:
    for login in ("zarina", "nobody"):
        with pytest.raises(SignInError):
            await house.door.sign_in(login, "wrong", "000000", HERE)
    known, unknown = entries(house)[-2:]
    assert known.keys() == unknown.keys()
    assert isinstance(known["parts"], dict)
    assert isinstance(unknown["parts"], dict)
    assert known["parts"].keys() == unknown["parts"].keys() == {"person"}


async def test_another_cookie_is_no_other_browser(house: PeopleHouse) -> None:
    first = await house.opens(house.administrators[0])
    assert house.door.where_of(first.who) == first.where
    assert house.door.where_of(Who(first.id, session=first.who.session)).device == digest(first.device)


@pytest.mark.parametrize("end", ["taken back", "left", "expired"])
async def test_a_token_that_has_ended_tells_nothing(house: PeopleHouse, end: str) -> None:
    somebody = await house.opens(await house.person("dilshod", Role.OPERATOR))
    secret = await house.door.make_token(somebody.who, "wall", frozenset({"still"}), frozenset(), days=1)
    assert secret.startswith(TOKEN_PREFIX)
    found = house.door.who_has_token(secret)
    assert found is not None
    assert found.token is not None
    token = found.token
    if end == "taken back":
        await house.office.carry_out(lambda state, at_ns: sessions.end_token(state, somebody.who, token, at_ns))
    elif end == "left":
        first = await house.opens(house.administrators[0])
        await house.office.carry_out(lambda state, at_ns: people.leave(state, first.who, somebody.id, at_ns))
    else:
        later(house, 24 * 3600 * SECOND)
    assert house.door.who_has_token(secret) is None


async def test_a_ledger_that_was_down_for_a_moment_does_not_stop_the_office(house: PeopleHouse) -> None:
    ledger = house.office._ledger
    assert isinstance(ledger, KnownLedger)
    await breaks(house, await house.opens(await house.person("dilshod", Role.OPERATOR)))
    keeping = asyncio.create_task(house.office.keep())
    ledger.fails = True
    later(house, BREAK_GLASS_NS)
    for is_down in (True, False):
        ledger.fails = is_down
        while bool(house.office.trouble) != is_down:
            await asyncio.sleep(0)
            later(house, SECOND)
    assert house.office.state.grants[1].state == "expired"
    keeping.cancel()


def test_who_begins_too_much_loses_their_own_first() -> None:
    clock = ManualClock()
    begun: Waiting[int] = Waiting(clock, 10 * SECOND)
    begun.put("them", "first", 0)
    for number in range(100):
        begun.put("stranger", f"s{number}", number)
    assert begun.take("first") == 0
    assert begun.take("first") is None
    assert begun.take("s0") is None
    assert begun.take("s99") == 99
    begun.put("them", "late", 1)
    clock.advance(10)
    assert begun.take("late") is None


def test_all_that_is_begun_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_KEPT", 5)
    begun: Waiting[int] = Waiting(ManualClock(), SECOND)
    for number in range(9):
        begun.put(f"by {number}", f"{number}", number)
    assert [begun.take(f"{number}") is not None for number in range(9)] == [False] * 4 + [True] * 5


@pytest.mark.parametrize(
    ("peer", "network"),
    [("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2::1", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64"), ("x", "x")],
)
def test_a_subscriber_s_addresses_are_one_place(peer: str, network: str) -> None:
    assert network_of(peer) == network

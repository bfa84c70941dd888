"""One person of each role for the demo, who came as people come; what they sign in with lies in the demo's folder."""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from civicam.access import cases, people, roles
from civicam.access.change import Change
from civicam.access.decide import HOUR_NS, MINUTE_NS, Who
from civicam.access.models import Case, ChangeKind, Role, SessionId, Where
from civicam.access.office import Office
from civicam.access.sign_in.codes import Codes
from civicam.access.sign_in.door import Coming, Door, From, Opened, digest
from civicam.access.state import State
from civicam.core.clock import Clock
from civicam.core.ids import CameraId
from civicam.ledger.entry import PersonId

if TYPE_CHECKING:
    from civicam.app import City

PASSWORD: Final = "a demo for everybody to see"  # noqa: S105 - printed on the terminal, for a simulated city
_HERE: Final = "127.0.0.1"
_PEOPLE: Final = (
    ("zarina", "Zarina", Role.ADMINISTRATOR),
    ("rustam", "Rustam", Role.ADMINISTRATOR),
    ("operator", "Dilshod", Role.OPERATOR),
    ("investigator", "Firuza", Role.INVESTIGATOR),
    ("approver", "Malika", Role.APPROVER),
    ("auditor", "Shirin", Role.AUDITOR),
    ("engineer", "Behruz", Role.ENGINEER),
)
_CASE: Final = "114/26"


class DemoPerson(NamedTuple):
    """Somebody of the demo.

    Attributes:
        login: what they sign in with, beside the demo's password.
        role: what they are.
        secret: of their authenticator, in base 32.
    """

    login: str
    role: str
    secret: str

    def code(self, at_ns: int) -> str:
        """What their authenticator shows."""
        return Codes(base64.b32decode(self.secret)).code(at_ns)


def prepare(city: "City", file: Path, clock: Clock, camera: CameraId) -> list[DemoPerson]:
    """The demo's people, made if they are not there, and a case that waits for an approval.

    Args:
        city: the demo's city.
        file: where what they sign in with is kept.
        clock: the time.
        camera: which one the case is about.

    Raises:
        CivicamError: they cannot be made.
    """
    if file.exists():
        return [DemoPerson(*row) for row in json.loads(file.read_text("utf-8"))]
    made = asyncio.run(_make(city, clock, camera))
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(made, out)
    return made


async def _make(city: "City", clock: Clock, camera: CameraId) -> list[DemoPerson]:
    from civicam.app import open_office  # noqa: PLC0415 - the command line is quick without it

    async with open_office(city, clock) as office:
        maker = _Maker(office, Door(office, city.settings.city.name), clock)
        made = [await maker.comes(login, name, role) for login, name, role in _PEOPLE]
        await maker.begin_case(camera)
        return made


class _Maker:
    """Does what the people themselves would."""

    def __init__(self, office: Office, door: Door, clock: Clock) -> None:
        self._office, self._door, self._clock = office, door, clock
        self._ids: dict[Role, list[PersonId]] = {}

    async def comes(self, login: str, name: str, role: Role) -> DemoPerson:
        newcomer = await self._office.newcomer(login, name)
        if role is Role.ADMINISTRATOR:
            await self._office.carry_out(lambda state, at_ns: people.found(state, newcomer, at_ns))
        else:
            who, _ = await self._signed_in(Role.ADMINISTRATOR)
            await self._office.carry_out(lambda state, at_ns: people.invite(state, who, newcomer, at_ns))
        invitation, where = await self._door.invitation(newcomer.id), From(_HERE)
        secret = (await self._door.welcome(invitation, "", where)).secret
        code = Codes(base64.b32decode(secret)).code(self._clock.wall_ns() - 30_000_000_000)
        await self._door.come(Coming(invitation, "", PASSWORD, code), where)
        self._ids.setdefault(role, []).append(newcomer.id)
        if role is not Role.ADMINISTRATOR:
            await self._give(newcomer.id, role)
        return DemoPerson(login, role.value, secret)

    async def begin_case(self, camera: CameraId) -> None:
        who, where = await self._signed_in(Role.INVESTIGATOR)
        reason = "a collision at the crossing"
        sealed = await self._office.in_thread(lambda: self._office.keys.seal(who.person, reason.encode(), "reason"))

        def open_case(state: State, at_ns: int) -> Change:
            case = Case(_CASE, "accident", "Code of criminal procedure, 12", who.person, at_ns)
            return cases.open_case(state, who, case, cases.PURPOSES, at_ns)

        def ask(state: State, at_ns: int) -> Change:
            window = at_ns, at_ns + 10 * MINUTE_NS
            wanted = cases.Wanted(frozenset({camera}), window, reason, sealed, _CASE, 2 * HOUR_NS)
            return cases.ask(state, who, where, wanted, at_ns)

        await self._office.carry_out(open_case)
        await self._office.carry_out(ask)

    async def _give(self, person: PersonId, role: Role) -> None:
        first, first_where = await self._signed_in(Role.ADMINISTRATOR)
        second, second_where = await self._signed_in(Role.ADMINISTRATOR, 1)
        wanted = roles.Wanted(ChangeKind.GIVE, person, role)
        await self._office.carry_out(lambda state, at_ns: roles.ask(state, first, first_where, wanted, at_ns))
        number = max(self._office.state.changes)
        await self._office.carry_out(lambda state, at_ns: roles.approve(state, second, second_where, number, at_ns))

    async def _signed_in(self, role: Role, which: int = 0) -> tuple[Who, Where]:
        person = self._ids[role][which]
        opened: Opened = await self._door.open(person, "set up of the demo", From(_HERE))
        return Who(person, session=SessionId(digest(opened.secret))), Where(
            digest(opened.secret), digest(opened.device)
        )

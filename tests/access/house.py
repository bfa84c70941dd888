"""People of every role, who came as people come: invited, with a password and an authenticator of their own."""

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from civicam.access import people, roles
from civicam.access.decide import Who
from civicam.access.models import ChangeKind, Role, SessionId, Where
from civicam.access.office import Ledger, Office
from civicam.access.schedule import ALWAYS, Schedule
from civicam.access.sign_in.codes import Codes
from civicam.access.sign_in.door import Coming, Door, From, Opened, digest
from civicam.access.store import AccessStore
from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.core.clock import Clock
from civicam.core.ids import CameraId
from civicam.ledger.entry import PersonId
from civicam.ledger.log import Log
from civicam.ledger.people_keys import PeopleKeys

PASSWORD = "seven quiet herons over the weir"
AT_HOME = "127.0.0.1"


class KeepsLog(Ledger, Protocol):
    """A ledger in this process."""

    log: Log


@dataclass
class Somebody:
    """Somebody who can sign in.

    Attributes:
        id: their random name.
        login: what they sign in with.
        secret: of their authenticator.
        session: the secret of their session.
        device: the secret name of their browser.
    """

    id: PersonId
    login: str
    secret: bytes = b""
    session: str = ""
    device: str = ""

    @property
    def who(self) -> Who:
        return Who(self.id, session=SessionId(digest(self.session)))

    @property
    def where(self) -> Where:
        return Where(digest(self.session), digest(self.device))

    @property
    def cookies(self) -> dict[str, str]:
        return {"Cookie": f"civicam-session={self.session}; civicam-device={self.device}"}


@dataclass
class PeopleHouse:
    """An office with its door, and who came."""

    office: Office
    door: Door
    clock: Clock
    known: dict[Role, Somebody] = field(default_factory=dict)
    administrators: tuple[Somebody, ...] = ()

    @classmethod
    def build(cls, path: Path, ledger: KeepsLog, clock: Clock) -> "PeopleHouse":
        for one in path.parent.glob(f"{path.name}*"):
            one.unlink()
        city_key = CityKey(bytes(range(KEY_BYTES)))
        keys = PeopleKeys(ledger.log.folder.people, city_key)
        office = Office(AccessStore(path), keys, city_key, ledger, clock=clock)
        return cls(office, Door(office, "Khujand"), clock)

    async def founded(self) -> tuple[Somebody, Somebody]:
        """The first two administrators, at devices of their own."""
        made = []
        for login in ("zarina", "rustam"):
            newcomer = await self.office.newcomer(login, login.title())
            await self.office.carry_out(lambda state, at_ns, one=newcomer: people.found(state, one, at_ns))  # type: ignore[misc]
            made.append(await self.comes(newcomer.id, login))
        self.known[Role.ADMINISTRATOR] = made[0]
        return made[0], made[1]

    async def comes(self, person: PersonId, login: str) -> Somebody:
        """Accepts an invitation."""
        found = Somebody(person, login)
        invitation = await self.door.invitation(person)
        where = From(AT_HOME, secrets.token_urlsafe(12))
        welcome = await self.door.welcome(invitation, "", where)
        found.secret = base64.b32decode(welcome.secret)
        opened, _ = await self.door.come(Coming(invitation, "", PASSWORD, self.code(found)), where)
        return self.is_in(found, opened)

    def code(self, somebody: Somebody, ahead: int = 0) -> str:
        """What their authenticator shows."""
        return Codes(somebody.secret).code(self.clock.wall_ns() + ahead * 30_000_000_000)

    def is_in(self, somebody: Somebody, opened: Opened) -> Somebody:
        somebody.session, somebody.device = opened.secret, opened.device
        return somebody

    async def opens(self, somebody: Somebody) -> Somebody:
        """A new session of theirs, without another sign-in."""
        return self.is_in(somebody, await self.door.open(somebody.id, "test", From(AT_HOME, somebody.device)))

    async def agree(self, wanted: roles.Wanted) -> None:
        """Both administrators do it."""
        first, second = [await self.opens(one) for one in self.administrators]
        change = await self.office.carry_out(
            lambda state, at_ns: roles.ask(state, first.who, first.where, wanted, at_ns)
        )
        number = change.rows[0].id  # type: ignore[union-attr]
        await self.office.carry_out(
            lambda state, at_ns: roles.approve(state, second.who, second.where, number, at_ns)  # type: ignore[arg-type]
        )

    async def person(
        self, login: str, role: Role | None = None, group: str = "", schedule: Schedule = ALWAYS
    ) -> Somebody:
        """Somebody who was invited, came, and has a role."""
        first = await self.opens(self.administrators[0])
        newcomer = await self.office.newcomer(login, f"{login.title()} Example")
        await self.office.carry_out(lambda state, at_ns: people.invite(state, first.who, newcomer, at_ns))
        found = await self.comes(newcomer.id, login)
        if role is not None:
            await self.agree(roles.Wanted(ChangeKind.GIVE, found.id, role, group, schedule))
            self.known[role] = await self.opens(found)
        return found

    async def group(self, name: str, *cameras: CameraId) -> None:
        await self.agree(roles.Wanted(ChangeKind.GROUP, group=name, cameras=frozenset(cameras)))

    async def of_every_role(self) -> dict[Role, Somebody]:
        """One person of each role."""
        self.administrators = await self.founded()
        for role in Role:
            if role is not Role.ADMINISTRATOR:
                await self.person(f"the-{role}", role)
        await self.opens(self.administrators[0])
        return self.known

    async def begin(self) -> "PeopleHouse":
        self.administrators = await self.founded()
        return self

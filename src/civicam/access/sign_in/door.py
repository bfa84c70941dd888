"""The door: somebody shows who they are, and a session begins.

Two things are shown: a password and a code (or a passkey, which is two in one: the device, and what unlocks it). What
fails is counted, written down, and told in one way whatever was wrong.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from civicam.access import people, sessions
from civicam.access.change import Change, check_apart
from civicam.access.decide import MINUTE_NS, Who, session_refusal, token_refusal
from civicam.access.models import Person, PersonState, Session, SessionId, Token, TokenId, Where
from civicam.access.office import NOBODY, Office
from civicam.access.sign_in import codes, passwords
from civicam.access.sign_in.codes import Codes
from civicam.access.sign_in.limits import Limits
from civicam.access.state import State
from civicam.access.store import Credential, CredentialKind
from civicam.core.errors import AccessError, BusyError, NotAllowedError, SignInError
from civicam.core.ids import CameraId
from civicam.ledger.entry import Draft, Kind, Part, PersonId

_T = TypeVar("_T")

INVITED_NS: Final = 7 * 24 * 60 * MINUTE_NS
TOKEN_PREFIX: Final = "civ_"  # noqa: S105 - what tokens begin with
_SECRET_BYTES: Final = 32
_SECRET_LETTERS: Final = 128
_AT_ONCE: Final = 2
"""So many passwords are compared at a time: each takes 64 MiB."""
_MOST_WAITING: Final = 32
_FREE_BY_LOGIN: Final = 5
_FREE_BY_PEER: Final = 30
_WRONG: Final = "login, password or code are wrong"


class CodeNeededError(SignInError):
    """The password was right, and a code is needed, too."""


@dataclass(frozen=True, slots=True)
class From:
    """Where somebody signs in.

    Attributes:
        peer: the address at the other end.
        device: the random name that their browser keeps; empty if it has none yet.
    """

    peer: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has begun.

    Attributes:
        secret: what the browser shows from now on; kept nowhere else.
        device: the browser's name.
        person: who.
    """

    secret: str
    device: str
    person: PersonId


@dataclass(frozen=True, slots=True)
class Welcome:
    """What somebody sees who was invited.

    Attributes:
        login: what they sign in with.
        name: what they are called.
        secret: for their authenticator, as they would type it.
        address: the same as an authenticator reads it.
    """

    login: str
    name: str
    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class Coming:
    """How somebody who was invited will sign in.

    Attributes:
        invitation: as it was handed to them.
        invitation_code: as another administrator told them; empty where it takes none.
        password: which they chose.
        code: of their authenticator.
    """

    invitation: str
    invitation_code: str
    password: str
    code: str


class Door:
    """Lets people in.

    Args:
        office: knows them.
        city: the city's name, which authenticators show.
    """

    def __init__(self, office: Office, city: str) -> None:
        self._office = office
        self._city = city
        self._by_login = Limits(office.clock, _FREE_BY_LOGIN)
        self._by_peer = Limits(office.clock, _FREE_BY_PEER)
        self._comparing = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    # Signing in

    async def sign_in(self, login: str, password: str, code: str, where: From) -> Opened:
        """Lets in who knows a password and has a code.

        Raises:
            TooSoonError: it failed too often just now.
            BusyError: too many sign in at once.
            CodeNeededError: the password is right, and there is no code.
            SignInError: it is not them.
            LedgerError: it cannot be written down.
        """
        name = self._office.login_hash(login)
        self._by_peer.check(where.peer)
        self._by_login.check(name)
        person = self._office.person_of(login)
        if person is None or person.state is not PersonState.ACTIVE:
            await self._compared(password, passwords.nobodys())
            raise await self._failed(name, where, None)
        if not await self._knows(person, password):
            raise await self._failed(name, where, person)
        if not code:
            raise CodeNeededError("a code is needed, too")
        how = await self._second_factor(person, code)
        if how is None:
            raise await self._failed(name, where, person)
        self._by_login.succeeded(name)
        return await self.open(person.id, f"password and {how}", where)

    async def open(self, person: PersonId, how: str, where: From) -> Opened:
        """Begins a session of somebody who has shown who they are. It is always a new one, whatever was there before.

        Raises:
            SignInError: they are not here.
            LedgerError: it cannot be written down.
        """
        secret, device = self._secret(), where.device or self._secret()
        opened = Opened(secret, device, person)

        def begin(state: State, at_ns: int) -> Change:
            session = Session(SessionId(digest(secret)), person, digest(device), at_ns, at_ns)
            return sessions.begin(state, session, how)

        await self._office.carry_out(begin)
        return opened

    async def failed_otherwise(self, where: From, how: str) -> None:
        """Counts and writes down that somebody failed to sign in by other means."""
        self._by_peer.failed(where.peer)
        await self._office.write(Draft(Kind.SIGN_IN_FAILED, {"how": how}))

    def check_peer(self, where: From) -> None:
        """Returns if somebody from there may try now; raises TooSoonError."""
        self._by_peer.check(where.peer)

    # Who asks

    def who_has_session(self, secret: str) -> Who | None:
        """Whose session that is, if it holds."""
        if not 0 < len(secret) <= _SECRET_LETTERS:
            return None
        session = SessionId(digest(secret))
        if session_refusal(self._office.state, session, self._office.clock.wall_ns()) is not None:
            return None
        return Who(self._office.state.sessions[session].person, session=session)

    def seen(self, session: SessionId) -> None:
        """Somebody asks for something in a session."""
        self._office.seen(session)

    def who_has_token(self, secret: str) -> Who | None:
        """Whose token that is, if it holds; whether it is for what is asked says the decision."""
        if not (secret.startswith(TOKEN_PREFIX) and len(secret) <= _SECRET_LETTERS):
            return None
        token = TokenId(digest(secret))
        if token_refusal(self._office.state, token, self._office.clock.wall_ns()) is not None:
            return None
        return Who(self._office.state.tokens[token].person, token=token)

    def where_of(self, who: Who) -> Where:
        """From where somebody asks who is signed in: where their session began, whatever they show now."""
        if who.session is None:
            return Where()
        return Where(who.session, self._office.state.sessions[who.session].device)

    async def make_token(
        self, who: Who, name: str, actions: frozenset[str], cameras: frozenset[CameraId], *, days: float
    ) -> str:
        """A token for a program; it is told once.

        Raises:
            NotAllowedError: they are not signed in.
            AccessError: there can be no such token.
            LedgerError: it cannot be written down.
        """
        secret = TOKEN_PREFIX + self._secret()

        def make(state: State, at_ns: int) -> Change:
            expires_ns = at_ns + round(days * 24 * 60) * MINUTE_NS
            token = Token(TokenId(digest(secret)), who.person, name, actions, cameras, at_ns, expires_ns)
            return sessions.make_token(state, who, token, at_ns)

        await self._office.carry_out(make)
        return secret

    # Coming in for the first time

    async def invitation(self, person: PersonId, who: Who | None = None) -> str:
        """A new invitation for somebody who was added; an older one is of no use any more.

        Nobody else can come with it: it opens with a code alone, which other administrators are told
        (`invitation_code`), and not who has the invitation. At the machine itself there is no such code.

        Args:
            person: who is invited.
            who: the administrator who hands it on; None at the machine itself.

        Raises:
            NotAllowedError: they may not invite.
            AccessError: the person was not added, or has come already.
            LedgerError: it cannot be written down.
        """
        secret = self._secret()
        body: dict[str, object] = {
            "until": self._office.clock.wall_ns() + INVITED_NS,
            "secret": "",
            "by": who.person if who else "",
            "device": self.where_of(who).device if who else "",
            "code": codes.told_code(self._office.entropy) if who else "",
        }
        sealed = await self._sealed(CredentialKind.INVITATION, digest(secret), person, body)
        await self._office.carry_out(
            lambda state, at_ns: people.invite_again(state, who, person, at_ns), credentials=[sealed], forget=person
        )
        return secret

    async def invitation_code(self, person: PersonId, who: Who) -> str:
        """The code with which somebody's invitation opens, for an administrator who does not have that.

        Raises:
            NotAllowedError: they may not invite, or it was they who did.
            AccessError: the person was not invited, or has come already.
            LedgerError: it cannot be written down.
        """
        kept = await self._office.in_thread(
            lambda: self._office.store.credentials_of(person, CredentialKind.INVITATION)
        )
        found = await self._credential(CredentialKind.INVITATION, kept[0].id) if kept else None
        if found is None:
            raise AccessError("this person has no invitation")
        if found[1]["by"] == who.person:
            raise NotAllowedError("who has the invitation is not told its code", fix="another administrator is")
        check_apart(Where("", str(found[1]["device"])), self.where_of(who))
        await self._office.carry_out(lambda state, at_ns: people.tell_invitation_code(state, who, person, at_ns))
        return str(found[1]["code"])

    async def welcome(self, secret: str, code: str, where: From) -> Welcome:
        """What the invited one needs to choose how they sign in. It is new each time: who looked before knows nothing.

        Raises:
            TooSoonError: it failed too often just now.
            CodeNeededError: there is such an invitation, and it takes a code.
            SignInError: there is no such invitation, it has lapsed, or the code is wrong.
        """
        invitation, body = await self._invited(secret, code, where)
        person, made = invitation.person, codes.new_codes(self._office.entropy)
        after = await self._sealed(invitation.kind, invitation.id, person, body | {"secret": made.text})
        if not await self._office.in_thread(lambda: self._office.store.exchange(invitation, after)):
            raise SignInError("this invitation was opened elsewhere just now", fix="open it again")
        name = await self._office.in_thread(lambda: self._office.name_of(person))
        return Welcome(name.login, name.name, made.text, made.address(name.login, self._city))

    async def come(self, coming: Coming, where: From) -> tuple[Opened, list[str]]:
        """The invited one has chosen a password, and their authenticator works; they are signed in.

        Returns:
            the session, and codes to write down for when the authenticator is lost.

        Raises:
            TooSoonError: it failed too often just now.
            SignInError: there is no such invitation, or a code is wrong.
            AccessError: the password may not be chosen.
            LedgerError: it cannot be written down.
        """
        invitation, body = await self._invited(coming.invitation, coming.invitation_code, where)
        person, made = invitation.person, Codes(base64.b32decode(str(body["secret"])))
        used = made.used(coming.code, self._office.clock.wall_ns()) if body["secret"] else None
        if used is None:
            self._by_peer.failed(where.peer)
            raise SignInError("this code is wrong", fix="look at the authenticator's newest one")
        name = await self._office.in_thread(lambda: self._office.name_of(person))
        known = await self._in_turn(lambda: self._chosen(coming.password, (name.login, *name.name.split())))
        recovery = codes.recovery_codes(self._office.entropy)
        kept = [
            await self._sealed(CredentialKind.PASSWORD, person, person, {"hash": known}),
            await self._sealed(CredentialKind.CODES, person, person, _codes_body(used)),
            *[
                await self._sealed(CredentialKind.RECOVERY, codes.recovery_id(person, one), person, {})
                for one in recovery
            ],
        ]
        if not await self._office.in_thread(lambda: self._office.store.take(invitation)):
            raise SignInError("this invitation was used already")
        await self._office.carry_out(lambda state, _: people.activate(state, person), credentials=kept)
        return await self.open(person, "invitation, password and code", where), recovery

    async def _invited(self, secret: str, code: str, where: From) -> tuple[Credential, dict[str, object]]:
        self._by_peer.check(where.peer)
        name = digest(secret[:_SECRET_LETTERS])
        self._by_login.check(name)
        found = await self._credential(CredentialKind.INVITATION, name)
        if found is None or not self._is_open(*found):
            self._by_peer.failed(where.peer)
            raise SignInError("there is no such invitation, or it has lapsed", fix="ask an administrator for a new one")
        wanted = str(found[1]["code"])
        if wanted and not code:
            raise CodeNeededError("a code is needed, too", fix="ask another administrator than who invited you")
        if not hmac.compare_digest(codes.plain(wanted).encode(), codes.plain(code).encode(errors="replace")):
            self._by_peer.failed(where.peer)
            self._by_login.failed(name)
            raise SignInError("the code is wrong", fix="ask another administrator than who invited you")
        return found

    def _is_open(self, invitation: Credential, body: dict[str, object]) -> bool:
        person = self._office.state.people.get(invitation.person)
        is_waiting = person is not None and person.state is PersonState.INVITED
        return is_waiting and self._office.clock.wall_ns() < int(str(body["until"]))

    def _chosen(self, password: str, about: tuple[str, ...]) -> str:
        """Blocks: finding out how easily a long password is guessed takes seconds."""
        passwords.check(password, (*about, self._city))
        return passwords.hashed(password, self._office.entropy)

    # What is known of how people sign in

    async def _knows(self, person: Person, password: str) -> bool:
        found = await self._credential(CredentialKind.PASSWORD, person.id)
        known = passwords.nobodys() if found is None else str(found[1]["hash"])
        return await self._compared(password, known) and found is not None

    async def _compared(self, password: str, known: str) -> bool:
        return await self._in_turn(lambda: passwords.fits(password, known))

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too many sign in at once", fix="try again in some seconds")
        self._waiting += 1
        try:
            async with self._comparing:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def _second_factor(self, person: Person, code: str) -> str | None:
        """Which second factor `code` is, once it is used up; None if it is none."""
        found = await self._credential(CredentialKind.CODES, person.id)
        if found is not None:
            credential, body = found
            known = Codes(base64.b32decode(str(body["secret"])), int(str(body["last"])))
            used = known.used(code, self._office.clock.wall_ns())
            if used is not None:
                after = await self._sealed(CredentialKind.CODES, person.id, person.id, _codes_body(used))
                exchanged = await self._office.in_thread(lambda: self._office.store.exchange(credential, after))
                return "code" if exchanged else None
        recovery = await self._credential(CredentialKind.RECOVERY, codes.recovery_id(person.id, code))
        if recovery is not None and await self._office.in_thread(lambda: self._office.store.take(recovery[0])):
            return "recovery code"
        return None

    async def _credential(self, kind: CredentialKind, name: str) -> tuple[Credential, dict[str, object]] | None:
        def read() -> tuple[Credential, dict[str, object]] | None:
            found = self._office.store.credential(kind, name)
            if found is None:
                return None
            return found, json.loads(self._office.keys.open(found.person, found.sealed, f"{kind}:{name}"))

        return await self._office.in_thread(read)

    async def _sealed(self, kind: CredentialKind, name: str, person: PersonId, body: dict[str, object]) -> Credential:
        plain = json.dumps(body).encode()
        sealed = await self._office.in_thread(lambda: self._office.keys.seal(person, plain, f"{kind}:{name}"))
        return Credential(kind, name, person, sealed)

    async def _failed(self, login: str, where: From, person: Person | None) -> SignInError:
        """Counts it and writes it down; the error says the same whatever was wrong."""
        self._by_login.failed(login)
        self._by_peer.failed(where.peer)
        # The public sees the same of a login that nobody has.
        part = Part(NOBODY if person is None else person.id)
        await self._office.write(Draft(Kind.SIGN_IN_FAILED, {"how": "password and code"}, {"person": part}))
        return SignInError(_WRONG)

    def _secret(self) -> str:
        return base64.urlsafe_b64encode(self._office.entropy(_SECRET_BYTES)).rstrip(b"=").decode()


def digest(secret: str) -> str:
    """What finds a secret of 32 random bytes and does not say it: so many bits need no slow hash."""
    return sha256(secret.encode(errors="replace")).hexdigest()


def _codes_body(made: Codes) -> dict[str, object]:
    return {"secret": made.text, "last": made.last_step}

"""Passkeys (WebAuthn level 3): a device, and what unlocks it, in one. The library checks; this keeps and decides."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

import webauthn
from webauthn.helpers import options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from civicam.access.change import Change
from civicam.access.decide import MINUTE_NS, Action, Ask, Who, require
from civicam.access.models import PersonState
from civicam.access.office import Office
from civicam.access.sign_in.door import Door, From, Opened
from civicam.access.sign_in.limits import Waiting
from civicam.access.state import State
from civicam.access.store import Credential, CredentialKind
from civicam.core.errors import AccessError, SignInError
from civicam.ledger.entry import Draft, Kind, Part

CHALLENGE_NS: Final = 5 * MINUTE_NS
_MOST_KEYS: Final = 10
_BYTES: Final = 32
_HOW: Final = "passkey"
_NO: Final = "this passkey is not known here"


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey is bound to.

    Attributes:
        name: the host's name (the relying party's id).
        origin: scheme, host and port of the page.
    """

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a browser is asked.

    Attributes:
        challenge: finds it when the answer comes.
        options: as the browser reads them (WebAuthn, 5.1.8 and 5.1.9).
    """

    challenge: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Challenge:
    secret: bytes
    site: Site


class Passkeys:
    """Adds passkeys, and lets in who has one.

    Args:
        office: knows people.
        door: lets them in.
        city: the city's name, which browsers show.
    """

    def __init__(self, office: Office, door: Door, city: str) -> None:
        self._office, self._door, self._city = office, door, city
        self._challenges: Waiting[_Challenge] = Waiting(office.clock, CHALLENGE_NS)

    async def offer_to_add(self, who: Who, site: Site) -> Offer:
        """What the browser of somebody who is signed in is asked for a new passkey.

        Raises:
            NotAllowedError: they are not signed in.
            AccessError: they have as many as there may be.
        """
        require(self._office.state, Ask(who, Action.ACCOUNT, self._office.clock.wall_ns()))
        known = await self._of(who)
        if len(known) >= _MOST_KEYS:
            raise AccessError(f"nobody has more than {_MOST_KEYS} passkeys", fix="take one away first")
        name = await self._office.in_thread(lambda: self._office.name_of(who.person))
        number, challenge = self._challenge(site, who.person)
        options = webauthn.generate_registration_options(
            rp_id=site.name,
            rp_name=self._city,
            user_name=name.login,
            user_id=bytes.fromhex(who.person),
            user_display_name=name.name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=_unquoted(one.id)) for one in known],
        )
        return Offer(number, json.loads(options_to_json(options)))

    async def add(self, who: Who, number: str, answer: dict[str, Any]) -> None:
        """Keeps a new passkey.

        Raises:
            NotAllowedError: they are not signed in.
            AccessError: the browser's answer does not fit.
            LedgerError: it cannot be written down.
        """
        challenge = self._taken(number)
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge.secret,
                expected_rp_id=challenge.site.name,
                expected_origin=challenge.site.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise AccessError("this passkey cannot be taken", fix="try again") from error
        body = {"key": _quoted(found.credential_public_key), "count": found.sign_count, "site": challenge.site.name}
        kept = await self._sealed(who, _quoted(found.credential_id), body)
        if await self._office.in_thread(lambda: self._office.store.credential(kept.kind, kept.id)):
            raise AccessError("this passkey is known already")

        def make(state: State, at_ns: int) -> Change:
            require(state, Ask(who, Action.ACCOUNT, at_ns))
            return Change((), (Draft(Kind.PERSON, {"what": "passkey added"}, {"person": Part(who.person)}),))

        await self._office.carry_out(make, credentials=[kept])

    async def names(self, who: Who) -> list[str]:
        """The ids of one's passkeys."""
        return [one.id for one in await self._of(who)]

    async def take_away(self, who: Who, name: str) -> None:
        """Has a passkey be of no use any more.

        Raises:
            AccessError: it is no passkey of theirs.
            LedgerError: it cannot be written down.
        """
        known = next((one for one in await self._of(who) if one.id == name), None)
        if known is None:
            raise AccessError("there is no such passkey of yours")
        await self._office.write(Draft(Kind.PERSON, {"what": "passkey taken away"}, {"person": Part(who.person)}))
        await self._office.in_thread(lambda: self._office.store.take(known))

    def offer_to_enter(self, site: Site, where: From) -> Offer:
        """What the browser of somebody who wants to come in is asked: any passkey of this site."""
        number, challenge = self._challenge(site, where.peer)
        options = webauthn.generate_authentication_options(
            rp_id=site.name, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return Offer(number, json.loads(options_to_json(options)))

    async def enter(self, number: str, answer: dict[str, Any], where: From) -> Opened:
        """Lets in who has a passkey.

        Raises:
            TooSoonError: it failed too often just now.
            SignInError: it is none that is known here.
            LedgerError: it cannot be written down.
        """
        self._door.check_peer(where)
        try:
            credential = await self._shown(self._taken(number), answer)
        except AccessError as error:
            await self._door.failed_otherwise(where, _HOW)
            raise SignInError(_NO, fix="sign in with password and code") from error
        return await self._door.open(credential.person, _HOW, where)

    async def _shown(self, challenge: _Challenge, answer: dict[str, Any]) -> Credential:
        """The passkey that the answer is made with."""
        known = await self._office.in_thread(
            lambda: self._office.store.credential(CredentialKind.PASSKEY, str(answer.get("id")))
        )
        if known is None or self._office.state.people[known.person].state is not PersonState.ACTIVE:
            raise AccessError(_NO)
        body = await self._office.in_thread(lambda: self._opened(known))
        try:
            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge.secret,
                expected_rp_id=challenge.site.name,
                expected_origin=challenge.site.origin,
                credential_public_key=_unquoted(str(body["key"])),
                credential_current_sign_count=int(str(body["count"])),
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise AccessError(_NO) from error
        if body["site"] != challenge.site.name:
            raise AccessError(_NO)
        after = await self._sealed(Who(known.person), known.id, body | {"count": found.new_sign_count})
        if not await self._office.in_thread(lambda: self._office.store.exchange(known, after)):
            raise AccessError(_NO)
        return known

    def _challenge(self, site: Site, by: str) -> tuple[str, bytes]:
        number, secret = _quoted(self._office.entropy(_BYTES)), self._office.entropy(_BYTES)
        self._challenges.put(by, number, _Challenge(secret, site))
        return number, secret

    def _taken(self, number: str) -> _Challenge:
        """A challenge, which is good once."""
        found = self._challenges.take(number)
        if found is None:
            raise AccessError("that was too long ago", fix="try again")
        return found

    async def _of(self, who: Who) -> list[Credential]:
        return await self._office.in_thread(
            lambda: self._office.store.credentials_of(who.person, CredentialKind.PASSKEY)
        )

    def _opened(self, known: Credential) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(
            self._office.keys.open(known.person, known.sealed, f"{known.kind}:{known.id}")
        )
        return body

    async def _sealed(self, who: Who, name: str, body: dict[str, Any]) -> Credential:
        kind, plain = CredentialKind.PASSKEY, json.dumps(body).encode()
        sealed = await self._office.in_thread(lambda: self._office.keys.seal(who.person, plain, f"{kind}:{name}"))
        return Credential(kind, name, who.person, sealed)


def _quoted(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unquoted(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

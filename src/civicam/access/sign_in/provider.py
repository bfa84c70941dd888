"""Single sign-on: somebody whom the city's own provider knows (OpenID Connect Core 1.0, code flow with PKCE, RFC 7636).

A person links their account there once, while they are signed in here; nobody is let in by a name or an address that
the provider says. Both factors are then the provider's: a city that sets one up relies on it, and may demand a level
(`acr`) of it.
"""

import base64
import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from civicam.access.change import Change
from civicam.access.decide import MINUTE_NS, Action, Ask, Who, require
from civicam.access.office import Office
from civicam.access.sign_in.door import Door, From, Opened
from civicam.access.sign_in.limits import Waiting
from civicam.access.state import State
from civicam.access.store import Credential, CredentialKind
from civicam.core.errors import AccessError, BusyError, ConfigError, SignInError
from civicam.ledger.entry import Draft, Kind, Part, PersonId

_BYTES: Final = 32
_WITHIN_NS: Final = 10 * MINUTE_NS
_TIMEOUT_S: Final = 10.0
_ANSWER_BYTES: Final = 256 << 10
_KNOWN_NS: Final = 60 * MINUTE_NS
_ALGORITHMS: Final = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
]  # fmt: skip
"""Signatures that the provider alone can make: with a shared secret (HS256) this city could make them, too."""
_HOW: Final = "single sign-on"
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The city's provider.

    Attributes:
        issuer: its address, as its tokens say it.
        client_id: what it knows this city as.
        client_secret: the city's secret there.
        acr: the level that it must vouch for; empty for none.
    """

    issuer: str
    client_id: str
    client_secret: str
    acr: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody is on their way to the provider.

    Attributes:
        address: where their browser goes.
        cookie: what their browser keeps meanwhile, so that nobody else ends what they began.
    """

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    cookie: str
    nonce: str
    verifier: str
    back: str
    links: Who | None


@dataclass(frozen=True, slots=True)
class _Known:
    about: dict[str, Any]
    keys: KeySet
    until_ns: int


class Provider:
    """Lets in whom the provider knows.

    Args:
        settings: which provider.
        office: knows people.
        door: lets them in.

    Raises:
        ConfigError: the issuer is no https address.
    """

    def __init__(self, settings: ProviderSettings, office: Office, door: Door) -> None:
        check_issuer(settings.issuer)
        self._settings, self._office, self._door = settings, office, door
        self._waiting: Waiting[_Waiting] = Waiting(office.clock, _WITHIN_NS)
        self._known: _Known | None = None

    async def begin(self, back: str, where: From, links: Who | None = None) -> Begun:
        """Sends somebody to the provider.

        Args:
            back: the address of this server where they come back.
            where: where they are.
            links: somebody who is signed in, and links their account there; None to sign in.

        Raises:
            NotAllowedError: they are not signed in.
            BusyError: the provider does not answer.
            SignInError: it answers what cannot be used.
        """
        if links is not None:
            require(self._office.state, Ask(links, Action.ACCOUNT, self._office.clock.wall_ns()))
        about = (await self._provider()).about
        state, cookie, nonce, verifier = (self._random() for _ in range(4))
        self._waiting.put(links.person if links else where.peer, state, _Waiting(cookie, nonce, verifier, back, links))
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": back,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": _quoted(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        } | ({"acr_values": self._settings.acr} if self._settings.acr else {})
        return Begun(f"{about['authorization_endpoint']}?{urlencode(query)}", cookie)

    async def end(self, state: str, code: str, cookie: str, where: From) -> Opened | None:
        """Somebody comes back from the provider.

        Returns:
            the session that begins; None where an account was linked.

        Raises:
            TooSoonError: it failed too often just now.
            SignInError: they are not known, or it is not what they began.
            BusyError: the provider does not answer.
            LedgerError: it cannot be written down.
        """
        self._door.check_peer(where)
        # Any page can send a browser here with any words; what this browser did not begin is nobody's attempt.
        waiting = self._waiting.take(state)
        if waiting is None or not hmac.compare_digest(waiting.cookie.encode(), cookie.encode(errors="replace")):
            raise SignInError("this browser did not begin that, or it was too long ago", fix="begin anew")
        try:
            subject = await self._subject(waiting, code)
            if waiting.links is not None:
                await self._link(waiting.links, subject)
                return None
            known = await self._office.in_thread(
                lambda: self._office.store.credential(CredentialKind.PROVIDER, self._name(subject))
            )
            if known is None:
                raise SignInError("this account is linked to nobody here", fix="sign in, and link it")
        except SignInError:
            await self._door.failed_otherwise(where, _HOW)
            raise
        return await self._door.open(known.person, _HOW, where)

    async def _link(self, who: Who, subject: str) -> None:
        name = self._name(subject)
        plain = json.dumps({"issuer": self._settings.issuer}).encode()
        sealed = await self._office.in_thread(
            lambda: self._office.keys.seal(who.person, plain, f"{CredentialKind.PROVIDER}:{name}")
        )
        known = await self._office.in_thread(lambda: self._office.store.credential(CredentialKind.PROVIDER, name))
        if known is not None and known.person != who.person:
            raise AccessError("this account is linked to somebody else")

        def make(state: State, at_ns: int) -> Change:
            require(state, Ask(who, Action.ACCOUNT, at_ns))
            draft = Draft(Kind.PERSON, {"what": "single sign-on linked"}, {"person": Part(PersonId(who.person))})
            return Change((), (draft,))

        kept = Credential(CredentialKind.PROVIDER, name, who.person, sealed)
        await self._office.carry_out(make, credentials=[kept])

    async def _subject(self, waiting: _Waiting, code: str) -> str:
        """Who it is there: the ID token's `sub` (OpenID Connect Core 1.0, 3.1.3.7)."""
        provider = await self._provider()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": waiting.back,
            "code_verifier": waiting.verifier,
        }
        login = self._settings.client_id, self._settings.client_secret
        answer = await self._asked("POST", str(provider.about["token_endpoint"]), data=form, auth=login)
        required = jwt.JWTClaimsRegistry(
            now=lambda: self._office.clock.wall_ns() // 1_000_000_000,
            leeway=60,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": waiting.nonce},
            sub={"essential": True},
            acr=jwt.ClaimsOption(essential=True, value=self._settings.acr) if self._settings.acr else {},
        )
        try:
            token = jwt.decode(str(answer["id_token"]), provider.keys, algorithms=_ALGORITHMS)
            required.validate(token.claims)
            return str(token.claims["sub"])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            self._known = None  # its keys may have changed: the next one asks for them anew
            raise SignInError("the provider's answer does not hold", fix="begin anew") from error

    async def _provider(self) -> _Known:
        """What the provider says of itself (OpenID Connect Discovery 1.0, 4)."""
        now_ns = self._office.clock.wall_ns()
        if self._known is None or now_ns >= self._known.until_ns:
            place = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            about = await self._asked("GET", place)
            if about.get("issuer") != self._settings.issuer:
                raise SignInError("the provider says it is another one", fix="check provider.issuer")
            try:
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    check_issuer(str(about[name]))
                keys = KeySet.import_key_set(await self._asked("GET", str(about["jwks_uri"])))  # type: ignore[arg-type]
            except (KeyError, ConfigError, JoseError, ValueError, TypeError) as error:
                raise SignInError("what the provider says of itself cannot be used") from error
            self._known = _Known(about, keys, now_ns + _KNOWN_NS)
        return self._known

    async def _asked(self, method: str, address: str, **how: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client:
                answer = await client.request(method, address, **how)
            if answer.status_code != httpx.codes.OK or len(answer.content) > _ANSWER_BYTES:
                raise SignInError("the provider refuses", fix="begin anew")
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise BusyError("the provider does not answer", fix="sign in with password and code") from error
        if not isinstance(said, dict):
            raise SignInError("what the provider says cannot be used")
        return said

    def _name(self, subject: str) -> str:
        return self._office.keyed("provider", f"{self._settings.issuer}\0{subject}")

    def _random(self) -> str:
        return _quoted(self._office.entropy(_BYTES))


def check_issuer(address: str) -> None:
    """Returns if that address may be asked: https, or this very machine.

    Raises:
        ConfigError: it may not.
    """
    try:
        parts = urlsplit(address)
        is_fine = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    except ValueError:
        is_fine = False
    if not is_fine or "@" in address:
        raise ConfigError(f"{address!r} is no address of a provider", fix="write https://HOST/")


def _quoted(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

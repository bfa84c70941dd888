"""How a simulated camera asks for a password: Basic (RFC 7617) and Digest with qop=auth (RFC 7616)."""

import base64
import binascii
import hashlib
import hmac
import random
import re
from collections.abc import Callable
from enum import StrEnum

from civicam.city.requests import path_of

NONCE_LIFE_S = 300

_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)\s*')


class AuthScheme(StrEnum):
    """What a camera asks for."""

    NONE = "none"
    BASIC = "basic"
    DIGEST_MD5 = "digest-md5"
    DIGEST_SHA256 = "digest-sha256"


class Verdict(StrEnum):
    """What a camera makes of an Authorization header."""

    GRANTED = "granted"
    REFUSED = "refused"
    STALE = "stale"
    """The password is right and the nonce is not this connection's, too old, or used again."""


class Gate:
    """Asks one connection for a password, and checks what comes.

    Args:
        scheme: what is asked for.
        realm: the camera, in words.
        rng: where nonces come from; the simulator guards nothing.
        nonce_life_s: after this a nonce is stale.
    """

    def __init__(self, scheme: AuthScheme, realm: str, rng: random.Random, nonce_life_s: float = NONCE_LIFE_S) -> None:
        self._scheme = scheme
        self._realm = realm
        self._rng = rng
        self._life_ns = int(nonce_life_s * 1e9)
        self._nonce = ""
        self._made_ns = 0
        self._count = 0

    def challenge(self, now_ns: int, stale: bool = False) -> str:
        """Returns a WWW-Authenticate header's value, with a new nonce."""
        if self._scheme is AuthScheme.BASIC:
            return f'Basic realm="{self._realm}"'
        self._nonce = f"{self._rng.getrandbits(128):032x}"
        self._made_ns = now_ns
        self._count = 0
        algorithm = "MD5" if self._scheme is AuthScheme.DIGEST_MD5 else "SHA-256"
        return f'Digest realm="{self._realm}", nonce="{self._nonce}", algorithm={algorithm}, qop="auth"' + (
            ", stale=true" if stale else ""
        )

    def check(self, header: str, method: str, url: str, *, username: str, password: str, now_ns: int) -> Verdict:
        """Judges an Authorization header.

        Args:
            header: its value; empty when there is none.
            method: the request's method.
            url: the request's URL.
            username: who may come in.
            password: with what.
            now_ns: monotonic.
        """
        if self._scheme is AuthScheme.NONE:
            return Verdict.GRANTED
        kind, _, rest = header.partition(" ")
        if self._scheme is AuthScheme.BASIC:
            right = kind.lower() == "basic" and _basic(rest, username, password)
            return Verdict.GRANTED if right else Verdict.REFUSED
        if kind.lower() != "digest":
            return Verdict.REFUSED
        given = parameters(rest)
        if not self._is_right(given, method, url, username=username, password=password):
            return Verdict.REFUSED
        return self._freshness(given, now_ns)

    def _is_right(self, given: dict[str, str], method: str, url: str, *, username: str, password: str) -> bool:
        hashed = _md5 if self._scheme is AuthScheme.DIGEST_MD5 else _sha256
        secret = hashed(f"{username}:{self._realm}:{password}")
        return (
            given.get("username") == username
            and given.get("realm") == self._realm
            and path_of(given.get("uri", "")) == path_of(url)
            and hmac.compare_digest(
                given.get("response", "").lower().encode(), digest_response(hashed, given, method, secret).encode()
            )
        )

    def _freshness(self, given: dict[str, str], now_ns: int) -> Verdict:
        if given.get("nonce") != self._nonce or now_ns - self._made_ns > self._life_ns:
            return Verdict.STALE
        if given.get("qop") == "auth":
            count = _hex(given.get("nc", ""))
            if count <= self._count:
                return Verdict.STALE
            self._count = count
        return Verdict.GRANTED


def parameters(text: str) -> dict[str, str]:
    """Returns a challenge's or an answer's `name=value` list by lower-case name; what follows a mistake is left out."""
    found: dict[str, str] = {}
    at = 0
    text = text.strip()
    while match := _PARAMETER.match(text, at):
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        found[match[1].lower()] = value
        at = match.end()
        if at >= len(text):
            break
    return found


def digest_response(hashed: Callable[[str], str], given: dict[str, str], method: str, secret: str) -> str:
    """Returns the response that RFC 7616 section 3.4.1 asks for; without qop, RFC 2069's.

    Args:
        hashed: the algorithm, text to lower-case hex.
        given: the answer's parameters.
        method: the request's.
        secret: the hash of `name:realm:password`.
    """
    request = hashed(f"{method}:{given.get('uri', '')}")
    nonce = given.get("nonce", "")
    if given.get("qop") == "auth":
        return hashed(f"{secret}:{nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:auth:{request}")
    return hashed(f"{secret}:{nonce}:{request}")


def _basic(token: str, username: str, password: str) -> bool:
    try:
        given = base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{username}:{password}".encode())


def _hex(text: str) -> int:
    return int(text, 16) if re.fullmatch(r"[0-9a-fA-F]{1,8}", text) else 0


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

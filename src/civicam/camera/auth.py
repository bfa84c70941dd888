"""Answers to a camera's `WWW-Authenticate` (RFC 2617, RFC 7616 digest; RFC 7617 basic)."""

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from civicam.camera.url import Credentials
from civicam.core.citykey import Entropy

MAX_CHALLENGES = 16

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')
_SCHEME = re.compile(rf"\s*,?\s*({_WORD})(?:\s+|\s*$|\s*,)")

# Strongest first. SHA-512-256 (RFC 7616 6.1) is left out: no camera is known to offer it.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One thing a camera offers to accept.

    Attributes:
        scheme: `basic` or `digest`, or another one in lower case.
        params: its parameters, names in lower case.
    """

    scheme: str
    params: dict[str, str]

    @property
    def label(self) -> str:
        """What people call it: `Basic`, `Digest MD5`."""
        return f"Digest {self._algorithm}" if self.scheme == "digest" else self.scheme.capitalize()

    @property
    def nonce(self) -> str:
        """The number the camera made up for this challenge."""
        return self.params.get("nonce", "")

    @property
    def is_stale(self) -> bool:
        """The password was right, and the nonce too old."""
        return self.params.get("stale", "").lower() == "true"

    @property
    def strength(self) -> int:
        """How good it is; 0 means that it cannot be answered."""
        if self.scheme == "basic":
            return 1
        if self.scheme != "digest" or not self.nonce or self._algorithm.removesuffix("-SESS") not in _HASHES:
            return 0
        if "qop" in self.params and not self._has_qop_auth:
            return 0
        weaker_first = list(reversed(_HASHES))
        return 2 + weaker_first.index(self._algorithm.removesuffix("-SESS"))

    @property
    def _algorithm(self) -> str:
        return self.params.get("algorithm", "MD5").upper() or "MD5"

    @property
    def _has_qop_auth(self) -> bool:
        return "auth" in re.split(r"[\s,]+", self.params.get("qop", "").lower())


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """The challenges of all `WWW-Authenticate` headers, in order; what is not one is passed over."""
    found: list[Challenge] = []
    for header in headers:
        at = 0
        while len(found) < MAX_CHALLENGES and (scheme := _SCHEME.match(header, at)):
            at = scheme.end()
            params: dict[str, str] = {}
            while param := _PARAM.match(header, at):
                quoted, bare = param.group(2), param.group(3)
                params[param.group(1).lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
                at = param.end()
            found.append(Challenge(scheme.group(1).lower(), params))
    return found


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The best challenge that can be answered, None when there is none."""
    best = max(challenges, key=lambda challenge: challenge.strength, default=None)
    return best if best is not None and best.strength else None


class Authenticator:
    """Answers one challenge for as long as its nonce lives.

    Args:
        challenge: one that `strongest` chose.
        credentials: the camera's.
        entropy: where client nonces come from.

    Attributes:
        challenge: what is answered.
        is_proven: the camera accepted an answer.
    """

    def __init__(self, challenge: Challenge, credentials: Credentials, entropy: Entropy = os.urandom) -> None:
        self.challenge = challenge
        self.is_proven = False
        self._credentials = credentials
        self._entropy = entropy
        self._count = 0
        self._session_nonce = entropy(8).hex()

    def header(self, method: str, uri: str) -> str:
        """The value of `Authorization` for one request."""
        if self.challenge.scheme == "basic":
            pair = f"{self._credentials.user}:{self._credentials.password}".encode("utf-8", "replace")
            return f"Basic {base64.b64encode(pair).decode()}"
        return self._digest(method, uri)

    def _digest(self, method: str, uri: str) -> str:
        params, algorithm = self.challenge.params, self.challenge._algorithm
        realm, nonce = params.get("realm", ""), params["nonce"]
        is_session = algorithm.endswith("-SESS")
        digest = _HASHES[algorithm.removesuffix("-SESS")]
        # With -sess the client nonce of the first request is part of the key, so it stays (RFC 7616 3.4.2).
        cnonce = self._session_nonce if is_session else self._entropy(8).hex()

        def hashed(*parts: str) -> str:
            return digest(":".join(parts).encode("utf-8", "replace"))

        key = hashed(self._credentials.user, realm, self._credentials.password)
        if is_session:
            key = hashed(key, nonce, cnonce)
        fields = [("username", self._credentials.user), ("realm", realm), ("nonce", nonce), ("uri", uri)]
        if self.challenge._has_qop_auth:
            self._count += 1
            count = f"{self._count:08x}"
            fields.append(("response", hashed(key, nonce, count, cnonce, "auth", hashed(method, uri))))
            tail = f', qop=auth, nc={count}, cnonce="{cnonce}"'
        else:
            fields.append(("response", hashed(key, nonce, hashed(method, uri))))
            tail = f', cnonce="{cnonce}"' if is_session else ""
        if "algorithm" in params:
            tail += f", algorithm={params['algorithm']}"
        if "opaque" in params:
            tail += f', opaque="{_quoted(params["opaque"])}"'
        return "Digest " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in fields) + tail


def _quoted(value: str) -> str:
    # A line break in a name or password must not become a header of its own.
    return re.sub(r"[\x00-\x1f\x7f]", "", value).replace("\\", "\\\\").replace('"', '\\"')

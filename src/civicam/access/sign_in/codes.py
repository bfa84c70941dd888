"""The second factor: codes of six digits (RFC 6238), each good once; and codes for when the authenticator is lost."""

import base64
import hmac
import os
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Final
from urllib.parse import quote

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from civicam.core.citykey import Entropy

STEP_S: Final = 30
_DIGITS: Final = 6
_SECRET_BYTES: Final = 20
_TOLD_BYTES: Final = 5
_RECOVERY_BYTES: Final = 10
RECOVERY_CODES: Final = 8


@dataclass(frozen=True, slots=True)
class Codes:
    """What codes are made with.

    Attributes:
        secret: 20 bytes.
        last_step: the step of the newest code that was used: neither it nor an older one is good any more.
    """

    secret: bytes
    last_step: int = -1

    def used(self, code: str, at_ns: int) -> "Codes | None":
        """These codes once `code` was used; None if it is no good. A clock may be half a minute off (RFC 6238, 5.2)."""
        step = at_ns // 1_000_000_000 // STEP_S
        for near in (step, step - 1, step + 1):
            if near > self.last_step and hmac.compare_digest(self._at(near), code.strip().encode(errors="replace")):
                return Codes(self.secret, near)
        return None

    def code(self, at_ns: int) -> str:
        """The code of that moment."""
        return self._at(at_ns // 1_000_000_000 // STEP_S).decode()

    def address(self, login: str, city: str) -> str:
        """What an authenticator reads (Key URI Format)."""
        label = quote(f"{city}:{login}", safe="")
        return f"otpauth://totp/{label}?secret={self.text}&issuer={quote(city, safe='')}"

    @property
    def text(self) -> str:
        """The secret as people type it."""
        return base64.b32encode(self.secret).decode()

    def _at(self, step: int) -> bytes:
        # SHA-1 is what every authenticator knows (RFC 6238, 1.2); as HMAC it is sound.
        return TOTP(self.secret, _DIGITS, SHA1(), STEP_S).generate(step * STEP_S)  # noqa: S303 - see above


def new_codes(entropy: Entropy = os.urandom) -> Codes:
    """Codes of a new secret."""
    return Codes(entropy(_SECRET_BYTES))


def picture(address: str) -> str:
    """An address as a QR code, in SVG."""
    drawn = BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", scale=4, border=3, xmldecl=False, light="#fff")
    return drawn.getvalue().decode()


def recovery_codes(entropy: Entropy = os.urandom) -> list[str]:
    """Codes to write down, each good once."""
    return [_grouped(base64.b32encode(entropy(_RECOVERY_BYTES)).decode().lower()) for _ in range(RECOVERY_CODES)]


def recovery_id(person: str, code: str) -> str:
    """What finds a recovery code: 80 random bits need no slow hash."""
    return sha256(f"{person}\0{plain(code)}".encode()).hexdigest()


def told_code(entropy: Entropy = os.urandom) -> str:
    """A code that one person tells another: short, so whoever asks for it is slowed down."""
    return _grouped(base64.b32encode(entropy(_TOLD_BYTES)).decode().lower())


def plain(code: str) -> str:
    """A code however somebody types it."""
    return "".join(one for one in code.lower() if one.isalnum())


def _grouped(text: str) -> str:
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))

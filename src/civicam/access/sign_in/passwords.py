"""Passwords: argon2id (RFC 9106), and none that is guessed easily (NIST SP 800-63B, 3.1.1)."""

import os
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from zxcvbn import zxcvbn

from civicam.core.citykey import Entropy
from civicam.core.errors import AccessError

LEAST: Final = 12
MOST: Final = 128
MEMORY_KIB: Final = 64 << 10
"""RFC 9106, 4: the second recommended choice, 64 MiB, three passes and four lanes."""
_PASSES, _LANES, _SALT, _LENGTH = 3, 4, 16, 32
_SCORE: Final = 3
_JUDGED: Final = 72


def check(password: str, about: tuple[str, ...]) -> None:
    """Returns if a password may be chosen.

    Args:
        password: as it was typed.
        about: the person's own names, which are guessed first.

    Raises:
        AccessError: it is too short, too long, or guessed easily.
    """
    if not LEAST <= len(password) <= MOST:
        raise AccessError(f"a password has {LEAST} to {MOST} characters", fix="take several words")
    found = zxcvbn(password[:_JUDGED], user_inputs=["civicam", *about])
    if found["score"] < _SCORE:
        raise AccessError("this password is guessed easily", fix="take several words that say nothing together")


def hashed(password: str, entropy: Entropy = os.urandom) -> str:
    """The password's hash with its salt and costs (PHC string). Blocks for a tenth of a second, and takes 64 MiB."""
    return _kdf(entropy(_SALT)).derive_phc_encoded(password.encode())


def fits(password: str, known: str) -> bool:
    """Whether it is the password that was hashed. Blocks as `hashed` does."""
    try:
        Argon2id.verify_phc_encoded(password[: MOST + 1].encode(errors="replace"), known)
    except InvalidKey:
        return False
    return True


def _kdf(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=_LENGTH, iterations=_PASSES, lanes=_LANES, memory_cost=MEMORY_KIB)


@cache
def nobodys() -> str:
    """What the password of somebody who is not there is compared with: it takes as long."""
    return hashed("nobody has this password")

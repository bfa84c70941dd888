"""The city's key: it wraps every other secret, and never leaves this machine in the clear.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext. What is wrapped is bound to a
context (which camera, which day), so that a wrapped secret moved elsewhere does not open.
"""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.core.errors import ConfigError, SealError

Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes: `os.urandom` outside tests."""

KEY_BYTES = 32
_NONCE_BYTES = 12


class CityKey:
    """Wraps and unwraps small secrets (day keys, camera passwords).

    Args:
        secret: 32 bytes.
        entropy: where nonces come from.

    Raises:
        ConfigError: `secret` is not 32 bytes long.
    """

    def __init__(self, secret: bytes, entropy: Entropy = os.urandom) -> None:
        if len(secret) != KEY_BYTES:
            raise ConfigError(
                f"the city key has {len(secret)} bytes and needs {KEY_BYTES}",
                fix="restore city.key from its backup; a new one cannot open old footage",
            )
        self._aead = AESGCM(secret)
        self._entropy = entropy

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Returns nonce and ciphertext of `secret`, which opens under the same `context` only."""
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Returns what `wrap` was given.

        Raises:
            SealError: the bytes were altered, or belong to another context or city key.
        """
        try:
            return self._aead.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError(
                "a wrapped secret does not open",
                where=context,
                fix="check that city.key is the one it was wrapped with",
            ) from error


def create_city_key(path: Path, entropy: Entropy = os.urandom) -> None:
    """Writes a new key to `path`, readable by its owner only.

    Raises:
        ConfigError: there is a file already; it is never overwritten, for footage depends on it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            "a city key is there already", where=str(path), fix="keep it: footage depends on it"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(entropy(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def load_city_key(path: Path, entropy: Entropy = os.urandom) -> CityKey:
    """Reads the key at `path`.

    Raises:
        ConfigError: it is missing, unreadable, open to other users, or of the wrong length.
    """
    try:
        secret = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(
            f"the city key cannot be read: {error.strerror}",
            where=str(path),
            fix="run `civicam init`, or restore it",
        ) from error
    if mode & 0o077:
        raise ConfigError("the city key is open to other users", where=str(path), fix=f"chmod 600 {path}")
    return CityKey(secret, entropy)

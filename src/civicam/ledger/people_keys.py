"""One key a person: whatever is known of them is sealed with it, and destroying it is how they are forgotten."""

import os
import re
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.core.citykey import KEY_BYTES, CityKey, Entropy
from civicam.core.errors import KeyMissingError, LedgerError, SealError
from civicam.ledger.durable import destroy, explained, write_whole
from civicam.ledger.entry import PersonId

_PERSON: Final = re.compile(r"[0-9a-f]{32}")
_ID_BYTES: Final = 16
_NONCE_BYTES: Final = 12


def new_person_id(entropy: Entropy = os.urandom) -> PersonId:
    """A name that says nothing about who it is."""
    return PersonId(entropy(_ID_BYTES).hex())


class PeopleKeys:
    """Seals what belongs to people. Any number of processes may use one folder.

    Nothing is kept in memory, so that a key destroyed anywhere is gone everywhere at once.

    Args:
        folder: a wrapped key a person.
        city_key: wraps them.
        entropy: where keys and nonces come from.
    """

    def __init__(self, folder: Path, city_key: CityKey, entropy: Entropy = os.urandom) -> None:
        self._folder = folder
        self._city_key = city_key
        self._entropy = entropy

    def create(self, person: PersonId) -> None:
        """Makes a person's key, durably, if there is none yet.

        Raises:
            LedgerError: it cannot be written, or that is no person's id.
        """
        path = self._path(person)
        with explained("a person's key was written", path):
            if not path.exists():
                wrapped = self._city_key.wrap(self._entropy(KEY_BYTES), f"person:{person}")
                write_whole(path, wrapped, 0o600)

    def seal(self, person: PersonId, plain: bytes, context: str) -> bytes:
        """Returns `plain` sealed: nonce, ciphertext and tag (AES-256-GCM); it opens under the same context only.

        Raises:
            KeyMissingError: the person is unknown or erased.
            SealError: the key does not open with this city's key.
            LedgerError: the key cannot be read.
        """
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + self._key(person).encrypt(nonce, plain, context.encode())

    def open(self, person: PersonId, sealed: bytes, context: str) -> bytes:
        """Returns what `seal` was given. See `seal` for what it raises, and SealError where the bytes were altered."""
        try:
            return self._key(person).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError("what was sealed for a person does not open", where=context) from error

    def is_known(self, person: PersonId) -> bool:
        """There is a key."""
        return self._path(person).exists()

    def destroy(self, person: PersonId) -> bool:
        """Forgets a person; False where nothing was known.

        Raises:
            LedgerError: the key could not be destroyed.
        """
        path = self._path(person)
        with explained("a person's key was destroyed", path):
            return destroy(path)

    def _key(self, person: PersonId) -> AESGCM:
        path = self._path(person)
        try:
            wrapped = path.read_bytes()
        except FileNotFoundError:
            raise KeyMissingError("this person is erased, or was never known", where=person) from None
        except OSError as error:
            raise LedgerError(f"a person's key cannot be read: {error.strerror}", where=str(path)) from error
        return AESGCM(self._city_key.unwrap(wrapped, f"person:{person}"))

    def _path(self, person: PersonId) -> Path:
        if not _PERSON.fullmatch(person):
            raise LedgerError("that is no person's id", fix="it has 32 hexadecimal digits")
        return self._folder / f"{person}.key"

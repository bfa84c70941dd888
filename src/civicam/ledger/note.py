"""Signed notes (C2SP signed-note) with Ed25519 keys, and witnesses' cosignatures (C2SP tlog-cosignature, v1)."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from civicam.core.errors import LedgerError

NOTE_BYTES: Final = 1 << 16
SIGNATURES: Final = 100
_DASH: Final = "\u2014 "
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8


class Algorithm(IntEnum):
    """What a key signs, in key ids and verifier keys."""

    ED25519 = 1
    """the note's text"""
    COSIGNATURE = 4
    """the note's text and a time"""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its holder's name.

    Attributes:
        name: its holder, such as `ledger.city.example`.
        public: 32 bytes.
        algorithm: what it signs.
    """

    name: str
    public: bytes
    algorithm: Algorithm = Algorithm.ED25519

    @property
    def id(self) -> bytes:
        """The 4 bytes that a signature names it by."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.algorithm]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key that `str` wrote.

        Raises:
            LedgerError: it is none, or of an algorithm that is not known here.
        """
        name, _, rest = text.strip().partition("+")
        written_id, _, encoded = rest.partition("+")
        raw = _from_base64(encoded)
        if not is_name(name) or raw is None or len(raw) != 1 + _KEY_BYTES or raw[0] not in set(Algorithm):
            raise LedgerError(f"{text[:120]!r} is no verifier key", fix="write NAME+ID+KEY, as it was published")
        key = cls(name, raw[1:], Algorithm(raw[0]))
        if key.id.hex() != written_id:
            raise LedgerError(f"the verifier key of {name} does not have the id it says", fix="copy it once more")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """A line under a note.

    Attributes:
        name: who signed, as the line says.
        key_id: with which key.
        data: the signature.
    """

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        """The line, with its end."""
        return f"{_DASH}{self.name} {_base64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, and who signed it.

    Attributes:
        text: ends with a newline.
        signatures: in the note's order; nothing is said of whether they hold.
    """

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line for signature in self.signatures)

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """The note in `data`.

        Raises:
            LedgerError: there is none, or a longer one than 64 KiB or 100 signatures.
        """
        text, is_signed, lines = _decoded(data).rpartition("\n\n")
        if not is_signed or not lines.endswith("\n"):
            raise LedgerError("a note ends with a blank line and signatures")
        signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
        if len(signatures) > SIGNATURES:
            raise LedgerError(f"a note has at most {SIGNATURES} signatures")
        return cls(text + "\n", signatures)

    def with_signatures(self, added: Iterable[Signature]) -> "Note":
        """The note with more signatures; one by the same key takes the older one's place."""
        kept = {(one.name, one.key_id): one for one in (*self.signatures, *added)}
        return Note(self.text, tuple(kept.values()))

    def check(self, key: VerifierKey) -> int:
        """Checks `key`'s signature, and returns the time it says (seconds since 1970; 0 where it says none).

        Raises:
            LedgerError: there is none by that key, or it does not hold.
        """
        for one in self.signatures:
            if (one.name, one.key_id) == (key.name, key.id):
                return _check(self.text, one, key)
        raise LedgerError(f"{key.name} has not signed this")


class Signer:
    """Signs notes.

    Args:
        name: the holder's.
        private: an Ed25519 key, 32 bytes.
        algorithm: what it signs.
    """

    def __init__(self, name: str, private: bytes, algorithm: Algorithm = Algorithm.ED25519) -> None:
        if not is_name(name):
            raise LedgerError(f"{name!r} cannot be a signer's name", fix="no spaces, no plus sign")
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.verifier = VerifierKey(name, self._key.public_key().public_bytes_raw(), algorithm)

    def sign(self, text: str, at_s: int = 0) -> Signature:
        """Signs a text, which ends with a newline; a cosigner says when, in seconds since 1970."""
        verifier = self.verifier
        if verifier.algorithm is Algorithm.ED25519:
            return Signature(verifier.name, verifier.id, self._key.sign(text.encode()))
        signed = self._key.sign(_cosigned(text, at_s))
        return Signature(verifier.name, verifier.id, at_s.to_bytes(_TIME_BYTES, "big") + signed)


def is_name(name: str) -> bool:
    """Whether it can be a key's name: not empty, without spaces and plus signs."""
    return bool(name) and "+" not in name and name.isprintable() and not any(one.isspace() for one in name)


def _cosigned(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def _check(text: str, signature: Signature, key: VerifierKey) -> int:
    data, at_s, signed = signature.data, 0, text.encode()
    if key.algorithm is Algorithm.COSIGNATURE:
        at_s, data = int.from_bytes(data[:_TIME_BYTES], "big"), data[_TIME_BYTES:]
        signed = _cosigned(text, at_s)
    try:
        if len(data) != _SIGNATURE_BYTES:
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, signed)
    except (InvalidSignature, ValueError):
        raise LedgerError(f"the signature of {key.name} does not hold") from None
    return at_s


def _decoded(data: bytes) -> str:
    if len(data) > NOTE_BYTES:
        raise LedgerError(f"a note has at most {NOTE_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise LedgerError("a note is UTF-8") from None
    if any(ord(one) < 0x20 and one != "\n" for one in text):
        raise LedgerError("a note has no control characters")
    return text


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _from_base64(encoded)
    if not line.startswith(_DASH) or not is_name(name) or raw is None or len(raw) <= _ID_BYTES:
        raise LedgerError(f"{line[:120]!r} is no signature line")
    return Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _base64(raw) == text else None  # one way to write each

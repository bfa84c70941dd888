"""What an entry says about people: the public sees a commitment to it, and it lies sealed beside the log.

A commitment is SHA-256 over a name of this scheme, a random salt of 32 bytes, and the facts as canonical JSON. The salt
is sealed with the facts, so that nobody can try names until one fits.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from civicam.core.citykey import Entropy
from civicam.core.errors import LedgerError
from civicam.ledger.encoding import canonical
from civicam.ledger.entry import Part, PersonId
from civicam.ledger.people_keys import PeopleKeys

_SCHEME: Final = b"civicam part 1\x00"
_SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A part as it is kept.

    Attributes:
        person: whose key opens it.
        sealed: salt and facts.
    """

    person: PersonId
    sealed: bytes


def commitment(salt: bytes, facts: bytes) -> str:
    """What the public sees of `facts`, in base64."""
    return base64.b64encode(sha256(_SCHEME + salt + facts).digest()).decode()


def seal_part(role: str, part: Part, keys: PeopleKeys, entropy: Entropy = os.urandom) -> tuple[str, SealedPart]:
    """Commits to a part, and seals it.

    Args:
        role: what the person is in the entry, such as `viewer`.
        part: what is so.
        keys: seals it.
        entropy: where the salt comes from.

    Returns:
        the commitment, and what is to be kept.

    Raises:
        KeyMissingError: the person is unknown or erased.
        SealError: their key does not open.
        LedgerError: a fact cannot be written, or the key not read.
    """
    facts = canonical({"person": part.person, "facts": dict(part.facts)})
    salt = entropy(_SALT_BYTES)
    return commitment(salt, facts), SealedPart(part.person, keys.seal(part.person, salt + facts, _context(role)))


def open_part(role: str, sealed: SealedPart, committed: str, keys: PeopleKeys) -> Part:
    """Opens a part, and checks that it is what the entry committed to.

    Raises:
        KeyMissingError: the person was erased.
        SealError: it was altered.
        LedgerError: it is another entry's.
    """
    plain = keys.open(sealed.person, sealed.sealed, _context(role))
    salt, facts = plain[:_SALT_BYTES], plain[_SALT_BYTES:]
    if commitment(salt, facts) != committed:
        raise LedgerError("this part is not what the entry committed to", where=role)
    said = json.loads(facts)
    return Part(PersonId(said["person"]), said["facts"])


def parts_to_json(parts: Mapping[str, SealedPart]) -> bytes:
    """Sealed parts by role, as they are kept."""
    return json.dumps(
        {role: [one.person, base64.b64encode(one.sealed).decode()] for role, one in parts.items()},
        separators=(",", ":"),
        sort_keys=True,
    ).encode()


def parts_from_json(data: bytes) -> dict[str, SealedPart]:
    """What `parts_to_json` wrote.

    Raises:
        LedgerError: the bytes are something else.
    """
    try:
        found = json.loads(data)
        return {
            str(role): SealedPart(PersonId(str(person)), base64.b64decode(sealed, validate=True))
            for role, (person, sealed) in found.items()
        }
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise LedgerError("these bytes are no sealed parts") from None


def _context(role: str) -> str:
    return f"part:{role}"

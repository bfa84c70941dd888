"""A change of the state: what is to be written in the ledger first, and which rows it then puts in place.

The functions that make changes (`people`, `roles`, `cases`, `holds`, `requests`, `sessions`) are pure, like the
decision that each of them asks first. `office.Office` carries them out.
"""

from dataclasses import dataclass

from civicam.access.models import Where
from civicam.access.state import Row
from civicam.core.errors import NotAllowedError
from civicam.ledger.entry import Draft


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done.

    Attributes:
        rows: which it puts in place of those with the same keys.
        drafts: what must be durable in the ledger before.
    """

    rows: tuple[Row, ...]
    drafts: tuple[Draft, ...]


def check_apart(one: Where, other: Where) -> None:
    """Returns if two people are not at one place: two who decide together must be two.

    Raises:
        NotAllowedError: it is the same session, or the same device.
    """
    if one.session and one.session == other.session:
        raise NotAllowedError("who asked and who decides are in one session")
    if one.device and one.device == other.device:
        raise NotAllowedError("who asked and who decides are at one device", fix="decide at another one")

"""The first start: whoever has the machine makes the first two administrators, on its command line or in a browser.

In a browser it takes the link that the machine itself tells. The link is of no use once the two have come.
"""

import base64
import hmac
import os
from typing import Final

from civicam.access import people
from civicam.access.models import PersonState, Role
from civicam.access.office import Office
from civicam.access.people import LEAST_ADMINISTRATORS
from civicam.access.sign_in.door import Door
from civicam.access.state import State
from civicam.access.store import AccessStore
from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.core.errors import NotAllowedError

_SECRET: Final = "first start"  # noqa: S105 - a name


def is_founded(state: State) -> bool:
    """Whether the first two administrators have come."""
    return len(state.active_with(Role.ADMINISTRATOR)) >= LEAST_ADMINISTRATORS


def first_secret(store: AccessStore, city_key: CityKey) -> str:
    """What the link of the first start carries: 256 random bits, kept wrapped by the city's key.

    Raises:
        AccessStoreError: the database of people and rights cannot be used.
        SealError: it was wrapped with another key.
    """
    wrapped = store.secret(_SECRET, lambda: city_key.wrap(os.urandom(KEY_BYTES), _SECRET))
    return base64.urlsafe_b64encode(city_key.unwrap(wrapped, _SECRET)).rstrip(b"=").decode()


class Founding:
    """Makes the first two administrators.

    Args:
        office: knows people.
        door: invites them.
        secret: what the link carries; empty where there is none, as on the command line.
    """

    def __init__(self, office: Office, door: Door, secret: str = "") -> None:
        self._office = office
        self._door = door
        self._secret = secret

    def check(self, shown: str) -> None:
        """Makes sure that whoever asks has the link of the first start, and that it still holds.

        Raises:
            NotAllowedError: it is another, or the city's two first administrators have come.
        """
        if is_founded(self._office.state):
            raise NotAllowedError("this city has its two first administrators", fix="sign in, or ask one of them")
        if not self._secret or not hmac.compare_digest(shown.encode(), self._secret.encode()):
            raise NotAllowedError(
                "this is not the link of the first start", fix="open the one that `civicam run` tells at its start"
            )

    async def found(self, login: str, name: str) -> str:
        """The invitation of one of the first two; of somebody who has not come yet it is made anew.

        Raises:
            NotAllowedError: there are two already, and this is neither.
            AccessError: the login or the name cannot be used.
            LedgerError: it cannot be written down.
        """
        known = self._office.person_of(login)
        is_waiting = known is not None and known.state is PersonState.INVITED
        if known is not None and is_waiting and Role.ADMINISTRATOR in self._office.state.roles_of(known.id):
            return await self._door.invitation(known.id)
        newcomer = await self._office.newcomer(login, name)
        await self._office.carry_out(lambda state, at_ns: people.found(state, newcomer, at_ns))
        return await self._door.invitation(newcomer.id)

"""Keeps what residents tell when they ask for footage: sealed, and forgotten a year after the decision."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Final

from civicam.access.holds import DAY_NS
from civicam.access.models import Request, RequestState
from civicam.access.office import Office
from civicam.access.requests import WARNED_NS, Said, forgotten, is_held
from civicam.core.errors import CivicamError, KeyMissingError
from civicam.ledger.entry import PersonId
from civicam.ledger.people_keys import new_person_id

_EVERY_S: Final = 3600.0
_TOLD: Final = "request"
_DELAY: Final = "delay"
_REFUSAL: Final = "refusal"


@dataclass(frozen=True, slots=True)
class Told:
    """What a resident told.

    Attributes:
        name: what they are called.
        contact: how they are reached.
        told: where they were, and what they ask for.
        identity: how they showed who they are.
    """

    name: str
    contact: str
    told: str
    identity: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What is sealed of a request.

    Attributes:
        told: by the resident.
        delay: why it takes longer, as they were told.
        refusal: why it was refused, as they are told.
    """

    told: Told = Told("", "", "", "")
    delay: str = ""
    refusal: str = ""


class Requesting:
    """Seals what residents tell, opens it, and forgets it.

    Args:
        office: knows their requests.

    Attributes:
        trouble: why something is not forgotten that should be; empty if all is.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self.trouble = ""

    async def newcomer(self, told: Told) -> tuple[PersonId, bytes]:
        """A random name for a resident, with a key of its own, and what they told, sealed with it.

        Raises:
            LedgerError: the key cannot be written.
        """
        keys, subject = self._office.keys, new_person_id(self._office.entropy)

        def sealed() -> bytes:
            keys.create(subject)
            return keys.seal(subject, json.dumps(asdict(told)).encode(), _TOLD)

        return subject, await self._office.in_thread(sealed)

    async def delay(self, subject: PersonId, words: str) -> Said:
        """Why it takes longer; raises what `refusal` does."""
        return await self._said(subject, words, _DELAY)

    async def refusal(self, subject: PersonId, words: str) -> Said:
        """Why it is refused.

        Raises:
            KeyMissingError: what the resident told is forgotten.
            LedgerError, SealError: the key cannot be read.
        """
        return await self._said(subject, words, _REFUSAL)

    async def _said(self, subject: PersonId, words: str, what: str) -> Said:
        sealed = await self._office.in_thread(lambda: self._office.keys.seal(subject, words.encode(), what))
        return Said(words, sealed)

    async def opened(self, requests: list[Request]) -> dict[int, Opened]:
        """What is sealed of requests, by their numbers; of what is forgotten, nothing.

        Raises:
            LedgerError, SealError: it cannot be read.
        """
        return await self._office.in_thread(lambda: {one.id: self._opened(one) for one in requests})

    def _opened(self, one: Request) -> Opened:
        """Blocks."""
        if one.forgotten_ns is not None:
            return Opened()
        try:
            told = Told(**json.loads(self._office.keys.open(one.subject, one.sealed, _TOLD)))
            return Opened(
                told, self._words(one, one.sealed_delay, _DELAY), self._words(one, one.sealed_refusal, _REFUSAL)
            )
        except KeyMissingError:
            return Opened()
        except CivicamError as error:  # one that cannot be read must not hide all others
            sys.stderr.write(f"civicam web: request {one.id}: {error}\n")
            return Opened()

    def _words(self, one: Request, sealed: bytes, what: str) -> str:
        return self._office.keys.open(one.subject, sealed, what).decode() if sealed else ""

    async def drop(self, subject: PersonId) -> None:
        """Forgets a resident whose request was not taken in; raises LedgerError."""
        await self._office.in_thread(lambda: self._office.keys.destroy(subject))

    async def keep(self) -> None:
        """Forgets again and again, until cancelled."""
        while True:
            try:
                await self.forget()
                self.trouble = ""
            except CivicamError as error:
                sys.stderr.write(f"civicam web: requests of residents: {error}\n")
                self.trouble = "what residents told is not forgotten in time: see the log"
            await self._office.clock.sleep(_EVERY_S)

    async def forget(self) -> None:
        """Forgets what residents told whose requests were decided a year ago.

        A key whose request is forgotten goes now, if it did not then: the power may have failed in between.

        Raises:
            LedgerError: it cannot be written down, or a key not destroyed.
            AccessStoreError: the database cannot be written.
        """
        if forgotten(self._office.state, self._office.clock.wall_ns()).rows:
            await self._office.carry_out(forgotten)
        gone = [one.subject for one in self._office.state.requests.values() if one.forgotten_ns is not None]

        def destroy() -> None:
            destroyed = [self._office.keys.destroy(subject) for subject in gone]
            if any(destroyed):
                self._office.store.wipe()

        await self._office.in_thread(destroy)

    def alarms(self) -> list[str]:
        """Whom somebody must answer soon."""
        now_ns = self._office.clock.wall_ns()
        waiting = [one for one in self._office.state.requests.values() if one.state is RequestState.OPEN]
        soon = [_alarm(one, now_ns) for one in waiting if one.due_ns - now_ns < WARNED_NS]
        unkept = [
            f"the footage of request {one.id} of a resident is not held: it may be deleted before it is answered"
            for one in waiting
            if not is_held(self._office.state, one)
        ]
        return [*([self.trouble] if self.trouble else []), *soon, *unkept]


def _alarm(one: Request, now_ns: int) -> str:
    if one.due_ns <= now_ns:
        return (
            f"request {one.id} of a resident is overdue by {(now_ns - one.due_ns) // DAY_NS} days: answer or refuse it"
        )
    return f"request {one.id} of a resident is due in {(one.due_ns - now_ns) // DAY_NS} days: answer or refuse it"

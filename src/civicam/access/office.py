"""Carries changes out: into the ledger, then into the database, then into the state that decisions are made on."""

import asyncio
import hmac
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from civicam.access import cases
from civicam.access.change import Change
from civicam.access.decide import SECOND_NS
from civicam.access.models import Person, PersonState, SessionId
from civicam.access.people import Newcomer
from civicam.access.state import State
from civicam.access.store import AccessStore, Credential
from civicam.core.citykey import KEY_BYTES, CityKey, Entropy
from civicam.core.clock import Clock
from civicam.core.errors import AccessError, CivicamError, KeyMissingError
from civicam.ledger.entry import Draft, PersonId, Receipt
from civicam.ledger.people_keys import PeopleKeys, new_person_id

_T = TypeVar("_T")
Make = Callable[[State, int], Change]
"""What makes a change, of the state and the wall time in nanoseconds."""

REFRESH_S: Final = 1.0
"""What another process changed (the command line) holds here so much later."""
_SEEN_EVERY_NS: Final = 20 * SECOND_NS
_SAVE_EVERY: Final = 30
_KEEP_SESSIONS_NS: Final = 7 * 86_400 * SECOND_NS
_LOGIN: Final = 80
_NAME: Final = 120
NOBODY: Final = PersonId("0" * 32)
"""Of whom an entry tells where there is nobody: the public cannot tell them from somebody."""
_SECRET: Final = "login hash"  # noqa: S105 - what it is for


class Ledger(Protocol):
    """Where changes are written down; `ledger.client.LedgerClient` is one."""

    async def append(self, draft: Draft) -> Receipt:
        """Writes `draft` down, and returns when it is durable; raises LedgerError."""
        ...


@dataclass(frozen=True, slots=True)
class Name:
    """What somebody is called.

    Attributes:
        login: what they sign in with.
        name: what people call them.
    """

    login: str
    name: str


class Office:
    """Keeps the state. One event loop.

    Args:
        store: the database.
        keys: seal what belongs to people.
        city_key: wraps the city's own secrets.
        ledger: where changes are written down first.
        clock: the time.
        entropy: where secrets come from.

    Attributes:
        state: all that decisions depend on, now.
        trouble: why what others change or what has run out does not hold here yet; empty if it does.
    """

    def __init__(
        self,
        store: AccessStore,
        keys: PeopleKeys,
        city_key: CityKey,
        ledger: Ledger,
        *,
        clock: Clock,
        entropy: Entropy = os.urandom,
    ) -> None:
        self.store, self.keys, self.clock, self.entropy = store, keys, clock, entropy
        self._ledger = ledger
        self.trouble = ""
        self._login_key = city_key.unwrap(
            store.secret(_SECRET, lambda: city_key.wrap(entropy(KEY_BYTES), _SECRET)), _SECRET
        )
        self._version, self.state = store.load()
        self._lock = asyncio.Lock()
        self._threads = ThreadPoolExecutor(1, "access")
        self._seen: set[SessionId] = set()
        self._destroy_erased()
        keys.create(NOBODY)

    async def close(self) -> None:
        """Keeps when sessions were last seen, and closes the database."""
        await self.in_thread(self._save_seen)
        self._threads.shutdown()
        self.store.close()

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Does what blocks on the one thread that uses the database."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def carry_out(
        self, make: Make, *, credentials: Sequence[Credential] = (), forget: PersonId | None = None
    ) -> Change:
        """Does what `make` says: nothing of it holds before all of it is written down.

        Args:
            make: makes the change.
            credentials: are kept with it.
            forget: whose credentials are deleted with it.

        Raises:
            NotAllowedError, AccessError: it may not or cannot be done.
            LedgerError: it cannot be written down, and is not done.
        """
        async with self._lock:
            await self.in_thread(self.store.lock)
            try:
                return await self._carried_out(make, credentials, forget or "")
            finally:
                await self.in_thread(self.store.unlock)

    async def _carried_out(self, make: Make, credentials: Sequence[Credential], forget: str) -> Change:
        await self._refresh()
        change = make(self.state, self.clock.wall_ns())
        for draft in change.drafts:
            await self._ledger.append(draft)
        if change.rows or credentials or forget:
            save = partial(self.store.save, change.rows, credentials, forget)
            self._version, self.state = await self.in_thread(save), self.state.put(change.rows)
        return change

    async def write(self, draft: Draft) -> Receipt:
        """Writes down what changes nothing, such as a sign-in that failed; raises LedgerError."""
        return await self._ledger.append(draft)

    async def keep(self) -> None:
        """Takes in what others change, and ends what has run out, until cancelled; what fails is tried again."""
        rounds = 0
        while True:
            await self.clock.sleep(REFRESH_S)
            rounds += 1
            try:
                await self._keep_once(rounds % _SAVE_EVERY == 0)
            except CivicamError as error:
                self.trouble = str(error)
            else:
                self.trouble = ""

    async def _keep_once(self, is_saved: bool) -> None:
        async with self._lock:
            await self._refresh()
        if any(cases.expired(self.state, self.clock.wall_ns()).rows):
            await self.carry_out(cases.expired)
        if is_saved:
            await self.in_thread(self._save_seen)

    def seen(self, session: SessionId) -> None:
        """Somebody asks for something in a session, which does not end by idleness now."""
        found, now_ns = self.state.sessions.get(session), self.clock.wall_ns()
        if found is not None and now_ns - found.seen_ns >= _SEEN_EVERY_NS:
            self.state = self.state.put([replace(found, seen_ns=now_ns)])
            self._seen.add(session)

    # People's names

    def login_hash(self, login: str) -> str:
        """What finds a person by their login, however it is written."""
        folded = unicodedata.normalize("NFKC", login).strip().casefold()
        return self.keyed("login", folded)

    def keyed(self, what: str, text: str) -> str:
        """A keyed hash (HMAC-SHA256): it finds what it was made of, and does not say it."""
        return hmac.new(self._login_key, f"{what}\0{text}".encode(), sha256).hexdigest()

    def person_of(self, login: str) -> Person | None:
        """Who signs in with that."""
        wanted = self.login_hash(login)
        return next((one for one in self.state.people.values() if one.login_hash == wanted), None)

    async def newcomer(self, login: str, name: str) -> Newcomer:
        """Somebody who is to be added, with a key of their own.

        Raises:
            AccessError: the login or the name cannot be one.
            LedgerError: the key cannot be written.
        """
        login, name = login.strip(), name.strip()
        if not (0 < len(login) <= _LOGIN and 0 < len(name) <= _NAME and (login + name).isprintable()):
            raise AccessError("a person has a login and a name", fix=f"write at most {_LOGIN} and {_NAME} letters")
        person = new_person_id(self.entropy)
        plain = json.dumps([login, name]).encode()

        def sealed() -> bytes:
            self.keys.create(person)
            return self.keys.seal(person, plain, "name")

        return Newcomer(person, login, name, self.login_hash(login), await self.in_thread(sealed))

    async def names(self) -> dict[PersonId, Name]:
        """Everybody's names; who was erased has none.

        Raises:
            SealError, LedgerError: they cannot be read.
        """
        return await self.in_thread(lambda: {person: self.name_of(person) for person in self.state.people})

    def name_of(self, person: PersonId) -> Name:
        """What somebody is called. Blocks.

        Raises:
            SealError, LedgerError: it cannot be read.
        """
        row = self.state.people[person]
        if row.state is PersonState.ERASED:
            return Name("", "erased")
        try:
            return Name(*json.loads(self.keys.open(person, row.sealed, "name")))
        except KeyMissingError:
            return Name("", "erased")

    async def forgotten(self, person: PersonId) -> None:
        """Destroys the key of somebody who was erased, and leaves nothing of them in the database's file.

        Raises:
            AccessError: they are not erased.
            LedgerError: the key cannot be destroyed.
        """
        if self.state.people[person].state is not PersonState.ERASED:
            raise AccessError("this person is not erased")

        def destroy() -> None:
            self.keys.destroy(person)
            self.store.wipe()

        await self.in_thread(destroy)

    async def _refresh(self) -> None:
        if await self.in_thread(self.store.version) != self._version:
            seen = {name: self.state.sessions[name] for name in self._seen if name in self.state.sessions}
            self._version, state = await self.in_thread(self.store.load)
            later = [
                replace(state.sessions[name], seen_ns=max(one.seen_ns, state.sessions[name].seen_ns))
                for name, one in seen.items()
                if name in state.sessions
            ]
            self.state = state.put(later)

    def _save_seen(self) -> None:
        """Blocks. Nobody else changes when a session was last seen, so it is no new state for anyone."""
        rows = [self.state.sessions[name] for name in self._seen if name in self.state.sessions]
        self._seen.clear()
        if rows:
            self.store.save_seen(rows)
        self.store.forget_sessions(self.clock.wall_ns() - _KEEP_SESSIONS_NS)

    def _destroy_erased(self) -> None:
        """A key whose person is erased goes now, if it did not then: the power may have failed in between."""
        for person in self.state.people.values():
            if person.state is PersonState.ERASED:
                self.keys.destroy(person.id)

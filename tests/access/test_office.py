"""The office: nothing holds before it is written down, processes agree, and who is erased is gone from the disk."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from civicam.access import people
from civicam.access.models import ChangeKind, PersonState, Role
from civicam.access.office import Office
from civicam.access.roles import Wanted
from civicam.access.sign_in.door import Door
from civicam.access.store import AccessStore
from civicam.app import City, open_office
from civicam.config import DataFolder
from civicam.core.errors import AccessStoreError, LedgerError
from civicam.ledger.log import LedgerFolder, read_verifier
from civicam.ledger.tiles import files_in
from civicam.ledger.verify import Trust, verify
from tests.access.house import PeopleHouse
from tests.fakes.clock import LateClock, ManualClock
from tests.ledger.house import LedgerHouse
from tests.web.served import KnownLedger


async def house_at(folder: Path) -> tuple[PeopleHouse, KnownLedger]:
    ledger = KnownLedger(folder / "ledger")
    house = PeopleHouse.build(folder / "access.sqlite", ledger, ManualClock())
    return await house.begin(), ledger


def another_office(house: PeopleHouse, ledger: KnownLedger) -> Office:
    """The same city's office in another process."""
    city_key = LedgerHouse.at(ledger.log.folder.root).city_key
    store = AccessStore(house.office.store.path)
    return Office(store, house.office.keys, city_key, ledger, clock=house.clock)


async def test_what_cannot_be_written_down_does_not_happen(tmp_path: Path) -> None:
    house, ledger = await house_at(tmp_path)
    ledger.fails = True
    first = house.administrators[0]
    newcomer = await house.office.newcomer("late", "Late")
    with pytest.raises(LedgerError):
        await house.office.carry_out(lambda state, at_ns: people.invite(state, first.who, newcomer, at_ns))
    assert newcomer.id not in house.office.state.people
    assert newcomer.id not in house.office.store.load()[1].people


async def test_what_another_process_changes_holds_here(tmp_path: Path) -> None:
    house, ledger = await house_at(tmp_path)
    other = another_office(house, ledger)
    somebody = await house.person("dilshod", Role.OPERATOR)
    assert somebody.id not in other.state.people
    first = await house.opens(house.administrators[0])
    await other.carry_out(lambda state, at_ns: people.leave(state, first.who, somebody.id, at_ns))
    keeping = asyncio.create_task(house.office.keep())
    while house.office.state.people[somebody.id].state is not PersonState.LEFT:
        await asyncio.sleep(0)
        assert isinstance(house.clock, ManualClock)
        house.clock.advance(0.1)
    keeping.cancel()
    await other.close()


async def test_two_processes_do_not_undo_each_other(tmp_path: Path) -> None:
    house, ledger = await house_at(tmp_path)
    other = another_office(house, ledger)
    first = house.administrators[0]

    async def invites(office: Office, login: str) -> None:
        newcomer = await office.newcomer(login, login)
        await office.carry_out(lambda state, at_ns: people.invite(state, first.who, newcomer, at_ns))

    await asyncio.gather(
        *(
            invites(office, f"{name}{number}")
            for number in range(10)
            for name, office in (("a", house.office), ("b", other))
        )
    )
    _, state = house.office.store.load()
    assert len(state.people) == 22
    await other.close()


async def test_a_session_that_is_used_outlives_a_restart(tmp_path: Path) -> None:
    house, ledger = await house_at(tmp_path)
    somebody = await house.opens(house.administrators[0])
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(1500)
    assert somebody.who.session is not None
    house.office.seen(somebody.who.session)
    await house.office.close()
    house.clock.advance(1500)
    again = another_office(house, ledger)
    door = Door(again, "Khujand")
    assert door.who_has_session(somebody.session)
    house.clock.advance(600)
    assert door.who_has_session(somebody.session) is None
    await again.close()


def test_who_is_erased_is_nowhere_on_the_disk_and_the_ledger_holds(tmp_path: Path) -> None:
    name, login = "Dilshod Uniquename", "dilshod-uniquelogin"
    city, clock = City.create(DataFolder(tmp_path / "city"), "Khujand", {}), LateClock()

    async def live_and_leave() -> None:
        async with open_office(city, clock) as office:
            house = PeopleHouse(office, Door(office, "Khujand"), clock)
            await house.begin()
            first = await house.opens(house.administrators[0])
            newcomer = await office.newcomer(login, name)
            await office.carry_out(lambda state, at_ns: people.invite(state, first.who, newcomer, at_ns))
            somebody = await house.comes(newcomer.id, login)
            await house.agree(Wanted(ChangeKind.GIVE, somebody.id, Role.INVESTIGATOR))
            first = await house.opens(house.administrators[0])
            person = somebody.id
            assert office.name_of(person).name == name
            await office.carry_out(lambda state, at_ns: people.leave(state, first.who, person, at_ns), forget=person)
            clock.late_ns = people.ERASED_AFTER_NS
            await house.agree(Wanted(ChangeKind.ERASE, person))
            await office.forgotten(person)
            assert (await office.names())[person].name == "erased"
            assert not office.keys.is_known(person)

    asyncio.run(live_and_leave())
    files = [path for path in city.data.root.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        data = path.read_bytes()
        for word in (name, "Uniquename", login, "uniquelogin"):
            assert word.encode() not in data, path
            assert word.encode("utf-16-le") not in data, path
    folder = LedgerFolder(city.data.ledger)
    found = verify(files_in(folder.public), Trust(read_verifier(folder)))
    assert found.problems == []


@pytest.mark.parametrize("data", [b"", b"no database" * 100])
def test_a_file_that_is_no_database_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "access.sqlite"
    path.write_bytes(data)
    if data:
        with pytest.raises(AccessStoreError):
            AccessStore(path)
    else:
        AccessStore(path).close()
    assert path.exists()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "access.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(AccessStoreError, match="another program"):
        AccessStore(path)

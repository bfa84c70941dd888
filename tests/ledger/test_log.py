"""What was acknowledged is in the tree, whatever happened meanwhile; what was not is not half there."""

import errno
import json
import shutil
from pathlib import Path

import pytest

from civicam.core.errors import ConfigError, KeyMissingError, LedgerError, SealError
from civicam.ledger import durable
from civicam.ledger.encoding import decode
from civicam.ledger.entry import Draft, Kind
from civicam.ledger.log import LedgerFolder, Log, create_log, read_parts
from civicam.ledger.merkle import check_inclusion, inclusion_proof, leaf_hash, root_of
from civicam.ledger.parts import open_part
from tests.ledger.house import NOON_NS, ORIGIN, LedgerHouse, draft, drafts


@pytest.fixture
def house(tmp_path: Path) -> LedgerHouse:
    return LedgerHouse.build(tmp_path / "ledger")


def numbers(log: Log) -> list[int]:
    """What the entries in the tiles say."""
    reader = log.reader()
    return [decode(reader.entry(index))["number"] for index in range(log.checkpoint.size)]


def test_an_empty_log_has_a_signed_checkpoint(house: LedgerHouse) -> None:
    log = house.open()
    assert log.size == 0
    assert log.note().check(log.verifier) == 0
    assert log.integrate().size == 0


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 700])
def test_every_entry_is_proven_by_the_checkpoint(house: LedgerHouse, size: int) -> None:
    log = house.with_entries(size)
    reader, checkpoint = log.reader(), log.checkpoint
    leaves = [leaf_hash(reader.entry(index)) for index in range(size)]
    assert root_of(leaves) == checkpoint.root
    assert numbers(log) == list(range(size))
    for index in {0, size // 2, size - 1}:
        check_inclusion(leaves[index], index, size, inclusion_proof(index, size, reader.node), checkpoint.root)


def test_a_large_batch_is_one_tree_with_a_third_level(house: LedgerHouse) -> None:
    log = house.with_entries(65_537 + 300, at_once=70_000)
    reader = log.reader()
    index = 65_600
    proof = inclusion_proof(index, log.size, reader.node)
    check_inclusion(leaf_hash(reader.entry(index)), index, log.size, proof, log.checkpoint.root)
    log.close()
    again = house.open()
    again.append(drafts(1, log.size), NOON_NS)
    assert again.integrate().size == log.size + 1


def test_a_receipt_says_where_the_entry_is(house: LedgerHouse) -> None:
    log = house.open()
    first = log.append(drafts(2), NOON_NS)
    assert [receipt.index for receipt in first] == [0, 1]
    log.integrate()
    (third,) = log.append(drafts(1, 2), NOON_NS)
    assert (third.index, third.wall_ns, log.waiting) == (2, NOON_NS, 1)
    assert decode(log.reader().entry(0))["at"] == "2026-03-01T12:00:00.000Z"


def test_what_was_acknowledged_survives_without_ever_having_been_in_a_tile(house: LedgerHouse) -> None:
    house.open().append(drafts(3), NOON_NS)  # and the process dies: nothing is closed
    shutil.copytree(house.folder.root, copy := house.folder.root.with_name("after"))
    log = Log(LedgerFolder(copy), house.city_key)
    assert log.size == 3
    log.integrate()
    assert numbers(log) == [0, 1, 2]


def test_a_journal_cut_at_any_byte_keeps_every_whole_entry(house: LedgerHouse, tmp_path: Path) -> None:
    log = house.open()
    ends = [log._journal.size_bytes]
    for number in range(3):
        log.append([draft(number)], NOON_NS)
        ends.append(log._journal.size_bytes)
    data = house.folder.journal.read_bytes()
    for cut in range(ends[0], len(data) + 1):
        shutil.copytree(house.folder.root, folder := tmp_path / f"cut-{cut}")
        (folder / "journal").write_bytes(data[:cut])
        again = Log(LedgerFolder(folder), house.city_key)
        kept = sum(cut >= end for end in ends[1:])
        assert again.size == kept
        again.append([draft(kept)], NOON_NS)
        again.integrate()
        assert numbers(again) == list(range(kept + 1))
        again.close()
        shutil.rmtree(folder)


class Disk:
    """The disk that a log writes to; from the n-th file on it is full."""

    def __init__(self) -> None:
        self.room = 10**9

    def write_whole(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        durable.write_whole(path, data, mode)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("civicam.ledger.log.write_whole", disk.write_whole)
    monkeypatch.setattr("civicam.ledger.journal.write_whole", disk.write_whole)
    return disk


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_disk_that_fills_at_any_file_loses_nothing(house: LedgerHouse, disk: Disk, is_killed: bool) -> None:
    log = house.with_entries(250)
    failed = 0
    for files_written in range(8):  # bundle, tiles, checkpoint, journal, and some more where a tile becomes whole
        log.append(drafts(20, log.size), NOON_NS)
        disk.room = files_written
        try:
            log.integrate()
        except LedgerError:
            failed += 1
        disk.room = 10**9
        if is_killed:
            log.close()
            log = house.open()
        log.integrate()
        assert numbers(log) == list(range(250 + 20 * (files_written + 1)))
    assert failed >= 4


def test_a_draft_that_cannot_be_written_takes_none_of_its_batch_with_it(house: LedgerHouse) -> None:
    log = house.open()
    with pytest.raises(LedgerError, match="at most 8192 bytes"):
        log.append([draft(0), Draft(Kind.VIEW, {"camera": "x" * 9000})], NOON_NS)
    assert log.size == 0


def test_two_processes_do_not_write_one_log(house: LedgerHouse) -> None:
    log = house.open()
    with pytest.raises(LedgerError, match="another process"):
        house.open()
    log.close()
    house.open().close()


def test_a_log_is_never_made_twice(house: LedgerHouse) -> None:
    before = house.folder.about.read_bytes()
    with pytest.raises(ConfigError, match="already"):
        create_log(house.folder, ORIGIN, house.city_key)
    assert house.folder.about.read_bytes() == before


@pytest.mark.parametrize("what", ["public/tile/0/000.p/200", "newest"])
def test_a_log_whose_files_were_altered_is_not_gone_on_with(house: LedgerHouse, what: str) -> None:
    house.with_entries(200).close()
    path = house.folder.root / what
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(LedgerError):
        house.open()


@pytest.mark.parametrize("taken", [["public"], ["public", "newest"]])
def test_tiles_from_a_backup_under_a_newer_journal_are_not_gone_on_with(
    house: LedgerHouse, tmp_path: Path, taken: list[str]
) -> None:
    house.with_entries(10).close()
    shutil.copytree(house.folder.root, tmp_path / "backup")
    house.with_entries(300).close()
    shutil.rmtree(house.folder.public)
    shutil.copytree(tmp_path / "backup" / "public", house.folder.public)
    if "newest" in taken:
        shutil.copy(tmp_path / "backup" / "newest", house.folder.newest)
    with pytest.raises(LedgerError):
        house.open()


def test_a_persons_part_opens_until_they_are_erased(house: LedgerHouse) -> None:
    log = house.open()
    person = house.person(log)
    log.append([draft(0, person, reason="a theft at the gate")], NOON_NS)
    log.integrate()
    entry, sealed = decode(log.reader().entry(0)), read_parts(log.folder, 0)
    part = open_part("viewer", sealed["viewer"], entry["parts"]["viewer"], log.keys)
    assert part.facts["reason"] == "a theft at the gate"
    with pytest.raises(SealError):
        open_part("approved-by", sealed["viewer"], entry["parts"]["viewer"], log.keys)
    with pytest.raises(LedgerError, match="not what the entry committed to"):
        open_part("viewer", sealed["viewer"], "another", log.keys)
    assert log.keys.destroy(person)
    with pytest.raises(KeyMissingError):
        open_part("viewer", sealed["viewer"], entry["parts"]["viewer"], log.keys)
    log.append(drafts(1, 1), NOON_NS)
    assert log.integrate().size == 2


def test_what_is_known_of_people_is_nowhere_in_clear(house: LedgerHouse) -> None:
    log = house.open()
    log.append([draft(0, house.person(log))], NOON_NS)
    before = every_byte(house.folder.root)
    log.integrate()
    for data in (before, every_byte(house.folder.root)):
        assert b"gate-1" in data
        assert b"Nilufar" not in data


def every_byte(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_two_entries_of_one_person_have_nothing_in_common(house: LedgerHouse) -> None:
    log = house.open()
    person = house.person(log)
    log.append([draft(0, person), draft(0, person)], NOON_NS)
    log.integrate()
    one, other = (decode(log.reader().entry(index))["parts"]["viewer"] for index in range(2))
    assert one != other
    assert person not in json.dumps([one, other])


def test_nobody_unknown_is_written_about(house: LedgerHouse) -> None:
    log = house.open()
    person = house.person(log)
    log.keys.destroy(person)
    with pytest.raises(KeyMissingError):
        log.append([draft(0, person)], NOON_NS)
    assert log.size == 0

"""What retention deletes is gone and has a receipt in the ledger, one for one; `check --deleted` says where not."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.deletions import KEPT_NS
from civicam.core.errors import LedgerError
from civicam.ledger.encoding import decode, encode
from civicam.upkeep.deleted import check_deleted
from civicam.upkeep.retention import Retention, RetentionPolicy
from civicam.upkeep.written import deletion_draft
from tests.fakes.recorded import KEYS, START_NS, Recorded, S
from tests.upkeep.year import Year

HOUR_NS = 3600 * S


class Receipts:
    """A ledger of receipts alone."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    def write(self, catalogue: Catalogue, now_ns: int) -> None:
        """As the recorder does after each round."""
        rows = catalogue.deletions(1000, written=False)
        for rule in sorted({row.rule for row in rows}):
            told = [row for row in rows if row.rule == rule]
            self.entries.append(encode(deletion_draft(told, rule), now_ns, {}))
            catalogue.write_receipt(told, len(self.entries) - 1, now_ns)

    def read(self, entry: int) -> Mapping[str, object]:
        if entry >= len(self.entries):
            raise LedgerError("there is no such entry")
        return decode(self.entries[entry])


@pytest.fixture
def city(tmp_path: Path) -> Recorded:
    return Recorded.make(tmp_path)


def aged(city: Recorded, catalogue: Catalogue, now_ns: int, hours: float = 1) -> None:
    """Deletes what is older than so many hours."""
    Retention(catalogue, [city.volume], RetentionPolicy(int(hours * HOUR_NS), {}, {})).round(now_ns)


def test_each_deletion_stands_in_a_receipt_that_says_by_which_rule(city: Recorded) -> None:
    ledger, now_ns = Receipts(), START_NS + 2 * HOUR_NS
    with Catalogue.open(city.path) as catalogue:
        rows = catalogue.segments(KEYS[0]) + catalogue.segments(KEYS[1])
        aged(city, catalogue, now_ns)
        assert len(catalogue.deletions(1000, written=False)) == len(rows)
        ledger.write(catalogue, now_ns)
        assert catalogue.deletions(1000, written=False) == []
        said = ledger.read(0)
        assert (said["segments"], said["rule"], said["cameras"]) == (len(rows), "age", 2)
        found = check_deleted(catalogue, [city.volume], ledger.read)
    assert (found.deletions, found.receipts, found.waiting, found.problems) == (len(rows), 1, 0, [])
    assert not list(city.volume.root.rglob("*.civ"))
    assert not list(city.volume.root.rglob("day.key"))


def test_a_crash_before_the_receipt_loses_none(city: Recorded) -> None:
    ledger, now_ns = Receipts(), START_NS + 2 * HOUR_NS
    with Catalogue.open(city.path) as catalogue:
        aged(city, catalogue, now_ns)
        waiting = check_deleted(catalogue, [city.volume], ledger.read)
        assert (waiting.waiting, waiting.problems) == (waiting.deletions, [])
    with Catalogue.open(city.path) as catalogue:  # after the crash
        ledger.write(catalogue, now_ns)
        found = check_deleted(catalogue, [city.volume], ledger.read)
    assert (found.waiting, found.receipts, found.problems) == (0, 1, [])


def test_what_is_held_has_no_receipt_and_stays(city: Recorded) -> None:
    ledger, now_ns = Receipts(), START_NS + 2 * HOUR_NS
    with Catalogue.open(city.path) as catalogue:
        catalogue.add_hold(KEYS[0].camera, (START_NS, START_NS + 60 * S), "case 1", now_ns=now_ns)
        held = catalogue.segments(KEYS[0])
        aged(city, catalogue, now_ns)
        ledger.write(catalogue, now_ns)
        assert catalogue.segments(KEYS[0]) == held
        assert {row.segment.key for row in catalogue.deletions(1000, written=True)} == {KEYS[1]}


def test_what_came_back_or_has_a_key_left_or_no_receipt_is_found(city: Recorded, tmp_path: Path) -> None:
    ledger, now_ns = Receipts(), START_NS + 2 * HOUR_NS
    shutil.copytree(city.volume.root, tmp_path / "copy")
    with Catalogue.open(city.path) as catalogue:
        aged(city, catalogue, now_ns)
        ledger.write(catalogue, now_ns)
        (kept,) = [path for path in (tmp_path / "copy").rglob("day.key") if KEYS[0].camera in str(path)]
        back = city.volume.root / kept.relative_to(tmp_path / "copy")
        back.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, back)
        (problem,) = check_deleted(catalogue, [city.volume], ledger.read).problems
        assert "a key of a day of which nothing is left" in problem
        segment = next(kept.parent.glob("*.civ"))
        shutil.copy(segment, back.parent)
        (problem,) = check_deleted(catalogue, [city.volume], ledger.read).problems
        assert "it was deleted, and is there" in problem
        shutil.rmtree(back.parent)
        ledger.entries[0] = ledger.entries[0].replace(b'"segments":', b'"segments":1')
        (problem,) = check_deleted(catalogue, [city.volume], ledger.read).problems
        assert "is not the receipt" in problem
        ledger.entries.clear()
        (problem,) = check_deleted(catalogue, [city.volume], ledger.read).problems
        assert "cannot be read" in problem


def test_the_catalogue_forgets_deletions_some_days_after_their_receipt(city: Recorded) -> None:
    ledger, now_ns = Receipts(), START_NS + 2 * HOUR_NS
    with Catalogue.open(city.path) as catalogue:
        aged(city, catalogue, now_ns)
        ledger.write(catalogue, now_ns)
        assert catalogue.deletions(1000, written=True)
        catalogue.write_receipt([], 0, now_ns + KEPT_NS + 1)
        assert catalogue.deletions(1000, written=True) == []


def test_what_has_to_go_for_room_says_so(city: Recorded) -> None:
    now_ns = START_NS + 2 * HOUR_NS
    with Catalogue.open(city.path) as catalogue:
        policy = replace(RetentionPolicy(None, {}, {}), limit_bytes={"main": 1})
        Retention(catalogue, [city.volume], policy).round(now_ns)
        assert {row.rule for row in catalogue.deletions(1000, written=False)} == {"room"}


def test_over_months_the_disk_keeps_to_its_limit_and_each_deletion_has_its_receipt(tmp_path: Path) -> None:
    year = Year(tmp_path, cameras=3, a_day=2)
    year.run(100)
    told = year.summary(100)
    assert told["rules"] == ["room"] or told["rules"] == ["age", "room"]
    assert year.catalogue_bytes[-1] < 2 * year.catalogue_bytes[0]
    year.catalogue.close()

"""A repair makes the catalogue anew from the files, and serves nothing that is not good."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.models import Camera, GapRow, Hold, Segment
from civicam.core.citykey import CityKey
from civicam.core.errors import CatalogueError
from civicam.core.ids import GapCause
from civicam.core.spans import total_ns
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName
from civicam.upkeep.check import check
from civicam.upkeep.repair import RepairReport, repair
from civicam.upkeep.report import Fault, Report
from tests.fakes.recorded import EPOCH, KEYS, START_NS, Recorded, S, minute
from tests.upkeep.test_check import (
    bad_fields,
    bad_payload,
    bad_trailer,
    cut_off,
    flip,
    forget_row,
    hiding_gap,
    longer_row,
    lost_gap,
    no_segment,
    other_day,
    other_header,
    overlapping_row,
    remove_file,
    renamed,
)

NOW_NS = START_NS + 120 * S
Content = tuple[list[Camera], list[Segment], list[GapRow], list[Hold]]


def mend(made: Recorded, *, deep: bool = False) -> RepairReport:
    return repair(made.path, [made.volume], made.keyring, deep=deep, now_ns=NOW_NS)


def look(made: Recorded, *, deep: bool = True) -> Report:
    with Catalogue.open(made.path) as catalogue:
        return check(catalogue, [made.volume], made.keyring, deep=deep, now_ns=NOW_NS)


def content(made: Recorded) -> Content:
    with Catalogue.open(made.path) as catalogue:
        keys = catalogue.streams()
        return (
            catalogue.cameras(removed=True),
            [row for key in keys for row in catalogue.segments(key)],
            [gap for key in keys for gap in catalogue.gaps(key)],
            catalogue.holds(),
        )


def destroy(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def files(made: Recorded) -> set[str]:
    return {path.name for path in made.volume.root.rglob("*.civ")}


@pytest.mark.parametrize("deep", [False, True])
def test_repairing_a_sound_system_changes_nothing(tmp_path: Path, deep: bool) -> None:
    made = Recorded.make(tmp_path)
    with Catalogue.open(made.path) as catalogue:
        catalogue.add_hold(KEYS[0].camera, (START_NS, START_NS + 5 * S), "case 4", now_ns=NOW_NS)
        oldest = catalogue.oldest_segments(99)
        due = [catalogue.due(key, (0, NOW_NS)) for key in KEYS]
    before, names = content(made), files(made)
    report = mend(made, deep=deep)
    assert content(made) == before
    assert files(made) == names
    assert (report.quarantined, report.recovered, report.losses, report.recreated) == ([], [], [], [])
    assert report.segment_count == len(before[1])
    with Catalogue.open(made.path) as catalogue:
        assert catalogue.oldest_segments(99) == oldest
        assert [catalogue.due(key, (0, NOW_NS)) for key in KEYS] == due
        run = catalogue.last_run()
        assert run is not None
        assert run.epoch == EPOCH
    assert look(made).problems == []


def test_without_a_catalogue_footage_alone_tells_segments_and_gaps(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = content(made)
    destroy(made.path)
    report = mend(made)
    cameras, segments, gaps, _ = content(made)
    assert segments == before[1]
    # What is told after the last fragment is in no file.
    assert gaps == [gap for gap in before[2] if gap.cause is not GapCause.SHUT_DOWN]
    assert [(camera.id, camera.urls, camera.credentials) for camera in cameras] == [(k.camera, {}, None) for k in KEYS]
    assert report.recreated == [str(key) for key in KEYS]
    assert report.kept_as is None
    assert look(made).problems == []


@pytest.mark.parametrize(
    ("plant", "deep"),
    [
        (remove_file, False),
        (forget_row, False),
        (cut_off, False),
        (no_segment, False),
        (other_header, False),
        (bad_trailer, False),
        (bad_payload, True),
        (bad_fields, False),
        (renamed, False),
        (other_day, False),
        (longer_row, False),
        (overlapping_row, False),
        (lost_gap, False),
        (hiding_gap, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_after_a_repair_nothing_is_wrong_and_nothing_is_unexplained(tmp_path: Path, plant: object, deep: bool) -> None:
    made = Recorded.make(tmp_path)
    assert callable(plant)
    plant(made)
    mend(made, deep=deep)
    assert [str(problem) for problem in look(made).problems if problem.kind is not Fault.BAD_FRAGMENT] == []
    once, names = content(made), files(made)
    assert mend(made, deep=deep).quarantined == []
    assert content(made) == once
    assert files(made) == names


def test_a_bad_end_costs_no_footage(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = content(made)
    cut_off(made)
    report = mend(made)
    assert content(made) == before
    assert len(report.quarantined) == 1
    assert Path(report.quarantined[0]).is_file()


def test_an_altered_fragment_is_under_a_gap_and_the_file_stays(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    names = files(made)
    bad_payload(made)
    mend(made, deep=True)
    damaged = [gap for gap in content(made)[2] if gap.cause is GapCause.DAMAGED]
    assert [gap.end_wall_ns - gap.start_wall_ns for gap in damaged] == [pytest.approx(2 * S, abs=1000)]
    assert files(made) == names
    mend(made, deep=False)  # which cannot see it, and still believes it
    assert [gap for gap in content(made)[2] if gap.cause is GapCause.DAMAGED] == damaged


def test_an_altered_header_takes_the_whole_file_out_of_service(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    path = made.file(3)
    row = made.segments()[3]
    other_header(made)
    report = mend(made)
    assert not path.exists()
    assert path.name in {Path(place).name for place in report.quarantined}
    with Catalogue.open(made.path) as catalogue:
        coverage = catalogue.coverage(row.key, (row.start_wall_ns, row.end_wall_ns))
    assert coverage.playable == []
    assert GapCause.DAMAGED in {gap.cause for gap in coverage.gaps}


def test_what_a_crash_left_open_is_closed_and_kept(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1], stop=False)
    rows = made.segments()
    report = mend(made)
    assert len(report.recovered) == 1
    assert [(r.start_wall_ns, r.end_wall_ns, r.sample_count) for r in made.segments()] == [
        (r.start_wall_ns, r.end_wall_ns, r.sample_count) for r in rows
    ]
    assert look(made).problems == []


def test_an_older_copy_of_the_catalogue_learns_what_came_after_it(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    shutil.copy(made.path, tmp_path / "older")
    with Catalogue.open(made.path) as catalogue:
        made.record(catalogue, KEYS[0], START_NS + 3600 * S)
    newer = made.segments()
    destroy(made.path)
    shutil.copy(tmp_path / "older", made.path)
    report = mend(made)
    assert made.segments() == newer
    assert report.kept_as is not None
    assert Path(report.kept_as).name == "catalogue.sqlite.20260301T000200Z"
    with Catalogue.open(made.path) as catalogue:
        between = catalogue.gaps(KEYS[0], (START_NS + 62 * S, START_NS + 3600 * S))
        assert [gap.cause for gap in between] == [GapCause.CRASH]
        assert catalogue.cameras()[0].urls
    assert look(made).problems == []


def test_a_broken_catalogue_still_gives_its_cameras(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = content(made)
    with sqlite3.connect(made.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'segments'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    with made.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with Catalogue.open(made.path) as catalogue:
        assert any("Tree" in text or "malformed" in text for text in catalogue.faults())
        with pytest.raises(CatalogueError, match="check --repair"):
            catalogue.segments(KEYS[0])
    report = mend(made)
    assert report.losses
    assert content(made) == before
    assert look(made).problems == []


def test_a_file_that_is_no_database_is_kept_aside(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    destroy(made.path)
    made.path.write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(CatalogueError, match="check --repair"):
        Catalogue.open(made.path)
    report = mend(made)
    assert report.kept_as is not None
    assert Path(report.kept_as).read_bytes().startswith(b"nothing")
    assert look(made).problems == []


def test_a_newer_catalogue_is_not_replaced(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    with sqlite3.connect(made.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CatalogueError, match="newer"):
        mend(made)


def test_nothing_is_repaired_while_something_is_recorded(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    writer = made._segment(made.volume, KEYS[0], START_NS + 70 * S, minute()[0])
    with pytest.raises(CatalogueError, match="stop the recorder"):
        mend(made)
    writer.abandon()
    assert mend(made).segment_count == len(made.segments())


def test_without_its_key_a_day_is_not_called_playable_and_comes_back_with_it(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    keyring, before = made.keyring, content(made)
    made.keyring = KeyRing(CityKey(b"x" * 32))
    report = mend(made)
    assert len(report.unreadable) == len(before[1])
    with Catalogue.open(made.path) as catalogue:
        for key in KEYS:
            coverage = catalogue.coverage(key, (0, START_NS + 61 * S))
            assert total_ns(coverage.playable) == 0
            assert coverage.unexplained == []
    made.keyring = keyring
    mend(made, deep=True)
    assert content(made) == before


def test_retention_that_a_crash_cut_short_is_finished(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    with Catalogue.open(made.path) as catalogue:
        rows = catalogue.expire(catalogue.oldest_segments(99))
    assert look(made).count() == {Fault.EXTRA_FILE: len(rows)}
    mend(made)
    assert look(made).problems == []
    with Catalogue.open(made.path) as catalogue:
        again = catalogue.expire(catalogue.oldest_segments(99))
    assert again == rows
    for row in rows[:-1]:
        made.volume.delete(SegmentName.make(row.key, row.start_wall_ns, row.epoch))
    key = made.file_of(rows[-1]).with_name("day.key")
    made.file_of(rows[-1]).unlink()  # the crash came before its key went
    assert key.exists()
    assert look(made).count() == {Fault.ORPHAN_KEY: 1}
    mend(made)
    assert not key.exists()
    assert look(made).problems == []


def test_two_recordings_of_one_moment_are_told_apart(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    path = made.file(3)
    copy = path.with_name(path.name.replace(str(EPOCH), str(EPOCH + 1)))
    shutil.copy(path, copy)
    flip(copy, 400)
    rows = made.segments()
    report = mend(made)
    assert made.segments() == rows
    assert not copy.exists()
    assert len(report.quarantined) == 1
    with Catalogue.open(made.path) as catalogue:
        assert catalogue.segments(KEYS[0], ALL_TIME) == rows


def test_what_is_changed_while_a_repair_runs_is_refused_and_not_lost(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    window = (START_NS, START_NS + S)
    refused: list[str] = []

    def change_something(_: int) -> None:
        with Catalogue.open(made.path) as another:
            assert len(another.cameras()) == 1  # reading goes on
            with pytest.raises(CatalogueError, match="made anew") as told:
                another.add_hold(KEYS[0].camera, window, "case 4", now_ns=NOW_NS)
        refused.append(str(told.value))

    with Catalogue.open(made.path) as early:
        repair(made.path, [made.volume], made.keyring, deep=False, now_ns=NOW_NS, progress=change_something, threads=1)
        with pytest.raises(CatalogueError, match="taken this one's place"):
            early.add_hold(KEYS[0].camera, window, "case 5", now_ns=NOW_NS)
    assert refused
    with Catalogue.open(made.path) as after:
        assert after.holds() == []
        after.add_hold(KEYS[0].camera, window, "case 6", now_ns=NOW_NS)
        assert [hold.reason for hold in after.holds()] == ["case 6"]
    assert sorted(path.name for path in tmp_path.glob("*.new*")) == []

"""A check is quiet about a sound system, and names each fault that is put into one."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import GapRow
from civicam.core.citykey import CityKey
from civicam.core.ids import GapCause
from civicam.footage.keys import KeyRing
from civicam.footage.layout import Day, SegmentName
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import TRAILER_BYTES
from civicam.footage.volume import Volume
from civicam.upkeep.check import GRACE_NS, check
from civicam.upkeep.report import FIXES, Fault, Report
from tests.fakes.recorded import EPOCH, KEYS, START_NS, Recorded, S, minute


def look(made: Recorded, *, deep: bool = False, volumes: list[Volume] | None = None) -> Report:
    with Catalogue.open(made.path) as catalogue:
        return check(catalogue, volumes or [made.volume], made.keyring, deep=deep, now_ns=START_NS + 120 * S)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    byte = path.read_bytes()[offset]
    overwrite(path, offset, bytes([byte ^ 1]))


def extent(path: Path, number: int) -> tuple[int, int]:
    with SegmentReader.open(path) as reader:
        found = reader.extents()[number]
        return found.offset, found.size_bytes


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_system_has_no_problems(tmp_path: Path, deep: bool) -> None:
    made = Recorded.make(tmp_path)
    seen: list[tuple[int, int]] = []
    with Catalogue.open(made.path) as catalogue:
        report = check(
            catalogue,
            [made.volume],
            made.keyring,
            deep=deep,
            now_ns=START_NS,
            progress=lambda done, total: seen.append((done, total)),
        )
    assert [str(problem) for problem in report.problems] == []
    assert report.exit_status == 0
    assert report.segment_count == report.file_count == len(seen) >= 18
    assert seen[-1] == (report.file_count, report.file_count)
    # 54 s at 15 pictures a second; those between the loss and the next key are damaged and not counted when decoded
    assert report.sample_count == (2 * (54 * 15 - 20) if deep else 2 * 54 * 15)
    assert report.decoded_count == (report.sample_count if deep else 0)
    for stream in report.streams:
        assert stream.due_ns == stream.playable_ns + sum(stream.gap_ns.values())
        assert set(stream.gap_ns) == {"lost packets", "camera silent", "shut down"}
        assert 0.8 < stream.completeness < 0.95
    raw = json.loads(report.to_json())
    assert raw["is_good"] is True
    assert raw["streams"][0]["completeness"] == report.streams[0].completeness


def remove_file(made: Recorded) -> None:
    made.file(3).unlink()


def forget_row(made: Recorded) -> None:
    row = made.segments()[3]
    with Catalogue.open(made.path) as catalogue:
        catalogue.forget(row.key, row.start_wall_ns)


def cut_off(made: Recorded) -> None:
    path = made.file(3)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)


def no_segment(made: Recorded) -> None:
    overwrite(made.file(3), 0, b"CIVSEG99")


def other_header(made: Recorded) -> None:
    path = made.file(3)
    overwrite(path, path.read_bytes().index(b'"width":64'), b'"width":65')


def bad_trailer(made: Recorded) -> None:
    path = made.file(3)
    flip(path, path.stat().st_size - TRAILER_BYTES + 20)


def bad_payload(made: Recorded) -> None:
    path = made.file(3)
    offset, size = extent(path, 1)
    flip(path, offset + size // 2)


def bad_fields(made: Recorded) -> None:
    path = made.file(3)
    overwrite(path, extent(path, 1)[0], b"GARF")


def renamed(made: Recorded) -> None:
    path = made.file(3)
    path.rename(path.with_name(path.name.replace(str(EPOCH), str(EPOCH + 1))))


def other_day(made: Recorded) -> None:
    path = made.file(3)
    folder = path.parent.parent / "2026-03-02"
    folder.mkdir()
    path.rename(folder / path.name)


def no_key(made: Recorded) -> None:
    (made.file(0).parent / "day.key").unlink()


def wrong_key(made: Recorded) -> None:
    made.keyring = KeyRing(CityKey(b"x" * 32))


def orphan_key(made: Recorded) -> None:
    made.keyring.day_key(made.volume.root, KEYS[0].camera, Day("2026-02-01"))


def stray(made: Recorded) -> None:
    (made.file(0).parent / "notes.txt").write_text("x")


def change_row(**changes: object) -> Callable[[Recorded], None]:
    def change(made: Recorded) -> None:
        row = made.segments()[3]
        with Catalogue.open(made.path) as catalogue:
            catalogue.record([replace(row, **changes)])  # type: ignore[arg-type] # fields by name

    return change


def longer_row(made: Recorded) -> None:
    row = made.segments()[-1]
    with Catalogue.open(made.path) as catalogue:
        with catalogue.changing() as rows:
            for gap in catalogue.gaps(row.key, (row.end_wall_ns, row.end_wall_ns + 60 * S)):
                rows.take_gap(row.key, gap.start_wall_ns)
        catalogue.record([replace(row, end_wall_ns=row.end_wall_ns + 5 * S)])


def overlapping_row(made: Recorded) -> None:
    row = made.segments()[3]
    with Catalogue.open(made.path) as catalogue:
        catalogue.record([replace(row, end_wall_ns=row.end_wall_ns + S)])


def lost_gap(made: Recorded) -> None:
    with Catalogue.open(made.path) as catalogue, catalogue.changing() as rows:
        silent = next(gap for gap in catalogue_gaps(made) if gap.cause is GapCause.CAMERA_SILENT)
        rows.take_gap(silent.key, silent.start_wall_ns)


def catalogue_gaps(made: Recorded) -> list[GapRow]:
    with Catalogue.open(made.path) as catalogue:
        return catalogue.gaps(KEYS[0])


def hiding_gap(made: Recorded) -> None:
    with Catalogue.open(made.path) as catalogue:
        catalogue.record([], [GapRow(KEYS[0], START_NS + S, START_NS + 2 * S, GapCause.DISK)])


def due_before(made: Recorded) -> None:
    with Catalogue.open(made.path) as catalogue, catalogue._database.writing() as connection:
        connection.execute("UPDATE due SET start_ns = start_ns - ?", (S,))


def far_away(made: Recorded) -> None:
    row = made.segments()[3]
    with Catalogue.open(made.path) as catalogue:
        catalogue.record([replace(row, volume="elsewhere")])


def broken_reference(made: Recorded) -> None:
    with Catalogue.open(made.path) as catalogue:
        catalogue._database._connection.execute("PRAGMA foreign_keys = OFF")
        catalogue._database._connection.execute("DELETE FROM cameras WHERE id = ?", (KEYS[0].camera,))
        catalogue._database._connection.execute("DELETE FROM register WHERE camera = ?", (KEYS[0].camera,))


@pytest.mark.parametrize(
    ("plant", "deep", "expected"),
    [
        (remove_file, False, {Fault.MISSING_FILE: 1}),
        (forget_row, False, {Fault.EXTRA_FILE: 1, Fault.UNEXPLAINED: 1}),
        (cut_off, False, {Fault.WRONG_PLACE: 1, Fault.WRONG_SIZE: 1, Fault.BAD_FRAMING: 1}),
        (no_segment, False, {Fault.BAD_HEADER: 1, Fault.FALSE_COVERAGE: 1, Fault.WRONG_SIZE: 1}),
        (other_header, False, {Fault.BAD_ENDING: 1, Fault.BAD_FRAMING: 1}),
        (bad_trailer, False, {Fault.BAD_ENDING: 1, Fault.BAD_FRAMING: 1}),
        (bad_payload, False, {}),
        (bad_payload, True, {Fault.BAD_FRAGMENT: 1, Fault.FALSE_COVERAGE: 1}),
        (bad_fields, False, {Fault.BAD_FRAGMENT: 1, Fault.FALSE_COVERAGE: 1}),
        (renamed, False, {Fault.WRONG_PLACE: 1, Fault.MISSING_FILE: 1, Fault.EXTRA_FILE: 1}),
        (other_day, False, {Fault.STRAY_FILE: 1, Fault.MISSING_FILE: 1}),
        (no_key, False, {Fault.NO_KEY: 1}),
        (wrong_key, False, {Fault.NO_KEY: 2}),
        (orphan_key, False, {Fault.ORPHAN_KEY: 1}),
        (stray, False, {Fault.STRAY_FILE: 1}),
        (change_row(size_bytes=5), False, {Fault.WRONG_SIZE: 1}),
        (change_row(digest=b"x" * 32), False, {Fault.WRONG_DIGEST: 1}),
        (change_row(sample_count=5), False, {Fault.WRONG_ROW: 1}),
        (change_row(digest=None), False, {Fault.WRONG_ROW: 1}),
        (longer_row, False, {Fault.FALSE_COVERAGE: 1}),
        (overlapping_row, False, {Fault.OVERLAP: 1, Fault.FALSE_COVERAGE: 1}),
        (lost_gap, False, {Fault.WRONG_GAP: 1, Fault.UNEXPLAINED: 1}),
        (hiding_gap, False, {Fault.WRONG_GAP: 1}),
        (due_before, False, {Fault.UNEXPLAINED: 2}),
        (far_away, False, {Fault.UNKNOWN_VOLUME: 1, Fault.WRONG_PLACE: 1}),
        (broken_reference, False, {Fault.BROKEN_CATALOGUE: 1}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_planted_fault_is_named(
    tmp_path: Path, plant: Callable[[Recorded], None], deep: bool, expected: dict[Fault, int]
) -> None:
    made = Recorded.make(tmp_path)
    plant(made)
    report = look(made, deep=deep)
    assert report.count() == expected, "\n".join(map(str, report.problems))
    assert report.exit_status == (1 if expected else 0)
    assert all(problem.fix and problem.where for problem in report.problems)


def test_what_a_crash_left_open_is_a_problem_and_what_is_being_written_is_none(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1], stop=False)
    assert look(made).count() == {Fault.UNCLOSED: 1}
    (left,) = (made.volume.root / "open").iterdir()
    left.unlink()
    with Catalogue.open(made.path) as catalogue:
        (row,) = catalogue.open_segments()
        catalogue.forget(row.key, row.start_wall_ns)
        catalogue.record([], [GapRow(KEYS[0], row.start_wall_ns, START_NS + 61 * S, GapCause.CRASH)])
    writer = made._segment(made.volume, KEYS[0], START_NS + 61 * S, minute()[0])
    report = look(made)
    assert report.is_live
    # It is live at 120 s, and nothing was told from 61 s on; the grace is 20 s.
    assert report.count() == {Fault.UNEXPLAINED: 1}
    assert report.streams[0].unexplained_ns == 59 * S - GRACE_NS
    writer.abandon()


def test_a_check_beside_a_recorder_finds_nothing(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    late = START_NS + 3600 * S
    open_all_the_time = made._segment(made.volume, KEYS[0], late + 600 * S, minute()[0])

    def record() -> None:
        with Catalogue.open(made.path) as catalogue:
            for number in range(8):
                made.record(catalogue, KEYS[0], late + number * 62 * S)

    recorder = threading.Thread(target=record)
    recorder.start()
    found, rounds = [], 0
    with Catalogue.open(made.path) as catalogue:
        while recorder.is_alive():
            rounds += 1
            report = check(catalogue, [made.volume], made.keyring, deep=False, now_ns=START_NS)
            assert report.is_live
            found += report.problems
    recorder.join()
    open_all_the_time.abandon()
    assert rounds > 1
    assert [str(problem) for problem in found] == []


def test_a_copy_on_another_volume_is_a_problem(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    other = Volume("other", tmp_path / "other", 0)
    other.prepare()
    shutil.copytree(made.volume.root / KEYS[0].camera, other.root / KEYS[0].camera)
    report = look(made, volumes=[made.volume, other])
    assert report.count() == {Fault.WRONG_PLACE: len(made.segments())}


def test_a_removed_camera_and_expired_footage_are_no_problems(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    with Catalogue.open(made.path) as catalogue:
        catalogue.remove_camera(KEYS[0].camera, now_ns=START_NS + 61 * S)
        oldest = catalogue.oldest_segments(5)
        assert catalogue.expire(oldest) == oldest
    assert look(made).count() == {Fault.EXTRA_FILE: 5}
    for row in oldest:
        made.volume.delete(SegmentName.make(row.key, row.start_wall_ns, row.epoch))
    assert look(made).problems == []


def test_every_fault_says_what_to_do() -> None:
    assert set(FIXES) == set(Fault)

"""Retention: oldest first, never what is held, as much as is needed and no more, rows before files."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Expired, Segment
from civicam.catalogue.rollup import DAY_NS
from civicam.core.errors import VolumeError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.disk import SystemDisk
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.volume import Volume
from civicam.upkeep.check import check
from civicam.upkeep.retention import (
    FillForecast,
    Retention,
    RetentionPolicy,
    RetentionRound,
    excess_bytes,
    take_oldest,
)
from tests.fakes.recorded import KEYS, START_NS, Recorded, S
from tests.fakes.segments import FaultyDisk

KEY = StreamKey(CameraId("a"), StreamName.MAIN)
NOW_NS = START_NS + 10 * DAY_NS


def rows(sizes: list[int]) -> list[Segment]:
    return [Segment(KEY, at * S, (at + 1) * S, 1, "main", size, 1, 1, b"d" * 32) for at, size in enumerate(sizes)]


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(-10, 400))
def test_it_takes_from_the_front_until_it_is_enough_and_stops(sizes: list[int], needed: int) -> None:
    all_rows = rows(sizes)
    taken = take_oldest(all_rows, needed)
    assert taken == all_rows[: len(taken)]
    freed = sum(row.size_bytes for row in taken)
    assert freed >= min(needed, sum(sizes))
    assert not taken or freed - taken[-1].size_bytes < needed


@given(st.integers(0, 100), st.one_of(st.none(), st.integers(0, 100)), st.integers(0, 100), st.integers(0, 50))
def test_what_must_go_meets_both_limits(used: int, limit: int | None, free: int, reserve: int) -> None:
    needed = excess_bytes(used, limit, free, reserve)
    assert needed >= 0
    assert free + needed >= 2 * reserve
    assert limit is None or used - needed <= limit
    assert needed == 0 or free + needed == 2 * reserve or (limit is not None and used - needed == limit)


def exists(made: Recorded, row: Segment) -> bool:
    return closed_path(made.volume.root, SegmentName.make(row.key, row.start_wall_ns, row.epoch)).exists()


def run(
    made: Recorded, policy: RetentionPolicy, *, volumes: Sequence[Volume] = (), now_ns: int = NOW_NS
) -> RetentionRound:
    with Catalogue.open(made.path) as catalogue:
        return Retention(catalogue, volumes or [made.volume], policy).round(now_ns)


def everything(made: Recorded) -> list[Segment]:
    with Catalogue.open(made.path) as catalogue:
        found = [row for key in catalogue.streams() for row in catalogue.segments(key)]
    return sorted(found, key=lambda row: (row.end_wall_ns, row.key))


def problems(made: Recorded) -> list[str]:
    with Catalogue.open(made.path) as catalogue:
        report = check(catalogue, [made.volume], made.keyring, deep=False, now_ns=NOW_NS)
    return [str(problem) for problem in report.problems]


def test_nothing_goes_before_its_time(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    done = run(made, RetentionPolicy(max_age_ns=11 * DAY_NS))
    assert (done.deleted, done.freed_bytes, done.alarms, done.is_behind) == ([], 0, [], False)
    assert run(made, RetentionPolicy()).deleted == []
    assert everything(made) == before


def test_what_is_too_old_goes_with_its_key_when_the_day_is_empty(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    folder = made.file(0).parent
    age_ns = NOW_NS - (START_NS + 30 * S)
    done = run(made, RetentionPolicy(max_age_ns=age_ns))
    assert done.deleted == [row for row in before if row.end_wall_ns <= START_NS + 30 * S]
    assert done.deleted
    assert done.freed_bytes == sum(row.size_bytes for row in done.deleted)
    assert [exists(made, row) for row in before] == [row not in done.deleted for row in before]
    assert (folder / "day.key").exists()
    assert problems(made) == []
    run(made, RetentionPolicy(max_age_ns=DAY_NS))
    assert everything(made) == []
    assert not folder.exists()
    assert problems(made) == []


def test_a_camera_may_have_its_own_age(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    ages = {KEYS[0].camera: None, KEYS[1].camera: DAY_NS}
    run(made, RetentionPolicy(max_age_ns=11 * DAY_NS, camera_max_age_ns=ages))
    assert {row.key for row in everything(made)} == {KEYS[0]}


def test_a_volume_keeps_to_its_limit(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    total = sum(row.size_bytes for row in before)
    done = run(made, RetentionPolicy(limit_bytes={"main": total // 2}))
    left = everything(made)
    assert done.deleted == before[: len(done.deleted)]
    assert sum(row.size_bytes for row in left) <= total // 2
    assert sum(row.size_bytes for row in left) + done.deleted[-1].size_bytes > total // 2
    assert problems(made) == []


def test_a_full_disk_makes_room_and_a_round_is_bounded(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    tight = Volume("main", made.volume.root, made.volume.free_bytes())
    done = run(made, RetentionPolicy(batch=3), volumes=[tight])
    assert done.deleted == before[:3]
    assert done.is_behind


def test_what_is_held_stays_and_then_a_full_volume_is_an_alarm(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    with Catalogue.open(made.path) as catalogue:
        catalogue.add_hold(KEYS[0].camera, (START_NS, START_NS + 100 * S), "case 4", now_ns=NOW_NS)
    held = [row for row in everything(made) if row.key == KEYS[0]]
    policy = RetentionPolicy(max_age_ns=DAY_NS, limit_bytes={"main": 0})
    done = run(made, policy)
    assert everything(made) == held
    assert all(exists(made, row) for row in held)
    assert [alarm.startswith("volume main is full, and nothing on it may be deleted") for alarm in done.alarms] == [
        True
    ]
    assert run(made, policy).deleted == []
    assert problems(made) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    holds=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 59), st.integers(1, 20)), max_size=3),
    limit_share=st.floats(0, 1),
    age_s=st.one_of(st.none(), st.integers(0, 60)),
)
def test_whatever_is_held_and_wanted_the_oldest_go_first_and_held_footage_never(
    tmp_path_factory: pytest.TempPathFactory,
    holds: list[tuple[int, int, int]],
    limit_share: float,
    age_s: int | None,
) -> None:
    made = Recorded.make(tmp_path_factory.mktemp("retention"))
    before = everything(made)
    spans = [(KEYS[number].camera, START_NS + at * S, START_NS + (at + length) * S) for number, at, length in holds]
    with Catalogue.open(made.path) as catalogue:
        for camera, start_ns, end_ns in spans:
            catalogue.add_hold(camera, (start_ns, end_ns), "case 4", now_ns=NOW_NS)
    held = [
        row
        for row in before
        if any(c == row.key.camera and a < row.end_wall_ns and b > row.start_wall_ns for c, a, b in spans)
    ]
    limit = int(sum(row.size_bytes for row in before) * limit_share)
    max_age_ns = None if age_s is None else NOW_NS - (START_NS + age_s * S)
    done = run(made, RetentionPolicy(max_age_ns=max_age_ns, limit_bytes={"main": limit}))
    free = [row for row in before if row not in held]
    assert done.deleted == free[: len(done.deleted)]
    assert everything(made) == [row for row in before if row not in done.deleted]
    assert sum(row.size_bytes for row in everything(made)) <= limit or done.deleted == free
    assert problems(made) == []


def test_a_hold_that_comes_while_a_round_runs_is_kept(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    with Catalogue.open(made.path) as catalogue:
        wanted = catalogue.oldest_segments(4)
        catalogue.add_hold(KEYS[0].camera, (START_NS, START_NS + 100 * S), "case 4", now_ns=NOW_NS)
        assert catalogue.expire(wanted) == [row for row in wanted if row.key != KEYS[0]]


def test_a_volume_that_is_gone_is_an_alarm_and_the_others_go_on(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    gone = Volume("gone", tmp_path / "nowhere", 0)
    with pytest.raises(VolumeError):
        gone.free_bytes()
    done = run(made, RetentionPolicy(limit_bytes={"main": 0}), volumes=[gone, made.volume])
    assert len(done.alarms) == 1
    assert "nowhere" in done.alarms[0]
    assert everything(made) == []


def test_a_disk_that_fills_is_foretold() -> None:
    forecast = FillForecast()
    assert forecast.full_at_ns(0, 1000, 0, 200) is None
    assert forecast.full_at_ns(100 * S, 900, 0, 200) == 100 * S + 700 * S
    # Another 100 bytes were written and 300 deleted: the rate is what was written.
    assert forecast.full_at_ns(200 * S, 1100, 300, 200) == 200 * S + 900 * S
    assert FillForecast().full_at_ns(0, 5, 0, 5) is None


def test_only_the_last_hour_counts() -> None:
    forecast = FillForecast()
    for minute in range(300):
        busy_until = min(minute, 100)
        found = forecast.full_at_ns(minute * 60 * S, 10_000 - 10 * busy_until, 0, 0)
        assert (found is None) == (minute < 1 or minute >= 160)


class SmallDisk(Volume):
    """A volume whose disk has so many bytes, and nothing else on it."""

    capacity_bytes = 0

    def free_bytes(self) -> int:
        return self.capacity_bytes - sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())


def test_a_disk_too_small_for_the_days_asked_for_is_told_early(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    disk = SmallDisk("main", made.volume.root, 1000)
    disk.capacity_bytes = 100_000_000
    start_ns = START_NS + 61 * S
    with Catalogue.open(made.path) as catalogue:
        retention = Retention(catalogue, [disk], RetentionPolicy(30 * DAY_NS))
        assert retention.round(start_ns).full_at_ns == {"main": None}
        free_bytes = disk.free_bytes()
        made.record(catalogue, KEYS[0], START_NS + 100 * S)
        written = free_bytes - disk.free_bytes()
        done = retention.round(start_ns + 100 * S)
    left = disk.free_bytes() - 2000
    assert written > 0
    assert done.full_at_ns == {"main": start_ns + 100 * S + left * 100 * S // written}
    assert done.deleted == []
    is_soon = left * 100 // written < 86_400
    assert [alarm.startswith("volume main is full in about") for alarm in done.alarms] == [True] * is_soon
    limit = RetentionPolicy(
        30 * DAY_NS, limit_bytes={"main": sum(row.size_bytes for row in everything(made)) + written}
    )
    with Catalogue.open(made.path) as catalogue:
        retention = Retention(catalogue, [disk], limit)
        retention.round(start_ns)
        (made.volume.root / "ballast").write_bytes(bytes(written))
        done = retention.round(start_ns + 100 * S)
    # As much as was written since the last round is left to the limit, so it is reached after as long again.
    assert done.full_at_ns["main"] == pytest.approx(start_ns + 200 * S, abs=S)
    assert [alarm.split(":")[0] for alarm in done.alarms] == ["volume main is full in about 0 hours"]


def test_held_footage_that_leaves_no_room_for_the_days_of_all_else_is_told_days_ahead(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, KEYS[:1])
    disk = SmallDisk("main", made.volume.root, 1000)
    disk.capacity_bytes = 10_000_000_000
    start_ns = START_NS + 61 * S
    with Catalogue.open(made.path) as catalogue:
        free_bytes = disk.free_bytes()
        retention = Retention(catalogue, [disk], RetentionPolicy(DAY_NS))
        retention.round(start_ns)
        made.record(catalogue, KEYS[0], START_NS + 100 * S)
        a_day = (free_bytes - disk.free_bytes()) * 864
        catalogue.add_hold(KEYS[0].camera, (START_NS, START_NS + 10 * S), "case 1", now_ns=start_ns)
        held = catalogue.held_bytes()["main"]
        told = []
        for days in (2.0, 0.5):
            retention.policy = RetentionPolicy(DAY_NS, limit_bytes={"main": held + round(days * a_day)})
            done = retention.round(start_ns + 100 * S)
            assert done.deleted == []
            told.append([alarm for alarm in done.alarms if "held footage" in alarm])
    assert told[0] == []
    assert "all else is kept for 0.5 days there, and 1.0 are asked for" in told[1][0]


@pytest.mark.parametrize("call", ["create", "remove"])
def test_a_disk_that_deletes_nothing_costs_the_catalogue_nothing(tmp_path: Path, call: str) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    frozen = Volume("main", made.volume.root, made.volume.free_bytes(), FaultyDisk(failing={call: errno.EROFS}))
    policy = RetentionPolicy(max_age_ns=DAY_NS, limit_bytes={"main": 0})
    with Catalogue.open(made.path) as catalogue:
        retention = Retention(catalogue, [frozen], policy)
        rounds = [retention.round(NOW_NS) for _ in range(3)]
    assert everything(made) == before
    assert [done.is_behind for done in rounds] == [False] * 3
    assert ["read-only" in " ".join(done.alarms) for done in rounds] == [True] * 3
    assert run(made, policy).deleted == before
    assert problems(made) == []


def test_a_disk_without_any_room_still_deletes(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    full = Volume("main", made.volume.root, 0, FaultyDisk(failing={"create": errno.ENOSPC}))
    assert run(made, RetentionPolicy(max_age_ns=DAY_NS), volumes=[full]).deleted == before
    assert problems(made) == []


@dataclass
class StubbornDisk(SystemDisk):
    """A disk that keeps the files of some cameras, as one whose folders are another user's does."""

    kept: set[str] = field(default_factory=set)

    def remove(self, path: Path) -> None:
        if path.parent.parent.name in self.kept:
            raise PermissionError(errno.EACCES, "Permission denied")
        super().remove(path)


def test_a_file_that_cannot_be_deleted_is_an_alarm_until_it_is_and_the_others_go(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    stubborn = StubbornDisk({str(KEYS[0].camera)})
    volume = Volume("main", made.volume.root, 0, stubborn)
    policy = RetentionPolicy(max_age_ns=DAY_NS)
    waiting: list[Expired] = []
    for _ in range(2 * len(before)):
        with Catalogue.open(made.path) as catalogue:  # as after a restart
            done = Retention(catalogue, [volume], policy).round(NOW_NS)
            waiting = catalogue.undeleted()
        assert "could not be deleted" in " ".join(done.alarms)
        assert not done.is_behind
    # What is gone from the catalogue and still there is remembered, and each of the other camera's files is gone.
    assert not [row for row in before if row.key == KEYS[1] and exists(made, row)]
    assert {(file.key, file.start_wall_ns) for file in waiting} == {
        (row.key, row.start_wall_ns) for row in before if row not in everything(made) and exists(made, row)
    }
    stubborn.kept.clear()
    done = run(made, policy, volumes=[volume])
    assert done.freed_bytes >= sum(row.size_bytes for row in before if row.key == KEYS[0])
    assert done.alarms == []
    assert not [row for row in before if exists(made, row)]
    assert everything(made) == []
    assert problems(made) == []


def test_a_volume_with_too_many_files_that_cannot_be_deleted_gives_up_no_more(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    stubborn = Volume("main", made.volume.root, 0, StubbornDisk({str(key.camera) for key in KEYS}))
    with Catalogue.open(made.path) as catalogue:
        retention = Retention(catalogue, [stubborn], RetentionPolicy(max_age_ns=DAY_NS, most_undeleted=3))
        for _ in range(9):
            retention.round(NOW_NS)
        assert len(catalogue.undeleted()) == 3


def test_a_volume_that_cannot_be_written_does_not_keep_the_others_from_deleting(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    before = everything(made)
    other = Volume("other", tmp_path / "other", 0)
    other.prepare()
    with Catalogue.open(made.path) as catalogue:
        later = [replace(row, start_wall_ns=row.start_wall_ns + 100 * S, end_wall_ns=row.end_wall_ns + 100 * S,
                         volume="other") for row in before]  # fmt: skip
        catalogue.record(later)
    frozen = Volume("main", made.volume.root, 0, FaultyDisk(failing={"create": errno.EROFS}))
    done = run(made, RetentionPolicy(max_age_ns=DAY_NS, batch=2), volumes=[frozen, other])
    assert {row.volume for row in done.deleted} == {"other"}
    assert len(done.deleted) == 2


def test_a_crash_between_row_and_file_is_made_good_by_the_next_round(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path)
    with Catalogue.open(made.path) as catalogue:
        rows = catalogue.expire(catalogue.oldest_segments(2))
    assert all(exists(made, row) for row in rows)
    assert run(made, RetentionPolicy()).freed_bytes >= sum(row.size_bytes for row in rows)
    assert not any(exists(made, row) for row in rows)
    assert problems(made) == []

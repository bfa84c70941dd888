"""The archive gives the samples that were recorded, and nothing of what is not as it was written."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.sample import H264Setup
from civicam.catalogue.catalogue import Catalogue
from civicam.core.errors import SegmentError
from civicam.core.spans import Span
from civicam.footage.fragment import Fragment
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import SegmentSetup
from civicam.player.archive_reader import ArchivedFragment, ArchiveReader, parse_payload, samples_of, setup_of
from civicam.recorder.fmp4 import codec_string, init_segment
from tests.fakes.recorded import KEYS, START_NS, Recorded, S, minute
from tests.fakes.samples import FRAME_NS, encoded

KEY = KEYS[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded.make(tmp_path_factory.mktemp("archive"), [KEY])


def opened(made: Recorded) -> ArchiveReader:
    return ArchiveReader(made.path, {"main": made.volume}, made.keyring)


@pytest.fixture
def archive(recorded: Recorded) -> Iterator[ArchiveReader]:
    reader = opened(recorded)
    yield reader
    reader.close()


def at(start_s: float, end_s: float) -> Span:
    return START_NS + round(start_s * S), START_NS + round(end_s * S)


def read(archive: ArchiveReader, start_s: float, end_s: float) -> list[ArchivedFragment]:
    return list(archive.fragments(KEY, at(start_s, end_s)))


def test_a_stretch_gives_the_samples_that_were_recorded_with_their_wall_time(archive: ArchiveReader) -> None:
    _, sent = encoded(count=90, gop=30, size=(64, 48))
    found = [sample for piece in read(archive, 0, 18) for sample in piece.samples]
    assert [sample.data for sample in found] == [sent[number % 90].data for number in range(270)]
    for number, sample in enumerate(found):
        assert abs(sample.wall_ns - START_NS - number * FRAME_NS) < 100_000
        assert sample.is_key == (number % 30 == 0)


def test_a_second_within_a_fragment_gives_that_fragment_from_its_key_on(archive: ArchiveReader) -> None:
    (piece,) = read(archive, 7, 7.5)
    assert piece.samples[0].is_key
    assert piece.span[0] <= at(7, 8)[0] < piece.span[1]


def test_a_seek_opens_only_the_fragments_that_it_gives(archive: ArchiveReader, monkeypatch: pytest.MonkeyPatch) -> None:
    real, numbers = SegmentReader.read, []

    def counting(self: SegmentReader, number: int, keyring: object) -> Fragment:
        numbers.append(number)
        return real(self, number, keyring)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(SegmentReader, "read", counting)
    assert len(read(archive, 15, 15.1)) == len(numbers) == 1


def test_a_damaged_fragment_is_told_and_gives_no_samples(archive: ArchiveReader) -> None:
    damaged = [piece for piece in read(archive, 19, 24) if not piece.samples]
    assert [piece.span[0] < at(21, 22)[0] < piece.span[1] + S for piece in damaged] == [True]


def test_a_gap_is_in_no_fragment_and_not_playable(archive: ArchiveReader) -> None:
    assert read(archive, 30.5, 35.5) == []
    spans = archive.playable(KEY, at(25, 40))
    assert all(end <= at(30.1, 31)[0] or start >= at(35.9, 36)[0] for start, end in spans)
    assert len(spans) == 2


def test_a_time_before_and_after_all_footage_gives_nothing(archive: ArchiveReader) -> None:
    assert read(archive, -100, -50) == read(archive, 500, 600) == []


def test_an_altered_fragment_gives_no_samples_and_its_neighbours_do(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, [KEY])
    path = made.file(0)
    with SegmentReader.open(path) as reader:
        extent = reader.extents()[1]
    data = bytearray(path.read_bytes())
    data[extent.offset + extent.size_bytes // 2] ^= 1
    path.write_bytes(data)
    archive = opened(made)
    counts = [len(piece.samples) for piece in read(archive, 0, 12)]
    assert counts[1] == 0
    assert all(count == 30 for number, count in enumerate(counts) if number != 1)


def test_without_the_days_key_nothing_comes_out(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, [KEY])
    for path in made.volume.root.rglob("day.key"):
        path.unlink()
    pieces = read(opened(made), 0, 10)
    assert pieces
    assert [piece.samples for piece in pieces] == [()] * len(pieces)


def test_a_file_that_is_gone_is_told_as_lost_time(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, [KEY])
    row = made.segments()[1]
    made.file(1).unlink()
    lost = [piece for piece in opened(made).fragments(KEY, (row.start_wall_ns, row.end_wall_ns)) if not piece.samples]
    assert [piece.span for piece in lost] == [(row.start_wall_ns, row.end_wall_ns)]


def test_a_segment_being_written_is_read_up_to_what_the_catalogue_calls_durable(tmp_path: Path) -> None:
    made = Recorded.make(tmp_path, [KEY], stop=False)
    with Catalogue.open(made.path) as catalogue:
        (row,) = catalogue.open_segments()
    assert row.fragment_count == 1
    window = row.start_wall_ns, row.end_wall_ns + 60 * S
    assert len(list(opened(made).fragments(KEY, window))) == 1
    shorter = Catalogue.open(made.path)
    shorter._database._connection.execute("UPDATE segments SET fragment_count = 0 WHERE digest IS NULL")
    shorter._database._connection.commit()
    shorter.close()
    assert list(opened(made).fragments(KEY, window)) == []


def test_the_sizes_of_pictures_are_told_by_stretch(archive: ArchiveReader) -> None:
    found = archive.sizes(KEY, at(0, 10))
    assert {size for _, size in found} == {(64, 48)}
    assert found[0][0][0] == START_NS


def _setup(setup: H264Setup) -> SegmentSetup:
    return SegmentSetup(codec_string(setup), setup.width, setup.height, init_segment(setup))


def test_parameter_sets_come_out_of_a_setup_as_they_went_in() -> None:
    setup, _ = encoded()
    assert setup_of(_setup(setup)) == setup


@given(st.data())
def test_a_setup_with_any_byte_changed_is_refused_or_has_its_sets_in_it(data: st.DataObject) -> None:
    made = _setup(encoded()[0])
    at_byte = data.draw(st.integers(0, len(made.init) - 1))
    changed = bytearray(made.init)
    changed[at_byte] ^= data.draw(st.integers(1, 255))
    try:
        found = setup_of(SegmentSetup(made.codec, made.width, made.height, bytes(changed)))
    except SegmentError:
        return
    assert init_segment(found) == bytes(changed)  # another sound setup: bytes within a parameter set


FRAGMENT = next(item for item in minute()[1] if isinstance(item, Fragment))


@given(st.data())
def test_a_payload_with_any_byte_changed_outside_its_pictures_and_times_is_refused(data: st.DataObject) -> None:
    payload = FRAGMENT.payload
    changed = bytearray(payload)
    changed[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        start_90k, _, rows = parse_payload(bytes(changed))
    except SegmentError:
        return
    # What is left to change are numbers that may be any, and the pictures: their bytes are all there, in order.
    assert start_90k >= 0
    assert bytes(changed).endswith(b"".join(row.data for row in rows))


@given(st.binary(max_size=600))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SegmentError):
        parse_payload(data)


@given(st.integers(0, len(FRAGMENT.payload) - 1))
def test_a_payload_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(SegmentError):
        parse_payload(FRAGMENT.payload[:length])


def test_a_payload_that_is_not_what_its_header_says_is_refused() -> None:
    other = next(item for item in minute()[1][3:] if isinstance(item, Fragment))
    with pytest.raises(SegmentError, match="other samples"):
        samples_of(Fragment(FRAGMENT.header, other.payload))


def test_frames_shown_in_another_order_than_coded_keep_their_times() -> None:
    from civicam.recorder.fragmenter import Fragmenter, FragmentLimits

    class Kept(list[Fragment]):
        def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
            self.append(fragment)

        def missing(self, cause: object, detail: str) -> None:
            raise AssertionError

    setup, sent = encoded(count=60, gop=30, b_frames=2)
    kept = Kept()
    fragmenter = Fragmenter(kept, FragmentLimits(900_000, 1 << 20))
    fragmenter.setup(setup)
    for sample in sent:
        fragmenter.sample(sample)
    fragmenter.flush()
    found = [sample for fragment in kept for sample in samples_of(fragment)]
    assert [sample.pts_90k for sample in found] == [sample.pts_90k for sample in sent]
    assert max(abs(a.wall_ns - b.wall_ns) for a, b in zip(found, sent, strict=True)) < 100_000
    assert io.BytesIO(found[0].data).read() == sent[0].data

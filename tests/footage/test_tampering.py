"""What an attacker, or a dying disk, can do to a file: all of it is found, none of it is served."""

from hashlib import sha256
from pathlib import Path

import pytest

from civicam.core.errors import KeyMissingError, SealError, SegmentError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.layout import Day
from civicam.footage.reader import SegmentReader, plaintext
from civicam.footage.segment_format import IndexEntry, pack_ending, pack_entry, parse_fields
from civicam.footage.verify import ProblemKind, SegmentVerdict, verify
from tests.fakes.segments import SECOND_NS, START_NS, Place, fragment

GOOD = [fragment(number) for number in range(3)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path)


def served(path: Path, keyring: KeyRing) -> list[Fragment | None]:
    """What a reader gives out, None for each fragment it refuses."""
    found: list[Fragment | None] = []
    try:
        with SegmentReader.open(path) as reader:
            for number in range(len(reader)):
                try:
                    found.append(reader.read(number, keyring))
                except (SegmentError, SealError, KeyMissingError):
                    found.append(None)
    except SegmentError:
        pass
    return found


def assert_found_and_not_served(path: Path, place: Place) -> SegmentVerdict:
    verdict = verify(path, place.keyring, deep=True)
    assert not verdict.is_good
    for number, each in enumerate(served(path, place.keyring)):
        assert each in (None, GOOD[number])
    return verdict


def test_every_flipped_bit_is_found_and_never_served(place: Place) -> None:
    path = place.closed(3)
    whole = path.read_bytes()
    with SegmentReader.open(path) as reader:
        starts = reader.header_bytes
        end = reader.ending().index_offset
    with path.open("r+b", buffering=0) as file:
        for at in range(len(whole)):
            for bit in range(8):
                file.seek(at)
                file.write(bytes((whole[at] ^ 1 << bit,)))
                verdict = verify(path, place.keyring, deep=True)
                assert not verdict.is_good, (at, bit)
                got = served(path, place.keyring)
                assert all(each in (None, GOOD[number]) for number, each in enumerate(got)), (at, bit)
                if at < starts:
                    assert not any(got), (at, bit)
                elif at < end:
                    assert verdict.good_count == 2, (at, bit)
            file.seek(at)
            file.write(whole[at : at + 1])
    assert path.read_bytes() == whole
    assert verify(path, place.keyring, deep=True).is_good


def test_every_shortened_file_is_found(place: Place) -> None:
    path = place.closed(3)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert_found_and_not_served(path, place)
    path.write_bytes(whole + b"\0")
    assert_found_and_not_served(path, place)


def with_parts(path: Path, parts: list[bytes]) -> bytes:
    """A file with the header of the one at `path`, fragments `parts`, and an index and trailer that fit them."""
    with SegmentReader.open(path) as reader:
        header = reader.raw_header
    at, entries = len(header), b""
    for part in parts:
        entries += pack_entry(IndexEntry(at, sha256(part).digest()))
        at += len(part)
    return header + b"".join(parts) + pack_ending(header, entries, at)[0]


def parts_of(path: Path) -> list[bytes]:
    data = path.read_bytes()
    with SegmentReader.open(path) as reader:
        return [data[extent.offset : extent.offset + extent.size_bytes] for extent in reader.extents()]


def test_fragments_that_change_places_do_not_open_even_with_an_index_that_fits(place: Place) -> None:
    path = place.closed(3)
    first, second, third = parts_of(path)
    renumbered = second[:4] + (0).to_bytes(4, "big") + second[8:]
    for parts in ([second, first, third], [first, third], [renumbered, first], [first, first, third]):
        path.write_bytes(with_parts(path, parts))
        assert_found_and_not_served(path, place)
        path.write_bytes(with_parts(path, [first, second, third]))
    assert verify(path, place.keyring, deep=True).is_good


def test_a_fragment_of_another_segment_does_not_open(place: Place) -> None:
    """Same camera, same day, so the same day key; same number, so the same nonce."""
    path = place.closed(3)
    other = place.closed(3, START_NS + 60 * SECOND_NS)
    mine, theirs = parts_of(path), parts_of(other)
    path.write_bytes(with_parts(path, [mine[0], theirs[1], mine[2]]))
    verdict = assert_found_and_not_served(path, place)
    assert [problem.kind for problem in verdict.problems] == [ProblemKind.FRAGMENT]
    assert "fragment 1 does not open" in verdict.problems[0].text


def test_the_end_of_a_closed_segment_cannot_go_without_changing_its_digest(place: Place) -> None:
    """The file alone cannot tell; the digest in the catalogue does."""
    path = place.closed(3)
    with SegmentReader.open(path) as reader:
        before = reader.ending().digest
    path.write_bytes(with_parts(path, parts_of(path)[:2]))
    with SegmentReader.open(path) as reader:
        assert reader.ending().digest != before


def test_a_segment_under_another_name_or_in_another_folder_is_found(place: Place) -> None:
    path = place.closed(1)
    renamed = path.with_name(path.name.replace("main", "sub"))
    path.rename(renamed)
    verdict = verify(renamed, place.keyring, deep=True)
    assert [problem.kind for problem in verdict.problems] == [ProblemKind.PLACE]
    assert verdict.good_count == 1
    other = place.volume.root / "other" / "2026-03-01"
    other.mkdir(parents=True)
    moved = other / path.name
    renamed.rename(moved)
    assert "belongs in rudaki-07/2026-03-01" in verify(moved, place.keyring, deep=True).problems[0].text


def test_the_wrong_city_key_is_told_as_a_fault_of_the_key(place: Place) -> None:
    path = place.closed(3)
    stranger = Place.make(place.volume.root, secret=b"x" * 32)
    verdict = verify(path, stranger.keyring, deep=True)
    assert [problem.kind for problem in verdict.problems] == [ProblemKind.KEY]
    assert not verdict.is_authenticated
    assert "city.key" in verdict.problems[0].text
    assert served(path, stranger.keyring) == [None] * 3
    with SegmentReader.open(path) as reader, pytest.raises(SealError):
        next(plaintext(reader, stranger.keyring))


def test_a_shallow_look_needs_no_key_and_finds_broken_framing(place: Place) -> None:
    path = place.closed(3)
    place.keyring.destroy(place.volume.root, CameraId("rudaki-07"), day_named_in(path))
    good = verify(path, place.keyring, deep=False)
    assert good.is_good
    assert not good.is_authenticated
    assert good.segment is not None
    assert good.covered == [
        (START_NS, START_NS + SECOND_NS),
        (START_NS + 2 * SECOND_NS, START_NS + 3 * SECOND_NS),
    ]
    data = bytearray(path.read_bytes())
    with SegmentReader.open(path) as reader:
        at = reader.extents()[1].offset
    data[at] ^= 1
    path.write_bytes(data)
    bad = verify(path, place.keyring, deep=False)
    assert [(problem.kind, problem.offset) for problem in bad.problems] == [(ProblemKind.FRAGMENT, at)]
    assert f"at byte {at}" in bad.problems[0].text
    assert (bad.fragment_count, bad.good_count) == (3, 2)


def day_named_in(path: Path) -> Day:
    with SegmentReader.open(path) as reader:
        return reader.header.key_day


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"CIVSEG01",
        b"CIVSEG01\xff\xff\xff\xff",
        b"CIVSEG01\0\0\0\0",
        b"CIVSEG01\0\0\0\x02{}",
        b"CIVSEG01" + (200_000).to_bytes(4, "big") + b"[" * 200_000,
        b"CIVSEG01" + (200_000).to_bytes(4, "big") + b'{"a":' * 40_000,
        b"CIVSEG01" + (9_000).to_bytes(4, "big") + b"9" * 9_000,
        b"CIVSEG01\0\0\0\x02\xff\xff",
        bytes(4096),
    ],
)
def test_what_is_no_segment_is_said_to_be_none(place: Place, data: bytes) -> None:
    path = place.volume.root / "open" / "x.civ"
    path.write_bytes(data)
    with pytest.raises(SegmentError, match=r"x\.civ at byte"):
        SegmentReader.open(path)
    assert [problem.kind for problem in verify(path, place.keyring, deep=True).problems] == [ProblemKind.HEADER]


def test_what_is_not_there_or_no_file_is_said_so(place: Place) -> None:
    for path in (place.volume.root / "nowhere.civ", place.volume.root):
        with pytest.raises(SegmentError):
            SegmentReader.open(path)


def test_a_length_field_beyond_the_file_takes_no_memory(place: Place) -> None:
    path = place.closed(1)
    data = bytearray(path.read_bytes())
    with SegmentReader.open(path) as reader:
        at = reader.header_bytes
    data[at + 8 : at + 12] = (0x03FF_FFFF).to_bytes(4, "big")
    assert parse_fields(bytes(data[at:])).ciphertext_bytes == 0x03FF_FFFF
    path.write_bytes(data[: at + 200])
    with SegmentReader.open(path) as reader:
        assert len(reader) == 0
        with pytest.raises(SegmentError, match="fragment 0 is cut off"):
            list(reader.walk())


def test_streams_of_a_camera_share_a_key_and_not_a_seal(place: Place) -> None:
    main = place.closed(3)
    sub = place.closed(3, START_NS + SECOND_NS, StreamKey(CameraId("rudaki-07"), StreamName.SUB))
    main.write_bytes(with_parts(main, parts_of(sub)))
    assert verify(main, place.keyring, deep=True).good_count == 0

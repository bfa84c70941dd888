"""Fragmented MP4 (ISO/IEC 14496-12) of one H.264 video track (ISO/IEC 14496-15), byte for byte and nothing more.

The sample entry is `avc3`: parameter sets may stand in the sample entry and in the samples, so samples are stored
as the camera sent them.
"""

import struct
from collections.abc import Sequence

from civicam.camera.sample import H264Setup

TIMESCALE = 90_000
_TRACK = 1
_UNITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

_KEY_FLAGS = 0x02000000
"""sample_depends_on = 2: does not depend on others (8.6.4)."""
_OTHER_FLAGS = 0x01010000
"""sample_depends_on = 1 and sample_is_non_sync_sample."""


FragmentSample = tuple[int, int, int, int]
"""One row of a `trun` (8.8.8), of four unsigned 32-bit numbers: duration, size, flags, composition offset."""


def fragment_sample(duration_90k: int, size_bytes: int, is_key: bool, composition_90k: int) -> FragmentSample:
    """One sample's row.

    Args:
        duration_90k: until the next sample's decoding time.
        size_bytes: in the `mdat`.
        is_key: decoding can start here.
        composition_90k: presentation time less decoding time; may be negative.
    """
    return duration_90k, size_bytes, _KEY_FLAGS if is_key else _OTHER_FLAGS, composition_90k & 0xFFFFFFFF


def codec_string(setup: H264Setup) -> str:
    """The RFC 6381 name of `setup`, such as `avc3.64001f`."""
    return f"avc3.{setup.sps[1:4].hex()}"


def init_segment(setup: H264Setup) -> bytes:
    """`ftyp` and `moov` for samples of `setup`."""
    file_type = _box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"avc1", b"mp41")
    movie_header = _full_box(
        b"mvhd", 0, 0, struct.pack(">IIIIIH10x", 0, 0, TIMESCALE, 0, 0x10000, 0x100), _UNITY_MATRIX, bytes(24),
        struct.pack(">I", _TRACK + 1),
    )  # fmt: skip
    extends = _box(b"mvex", _full_box(b"trex", 0, 0, struct.pack(">IIIII", _TRACK, 1, 0, 0, 0)))
    return file_type + _box(b"moov", movie_header, _track(setup), extends)


def fragment(sequence: int, start_90k: int, rows: Sequence[FragmentSample], data: Sequence[bytes]) -> bytes:
    """`moof` and `mdat` of `data`, one item for each row, the first one decoded at `start_90k` (not negative)."""
    count = len(rows)
    moof_size = 8 + 16 + (8 + 16 + 20 + (20 + 16 * count))
    # One call for the whole table: this runs for each second of each camera.
    table = struct.pack(f">{4 * count}I", *(number for row in rows for number in row))
    mdat_size = 8 + sum(map(len, data))
    head = struct.pack(
        ">I4sI4sIII4sI4sIII4sIQI4sIIi",
        moof_size, b"moof",
        16, b"mfhd", 0, sequence,
        moof_size - 24, b"traf",
        16, b"tfhd", 0x020000, _TRACK,  # default-base-is-moof
        20, b"tfdt", 0x01000000, start_90k,
        20 + 16 * count, b"trun", 0x01000F01, count, moof_size + 8,  # data offset, duration, size, flags, composition
    )  # fmt: skip
    return b"".join((head, table, struct.pack(">I4s", mdat_size, b"mdat"), *data))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _track(setup: H264Setup) -> bytes:
    header = _full_box(
        b"tkhd", 0, 3, struct.pack(">IIIII8xHHHH", 0, 0, _TRACK, 0, 0, 0, 0, 0, 0), _UNITY_MATRIX,
        struct.pack(">II", setup.width << 16, setup.height << 16),
    )  # fmt: skip
    media_header = _full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0))
    handler = _full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"civicam\0")
    data_here = _box(b"dinf", _full_box(b"dref", 0, 0, struct.pack(">I", 1), _full_box(b"url ", 0, 1)))
    empty_tables = b"".join(
        (
            _full_box(b"stts", 0, 0, bytes(4)),
            _full_box(b"stsc", 0, 0, bytes(4)),
            _full_box(b"stsz", 0, 0, bytes(8)),
            _full_box(b"stco", 0, 0, bytes(4)),
        )
    )
    description = _full_box(b"stsd", 0, 0, struct.pack(">I", 1), _sample_entry(setup))
    information = _box(b"minf", _full_box(b"vmhd", 0, 1, bytes(8)), data_here, _box(b"stbl", description, empty_tables))
    return _box(b"trak", header, _box(b"mdia", media_header, handler, information))


def _sample_entry(setup: H264Setup) -> bytes:
    visual = struct.pack(
        ">6xH16xHHIIIH32sHh", 1, setup.width, setup.height, 0x480000, 0x480000, 0, 1, b"", 24, -1
    )  # fmt: skip
    return _box(b"avc3", visual, _box(b"avcC", decoder_configuration(setup)))


def decoder_configuration(setup: H264Setup) -> bytes:
    """The AVCDecoderConfigurationRecord of `setup` (ISO/IEC 14496-15, 5.3.3.1), NAL lengths of 4 bytes."""
    profile, compatibility, level = setup.sps[1:4]
    record = bytearray((1, profile, compatibility, level, 0xFC | 3, 0xE0 | 1))
    record += struct.pack(">H", len(setup.sps)) + setup.sps
    record.append(len(setup.pps))
    for pps in setup.pps:
        record += struct.pack(">H", len(pps)) + pps
    if profile in {100, 110, 122, 144}:
        chroma, luma_depth, chroma_depth = _high_profile_format(setup.sps)
        record += bytes((0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0))
    return bytes(record)


def _high_profile_format(sps: bytes) -> tuple[int, int, int]:
    """chroma_format_idc and the two bit depths less 8, from the start of a high-profile SPS (H.264, 7.3.2.1.1)."""
    bits = "".join(f"{byte:08b}" for byte in sps[4:24].replace(b"\0\0\3", b"\0\0"))
    values: list[int] = []
    at = 0
    while len(values) < 5:
        zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
        code = bits[at + zeros : at + 2 * zeros + 1]
        if len(code) <= zeros:
            return 1, 0, 0
        values.append(int(code, 2) - 1)
        at += 2 * zeros + 1
        if len(values) == 2 and values[1] == 3:
            at += 1  # separate_colour_plane_flag
        if len(values) == 4:
            break
    return values[1], values[2], values[3]

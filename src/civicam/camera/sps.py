"""H.264 parameter sets and slice headers, as far as a recorder needs to look (ITU-T H.264 7.3.2)."""

from dataclasses import dataclass

from civicam.core.errors import H264Error

MAX_PARAMETER_SET_BYTES = 4096
MAX_SIDE_PIXELS = 16_384

_PROFILES_WITH_CHROMA = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_SLICE_HEADER_BYTES = 16
_RECOVERY_POINT = 6
_I_SLICES = (2, 7)


@dataclass(frozen=True, slots=True)
class SpsInfo:
    """What a sequence parameter set says of the pictures.

    Attributes:
        sps_id: its number.
        profile_idc: such as 66 (Baseline), 77 (Main), 100 (High).
        level_idc: ten times the level, such as 31.
        width: luma samples a row after cropping.
        height: luma rows after cropping.
    """

    sps_id: int
    profile_idc: int
    level_idc: int
    width: int
    height: int


class _Bits:
    """Reads bits and Exp-Golomb codes (9.1), most significant bit first."""

    def __init__(self, data: bytes) -> None:
        # Emulation prevention (7.4.1.1): 00 00 03 stands for 00 00.
        raw = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(raw, "big")
        self._left = 8 * len(raw)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise H264Error("a parameter set or slice header ends too early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self, most: int) -> int:
        """An unsigned code of at most `most`."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 31:
                raise H264Error("an Exp-Golomb code is longer than 32 bits")
        value = (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)
        if value > most:
            raise H264Error(f"a value of {value} in a parameter set or slice header is above {most}")
        return value

    def se(self) -> int:
        """A signed code."""
        value = self.ue((1 << 32) - 2)
        return (value + 1) // 2 if value & 1 else -(value // 2)


def parse_sps(nal: bytes) -> SpsInfo:
    """Reads a sequence parameter set NAL unit (7.3.2.1.1) up to the cropping; the VUI is passed over.

    Raises:
        H264Error: it is malformed, or its pictures are larger than any level allows.
    """
    if not 4 <= len(nal) <= MAX_PARAMETER_SET_BYTES or nal[0] & 0x1F != 7:
        raise H264Error("not a sequence parameter set of a usable length")
    bits = _Bits(nal[1:])
    profile_idc = bits.read(8)
    bits.read(8)
    level_idc = bits.read(8)
    sps_id = bits.ue(31)
    chroma_array_type = _read_chroma(bits) if profile_idc in _PROFILES_WITH_CHROMA else 1
    bits.ue(12)  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.ue(16)  # max_num_ref_frames
    bits.read(1)
    columns = bits.ue(MAX_SIDE_PIXELS // 16 - 1) + 1
    rows = bits.ue(MAX_SIDE_PIXELS // 16 - 1) + 1
    fields_a_frame = 2 - bits.read(1)
    if fields_a_frame == 2:
        bits.read(1)
    bits.read(1)
    width, height = 16 * columns, 16 * rows * fields_a_frame
    if bits.read(1):
        step_x, step_y = (2, 2) if chroma_array_type == 1 else (2, 1) if chroma_array_type == 2 else (1, 1)
        left, right, top, bottom = (bits.ue(MAX_SIDE_PIXELS) for _ in range(4))
        width -= step_x * (left + right)
        height -= step_y * fields_a_frame * (top + bottom)
    if width <= 0 or not 0 < height <= MAX_SIDE_PIXELS:
        raise H264Error(f"a picture of {width}x{height} is not possible")
    return SpsInfo(sps_id, profile_idc, level_idc, width, height)


def _read_chroma(bits: _Bits) -> int:
    chroma_format = bits.ue(3)
    separate_planes = bits.read(1) if chroma_format == 3 else 0
    bits.ue(6)
    bits.ue(6)
    bits.read(1)
    if bits.read(1):
        for index in range(12 if chroma_format == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return 0 if separate_planes else chroma_format


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.ue(2)
    if kind == 0:
        bits.ue(12)
    elif kind == 1:
        bits.read(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue(255)):
            bits.se()


def parse_pps_id(nal: bytes) -> int:
    """The number of a picture parameter set (7.3.2.2).

    Raises:
        H264Error: it is malformed.
    """
    if not 2 <= len(nal) <= MAX_PARAMETER_SET_BYTES or nal[0] & 0x1F != 8:
        raise H264Error("not a picture parameter set of a usable length")
    return _Bits(nal[1:]).ue(255)


def is_i_slice(nal: bytes) -> bool:
    """Whether a slice (7.3.3) uses no other picture; a malformed one does not count as one."""
    try:
        bits = _Bits(nal[1 : 1 + _SLICE_HEADER_BYTES])
        bits.ue(1 << 20)
        return bits.ue(9) in _I_SLICES
    except H264Error:
        return False


def has_recovery_point(nal: bytes) -> bool:
    """Whether an SEI NAL unit (7.3.2.3) holds a recovery point message (D.1.8)."""
    data = nal[1 : 1 + MAX_PARAMETER_SET_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 <= len(data) and data[at] != 0x80:
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value += 255
        at += 1
    return value + (data[at] if at < len(data) else 0), at + 1

"""RTP payloads to H.264 access units (RFC 6184): single NAL units, STAP-A and FU-A.

An access unit ends at the marker bit, or where the timestamp changes. One that anything is missing from is dropped
whole, and said so once; those after it are handed on. Nothing is handed on before the first key frame with known
parameter sets.
"""

import struct
from collections.abc import Iterator
from typing import Protocol

from civicam.camera.sample import H264Setup
from civicam.camera.sps import has_recovery_point, is_i_slice, parse_pps_id, parse_sps
from civicam.core.errors import H264Error

MAX_ACCESS_UNIT_BYTES = 16 * 1024 * 1024
MAX_PICTURE_SETS = 64

_STAP_A, _FU_A = 24, 28
_FU_START, _FU_END = 0x80, 0x40
_SLICES = 0b111110  # NAL unit types 1 to 5
_IDR, _SEI, _PARAMETERS = 1 << 5, 1 << 6, 1 << 7 | 1 << 8
_FIRST_MACROBLOCK = 0x80  # first_mb_in_slice is 0 when the slice header's first bit is 1

_pack_length = struct.Struct(">I").pack_into
_unpack_length = struct.Struct(">I").unpack_from


class AccessUnits(Protocol):
    """Where a depacketiser's output goes."""

    def parameters(self, setup: H264Setup) -> None:
        """What the access units that follow are decoded with."""
        ...

    def unit(self, data: bytes, timestamp: int, arrival_ns: int, is_key: bool) -> None:
        """A whole access unit; `arrival_ns` is when its first packet came."""
        ...

    def damaged(self, detail: str) -> None:
        """Something is missing here; said once until the next key frame."""
        ...


def nal_units(data: bytes | bytearray) -> Iterator[bytes]:
    """The NAL units of an access unit in which each stands behind its length."""
    at = 0
    while at < len(data):
        end = at + 4 + _unpack_length(data, at)[0]
        yield bytes(data[at + 4 : end])
        at = end


class ParameterSets:
    """The parameter sets of a stream as they are known now."""

    def __init__(self) -> None:
        self.setup: H264Setup | None = None
        self._sps = b""
        self._size = (0, 0)
        self._pps: dict[int, bytes] = {}

    def add(self, nal: bytes) -> None:
        """Takes a sequence or picture parameter set; other NAL units are passed over.

        Raises:
            H264Error: it is malformed; nothing changes.
        """
        kind = nal[0] & 0x1F
        if kind == 7 and nal != self._sps:
            info = parse_sps(nal)
            self._sps, self._size = nal, (info.width, info.height)
        elif kind == 8 and nal not in self._pps.values():
            number = parse_pps_id(nal)
            if len(self._pps) >= MAX_PICTURE_SETS and number not in self._pps:
                raise H264Error(f"more than {MAX_PICTURE_SETS} picture parameter sets")
            self._pps[number] = nal
        else:
            return
        if self._sps and self._pps:
            self.setup = H264Setup(self._sps, tuple(self._pps[key] for key in sorted(self._pps)), *self._size)


class Depacketiser:
    """One stream's packets, in sequence, to access units.

    Args:
        out: where they go.
        parameter_sets: NAL units from the session description; malformed ones are passed over.

    Attributes:
        malformed: payloads that RFC 6184 does not allow, or that are of a kind not understood.
        skipped: access units dropped while waiting for the first key frame.
        dropped: access units dropped because something was missing.
    """

    __slots__ = (
        "_announced",
        "_arrival_ns",
        "_ended_timestamp",
        "_is_damaged",
        "_is_new",
        "_is_suspect",
        "_is_told",
        "_is_waiting",
        "_marker_ends",
        "_open_at",
        "_out",
        "_sets",
        "_timestamp",
        "_types",
        "_unit",
        "dropped",
        "malformed",
        "skipped",
    )

    def __init__(self, out: AccessUnits, parameter_sets: tuple[bytes, ...] = ()) -> None:
        self._out = out
        self._sets = ParameterSets()
        self._announced: H264Setup | None = None
        self._unit = bytearray()
        self._types = 0  # bit n: a NAL unit of type n is in it
        self._open_at = -1  # where the NAL unit that fragments are added to starts, -1 when there is none
        self._timestamp = -1
        self._arrival_ns = 0
        self._ended_timestamp = -1
        self._is_damaged = False
        self._is_suspect = False  # packets were lost: the next slice may not be a picture's first
        self._is_told = False
        self._is_waiting = True
        self._is_new = False
        self._marker_ends = True
        self.malformed = self.skipped = self.dropped = 0
        for nal in parameter_sets:
            try:
                self._sets.add(nal)
            except H264Error:
                self.malformed += 1

    def push(  # noqa: PLR0917  called for every packet, and names cost time
        self, view: memoryview, start: int, end: int, timestamp: int, marker: bool, arrival_ns: int
    ) -> None:
        """Takes the payload `view[start:end]`, at least one byte long, of the packet after the last one."""
        if timestamp != self._timestamp:
            self._change_timestamp(timestamp, arrival_ns)
        if view[start] & 0x9F == _FU_A and end - start > 2:
            header = view[start + 1]
            if header >= _FU_START:
                self._open(view[start] & 0x60 | header & 0x1F, view[start + 2])
            if self._open_at < 0:
                self._stray_fragment()
            else:
                unit = self._unit
                unit += view[start + 2 : end]
                if header & _FU_END or marker:
                    self._close()
        else:
            self._push_whole(view, start, end)
        if marker and self._marker_ends:
            self._end_at_marker()

    def lost(self, detail: str) -> None:
        """Packets are missing before the next one."""
        self._is_suspect = True
        if self._unit or self._is_damaged:
            self._damage(detail)
        else:
            self._tell(detail)

    def restart(self) -> None:
        """The packets that follow are another source's: what is not whole is dropped; a key frame must come first."""
        if self._unit:
            self._damage("the stream started anew within a picture")
            self._drop()
        self._timestamp = self._ended_timestamp = -1
        self._is_new = True

    def _push_whole(self, view: memoryview, start: int, end: int) -> None:
        head = view[start]
        kind = head & 0x1F
        if 0 < kind < _STAP_A and head < 0x80:
            self._add(view, start, end)
        elif kind == _STAP_A and head < 0x80:
            self._add_aggregated(view, start + 1, end)
        else:
            self._malformed(f"a packet of NAL unit type {kind} is not understood")

    def _add_aggregated(self, view: memoryview, at: int, end: int) -> None:
        while at < end:
            nal = at + 2
            at = nal + (view[nal - 2] << 8 | view[nal - 1]) if nal < end else nal
            if not nal < at <= end or not 0 < view[nal] & 0x1F < _STAP_A:
                self._malformed("an aggregation packet's lengths do not add up")
                return
            self._add(view, nal, at)

    def _add(self, view: memoryview, start: int, end: int) -> None:
        self._open(view[start], view[start + 1] if end - start > 1 else 0)
        if self._open_at >= 0:
            self._unit += view[start + 1 : end]
            self._close()

    def _open(self, head: int, following: int) -> None:
        """Starts a NAL unit with the header byte `head`; `following` is the byte after it."""
        if self._open_at >= 0:
            self._malformed("a fragmented NAL unit has no end")
        kind = head & 0x1F
        if _SLICES >> kind & 1:
            self._check_slice(following)
        if self._is_damaged:
            return
        unit = self._unit
        self._open_at = len(unit)
        unit += b"\0\0\0\0"
        unit.append(head)
        self._types |= 1 << kind

    def _check_slice(self, following: int) -> None:
        is_first = following & _FIRST_MACROBLOCK
        if self._is_suspect and not is_first and not self._types & _SLICES:
            self._damage("a picture's first slice is missing")
        self._is_suspect = False
        if self._timestamp == self._ended_timestamp and not is_first and self._marker_ends:
            # This camera marks every slice, so the sample before was part of a picture only. From here on the
            # timestamp decides; the marker cannot be trusted.
            self._marker_ends = False
            self._damage("the camera marks slices as if they were pictures")

    def _close(self) -> None:
        unit, at = self._unit, self._open_at
        _pack_length(unit, at, len(unit) - at - 4)
        self._open_at = -1
        if len(unit) > MAX_ACCESS_UNIT_BYTES:
            self.check_size()

    def check_size(self) -> None:
        """Drops a picture that has grown too large; called once a read, so it grows by one read beyond at most."""
        if len(self._unit) > MAX_ACCESS_UNIT_BYTES:
            self._malformed(f"a picture is larger than {MAX_ACCESS_UNIT_BYTES} bytes")

    def _change_timestamp(self, timestamp: int, arrival_ns: int) -> None:
        if self._is_damaged:
            self._drop()
        elif self._types & _SLICES:
            if self._open_at >= 0:
                self._malformed("a fragmented NAL unit has no end")
                self._drop()
            else:
                self._finish()
        # What holds no slice (parameter sets sent ahead with a time of their own) belongs to the next picture.
        self._timestamp = timestamp
        self._arrival_ns = arrival_ns

    def _end_at_marker(self) -> None:
        if self._is_damaged:
            self._drop()
        elif self._types & _SLICES and self._open_at < 0:
            self._ended_timestamp = self._timestamp
            self._finish()

    def _finish(self) -> None:
        data, types = bytes(self._unit), self._types
        self._unit = bytearray()
        self._types = 0
        if types & _PARAMETERS and not self._adopt(data):
            return
        is_key = bool(types & _IDR) or bool(types & _SEI and _is_recovery_point(data))
        if self._is_new and not is_key:
            self._tell("the stream started anew without a key frame")
        self._is_new = False
        setup = self._sets.setup
        if self._is_waiting and not (is_key and setup):
            self.skipped += 1
            return
        self._is_waiting = False
        if setup is not self._announced and setup is not None:
            self._out.parameters(setup)
            self._announced = setup
        if is_key:
            self._is_told = False
        self._out.unit(data, self._timestamp, self._arrival_ns, is_key)

    def _adopt(self, data: bytes) -> bool:
        try:
            for nal in nal_units(data):
                self._sets.add(nal)
        except H264Error as error:
            self.malformed += 1
            self.dropped += 1
            self._tell(error.what)
            return False
        return True

    def _stray_fragment(self) -> None:
        if not self._is_damaged:
            self._malformed("a fragment has no start")

    def _malformed(self, detail: str) -> None:
        self.malformed += 1
        self._damage(detail)

    def _damage(self, detail: str) -> None:
        self._is_damaged = True
        self._unit = bytearray()
        self._types = 0
        self._open_at = -1
        self._tell(detail)

    def _drop(self) -> None:
        self._is_damaged = False
        self.dropped += 1

    def _tell(self, detail: str) -> None:
        if not self._is_told:
            self._is_told = True
            self._out.damaged(detail)


def _is_recovery_point(data: bytes) -> bool:
    found = False
    for nal in nal_units(data):
        kind = nal[0] & 0x1F
        if kind == 6:
            found = found or has_recovery_point(nal)
        elif _SLICES >> kind & 1 and not is_i_slice(nal):
            return False
    return found

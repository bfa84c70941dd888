"""A video file as a looped stream, without coding it again: its NAL units are taken byte for byte.

ISO/IEC 14496-15 5.3.3 (avcC), ITU-T H.264 7.3.1 and annex B.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from civicam.city.loop import AccessUnit, LoopedStream
from civicam.core.errors import CityError

_TICKS = 90_000
_IDR, _SPS, _PPS, _DELIMITER = 5, 7, 8, 9
_TRANSCODE = "make a file that can be played: ffmpeg -i IN -an -c:v libx264 -pix_fmt yuv420p OUT.mp4"
_START_CODE = re.compile(rb"\x00*\x00\x00\x01")


def load_video(path: Path) -> LoopedStream:
    """Returns the H.264 video of `path` (MP4, Matroska or anything else libav opens) as a loop named for the file.

    Raises:
        CityError: the file is missing, damaged or without video; it is not H.264; it does not begin with an IDR frame;
            its frames have no times; or it changes its parameter sets on the way.
    """
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return _read(container, path)
    except (av.FFmpegError, OSError) as error:
        raise CityError(
            f"the video cannot be read: {error.strerror or error}", where=str(path), fix="check the path and the file"
        ) from error


@dataclass(slots=True)
class _Parameters:
    """The one pair of parameter sets that a loop may use."""

    where: str
    length_size: int = 0  # 0: start codes
    sets: dict[int, bytes] = field(default_factory=dict)

    def note(self, nal: bytes) -> None:
        """Keeps a parameter set; refuses another one of its kind."""
        kind = nal[0] & 31
        if self.sets.setdefault(kind, nal) != nal:
            raise CityError("the video changes its parameter sets", where=self.where, fix=_TRANSCODE)

    def split(self, data: bytes) -> list[bytes]:
        """The NAL units of one packet."""
        return _split_lengths(data, self.length_size, self.where) if self.length_size else split_annex_b(data)


@dataclass(frozen=True, slots=True)
class _Frame:
    nals: tuple[bytes, ...]
    pts: int
    duration: int


def _read(container: av.container.InputContainer, path: Path) -> LoopedStream:
    where = str(path)
    if not container.streams.video:
        raise CityError("the file has no video", where=where, fix="choose a file with an H.264 video stream")
    stream = container.streams.video[0]
    # What libav has no decoder for has no context, though PyAV's types promise one.
    context: VideoCodecContext | None = stream.codec_context
    if context is None or context.name != "h264":
        codec = "of an unknown kind" if context is None else context.name
        raise CityError(f"the video is {codec}, not H.264", where=where, fix=_TRANSCODE)
    parameters = _parameters(bytes(context.extradata or b""), where)
    frames = [
        _frame(bytes(packet), packet.pts, packet.duration, parameters)
        for packet in container.demux(stream)
        if packet.size
    ]
    _check(frames, parameters)
    units, duration = _timed(frames, Fraction(stream.time_base or 0), where)
    return LoopedStream(
        name=path.stem,
        sps=parameters.sets[_SPS],
        pps=parameters.sets[_PPS],
        width=context.width,
        height=context.height,
        fps=round(len(units) * _TICKS / duration, 3),
        units=units,
        duration_90k=duration,
    )


def _parameters(extradata: bytes, where: str) -> _Parameters:
    """Reads an avcC record, or parameter sets behind start codes, or nothing (they come in the packets then)."""
    if extradata[:1] != b"\x01":
        found = _Parameters(where)
        nals = split_annex_b(extradata)
    else:
        try:
            found = _Parameters(where, length_size=(extradata[4] & 3) + 1)
            nals = _avcc_sets(extradata)
        except IndexError:
            raise CityError("the avcC record is cut off", where=where, fix=_TRANSCODE) from None
    for nal in nals:
        if nal[0] & 31 in (_SPS, _PPS):
            found.note(nal)
    return found


def _avcc_sets(record: bytes) -> list[bytes]:
    nals: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):
        count = record[at] & mask
        at += 1
        for _ in range(count):
            size = record[at] << 8 | record[at + 1]
            nal = record[at + 2 : at + 2 + size]
            if not size or len(nal) < size:
                raise IndexError
            nals.append(nal)
            at += 2 + size
    return nals


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units between the start codes of `data`, none of them empty (ITU-T H.264 annex B)."""
    parts = _START_CODE.split(data)[1:]
    return [nal for nal in (part.rstrip(b"\x00") for part in parts) if nal]


def _split_lengths(data: bytes, length_size: int, where: str) -> list[bytes]:
    nals: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if at + size > len(data):
            raise CityError("a NAL unit reaches past its packet", where=where, fix=_TRANSCODE)
        if size:
            nals.append(data[at : at + size])
        at += size
    return nals


def _frame(data: bytes, pts: int | None, duration: int | None, parameters: _Parameters) -> _Frame:
    if pts is None:
        raise CityError(
            "the video's frames have no times",
            where=parameters.where,
            fix="put it into a container that keeps them: ffmpeg -r FPS -i IN -an -c copy OUT.mp4",
        )
    kept: list[bytes] = []
    for nal in parameters.split(data):
        kind = nal[0] & 31
        if kind in (_SPS, _PPS):
            parameters.note(nal)
        elif kind != _DELIMITER:
            kept.append(nal)
    return _Frame(tuple(kept), pts, duration or 0)


def _is_key(nals: tuple[bytes, ...]) -> bool:
    return any(nal[0] & 31 == _IDR for nal in nals)


def _check(frames: list[_Frame], parameters: _Parameters) -> None:
    if not frames:
        raise CityError("the video has no frames", where=parameters.where, fix="choose another file")
    if not _is_key(frames[0].nals):
        raise CityError("the video does not begin with an IDR frame", where=parameters.where, fix=_TRANSCODE)
    if {_SPS, _PPS} - parameters.sets.keys():
        raise CityError("the video has no parameter sets", where=parameters.where, fix=_TRANSCODE)
    if len({frame.pts for frame in frames}) < len(frames):
        raise CityError("two frames of the video have the same time", where=parameters.where, fix=_TRANSCODE)


def _timed(frames: list[_Frame], time_base: Fraction, where: str) -> tuple[tuple[AccessUnit, ...], int]:
    """The frames on the loop's clock, and the loop's length: the last frame lasts as long as it says."""
    first = min(frame.pts for frame in frames)
    last = max(frames, key=lambda frame: frame.pts)
    lasts = last.duration or (last.pts - first) // max(1, len(frames) - 1)
    ticks = time_base * _TICKS
    duration = round((last.pts + lasts - first) * ticks)
    units = tuple(AccessUnit(frame.nals, round((frame.pts - first) * ticks), _is_key(frame.nals)) for frame in frames)
    if duration <= max(unit.pts_90k for unit in units):
        raise CityError("the video does not say how long its frames last", where=where, fix=_TRANSCODE)
    return units, duration

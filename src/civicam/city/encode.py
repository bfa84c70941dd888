"""Pictures -> an H.264 file that `video.load_video` plays: closed GOPs, parameter sets out of band, a held bitrate."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from civicam.city.picture import Picture
from civicam.core.errors import CityError


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are coded.

    Attributes:
        width: pixels, a multiple of 4.
        height: pixels, even.
        fps: frames a second.
        bitrate_kbit_s: what the coded stream holds, over about two seconds (1 kbit = 1000 bits).
        gop_s: seconds from one IDR frame to the next.
        b_frames: how many B-frames may follow each other; cameras send none.
        preset: x264's own name for how hard it tries.
    """

    width: int
    height: int
    fps: float = 15.0
    bitrate_kbit_s: int = 500
    gop_s: float = 2.0
    b_frames: int = 0
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if self.width < 160 or self.height < 90 or self.width % 4 or self.height % 2:
            raise CityError(
                f"pictures of {self.width}x{self.height} cannot be coded",
                fix="use at least 160x90, a width that is a multiple of 4 and an even height",
            )
        if not 1 <= self.fps <= 60 or self.bitrate_kbit_s < 1 or self.gop_s <= 0 or not 0 <= self.b_frames <= 16:
            raise CityError(
                f"{self.fps} frames/s, {self.bitrate_kbit_s} kbit/s, {self.gop_s} s a GOP, {self.b_frames} B-frames "
                "cannot be coded",
                fix="use 1 to 60 frames/s, a bitrate and GOP above zero, and 0 to 16 B-frames",
            )

    @property
    def gop_frames(self) -> int:
        """Frames from one IDR frame to the next."""
        return max(1, round(self.gop_s * self.fps))


def encode(pictures: Iterable[Picture], encoding: Encoding, path: Path) -> None:
    """Codes `pictures` on this thread with x264 into an MP4 file at `path`, which is replaced.

    The same pictures give the same bytes.

    Raises:
        CityError: the file cannot be written, or libav has no x264.
    """
    try:
        with av.open(str(path), "w", format="mp4") as container:
            rate = Fraction(encoding.fps).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options=_options(encoding))
            _configure(stream, encoding, rate)
            for number, picture in enumerate(pictures):
                frame = picture.frame()
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (av.FFmpegError, OSError) as error:
        raise CityError(
            f"the video cannot be coded: {error.strerror or error}", where=str(path), fix="check the folder and disk"
        ) from error


def _configure(stream: VideoStream, encoding: Encoding, rate: Fraction) -> None:
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = encoding.width, encoding.height, "yuv420p"
    context.time_base = 1 / rate
    context.bit_rate = encoding.bitrate_kbit_s * 1000
    context.thread_count = 1
    context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
    context.color_range = 1  # limited


def _options(encoding: Encoding) -> dict[str, str]:
    gop = encoding.gop_frames
    return {
        "preset": encoding.preset,
        "x264-params": ":".join(
            [
                f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:repeat-headers=0",
                f"bframes={encoding.b_frames}:b-adapt=0:threads=1:sliced-threads=0:sync-lookahead=0:rc-lookahead={gop}",
                # One second's worth of buffer holds every second near the target without starving the key frame.
                f"vbv-maxrate={encoding.bitrate_kbit_s}:vbv-bufsize={encoding.bitrate_kbit_s}",
            ]
        ),
    }

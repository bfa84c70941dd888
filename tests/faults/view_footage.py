"""What a view is tried with: drawn scenes as real H.264, what every picture shows, and the empty place before."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from civicam.camera.sample import H264Setup, Sample
from civicam.city.draw import Renderer
from civicam.city.encode import Encoding, encode
from civicam.city.video import load_video
from civicam.redaction.picture import Picture
from civicam.vision.decoder import Decoder

FPS = 15
FRAME_90K = 90_000 // FPS
FRAME_NS = 1_000_000_000 // FPS


@dataclass(frozen=True, slots=True)
class Footage:
    """A loop.

    Attributes:
        setup: how it is coded.
        samples: the frames in order, one GOP a second.
        pictures: the same decoded: what a clear view would show.
        ids: for each frame, rows by columns: whose pixel each is, 0 for the empty place's.
    """

    setup: H264Setup
    samples: tuple[Sample, ...]
    pictures: tuple[Picture, ...]
    ids: tuple[NDArray[np.uint16], ...]


@cache
def footage(
    kind: str, seed: int, frames: int, size: tuple[int, int] = (320, 192), *, is_empty: bool = False
) -> Footage:
    """Draws and codes a loop; an empty one has no objects and no barcode."""
    width, height = size
    renderer = Renderer(
        kind, seed, width=width, height=height, fps=FPS, frames=frames, barcode=not is_empty, with_objects=not is_empty
    )
    drawn = [renderer.frame(number) for number in range(frames)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "loop.mp4"
        encode((frame.picture for frame in drawn), Encoding(width, height, FPS, 800, gop_s=1.0), path)
        stream = load_video(path)
    setup = H264Setup(stream.sps, (stream.pps,), width, height)
    samples = tuple(
        Sample(
            b"".join(len(nal).to_bytes(4, "big") + nal for nal in unit.nals),
            number * FRAME_90K, number * FRAME_NS, None, unit.is_key,
        )
        for number, unit in enumerate(stream.units)
    )  # fmt: skip
    decoder = Decoder()
    decoder.setup(setup)
    pictures = tuple(picture for sample in samples for picture in decoder.decode(sample))
    assert len(pictures) == frames
    return Footage(setup, samples, pictures, tuple(frame.ids for frame in drawn))

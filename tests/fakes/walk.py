"""A place through which somebody walks, recorded; and the scene without them, learned before."""

from dataclasses import replace
from functools import cache

from civicam.core.ids import CameraId
from civicam.footage.fragment import Fragment
from civicam.player.encoder import Encoder
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.redaction.picture import Picture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.model_store import ModelStore
from tests.fakes.pictures import uncovered
from tests.fakes.recorded import START_NS, Footage, FragmentSink, S
from tests.redaction.place import Box, Place

SIZE = (320, 180)
SECONDS = 20
FPS = 10
SETTINGS = RedactionSettings(bootstrap_s=60)


def walker(at_s: float) -> Box:
    """Where they are: from 4 s to 16 s they go from left to right."""
    left = 20 + round((at_s - 4) * 20)
    return left, 60, left + 20, 110


def picture(at_s: float) -> Picture:
    """What the camera sees."""
    return Place(start_s=START_NS / 1e9).picture(at_s, *([walker(at_s)] if 4 <= at_s < 16 else []))


@cache
def walk() -> Footage:
    """Twenty seconds of it, in fragments of two seconds."""
    encoder, sink = Encoder(*SIZE, fps=FPS), FragmentSink()
    fragmenter = Fragmenter(sink, FragmentLimits(900_000, 1 << 20))
    fragmenter.setup(encoder.setup)
    for number in range(SECONDS * FPS):
        seen = replace(picture(number / FPS), pts_90k=number * 90_000 // FPS, wall_ns=number * S // FPS)
        fragmenter.sample(encoder.encode(uncovered(seen)))
    fragmenter.flush()
    made = tuple(sink.made)
    assert all(isinstance(one, Fragment) for one in made)
    return encoder.setup, made


def learn(store: ModelStore, camera: CameraId) -> None:
    """Keeps the scene without anybody as that camera's."""
    redactor, place = Redactor(SETTINGS), Place(start_s=START_NS / 1e9)
    for at_s in range(-100, 0, 2):
        redactor.learn(place.picture(at_s))
    assert redactor.model is not None
    store.save(camera, START_NS - S, redactor.model.to_bytes())

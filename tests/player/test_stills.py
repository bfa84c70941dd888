"""Stills: small, redacted, and the newest one of each camera kept."""

import io

import numpy as np
import pytest
from PIL import Image

from civicam.core.errors import EncodeError
from civicam.core.ids import CameraId
from civicam.player.stills import Still, StillMaker, StillShelf
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover
from tests.fakes.pictures import drawn, uncovered

A, B, C = CameraId("a"), CameraId("b"), CameraId("c")


def _opened(still: Still) -> Image.Image:
    return Image.open(io.BytesIO(still.data))


def test_a_still_is_a_webp_of_320_pixels_with_the_pictures_shape_and_time() -> None:
    still = StillMaker().make(uncovered(drawn(3, 640, 360)))
    image = _opened(still)
    assert (image.format, image.size) == ("WEBP", (320, 180)) == ("WEBP", (still.width, still.height))
    assert still.wall_ns == drawn(3).wall_ns


def test_a_small_picture_keeps_its_size() -> None:
    assert _opened(StillMaker().make(uncovered(drawn(0, 160, 96)))).size == (160, 96)


def test_a_still_has_the_pictures_colours() -> None:
    half = np.full((90, 160), 90, np.uint8)
    red = np.full((90, 160), 200, np.uint8)
    still = StillMaker().make(uncovered(Picture(np.full((180, 320), 81, np.uint8), half, red, 0, 0, True)))
    # ITU-R BT.709-6, limited range: R = 1.1644 (Y - 16) + 1.7927 (Cr - 128), and so on.
    pixel = np.asarray(_opened(still).convert("RGB"))[90, 160].astype(int)
    assert np.abs(pixel - (205, 45, 0)).max() <= 8


def test_a_still_holds_pixels_and_nothing_else() -> None:
    image = _opened(StillMaker().make(uncovered(drawn(0))))
    assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
    assert not image.getexif()


def test_the_version_changes_with_the_picture_and_only_then() -> None:
    maker = StillMaker()
    first, again, other = (maker.make(uncovered(drawn(number))) for number in (0, 0, 5))
    assert first.version == again.version != other.version


def test_pictures_of_different_sizes_may_follow_each_other() -> None:
    maker = StillMaker()
    sizes = [_opened(maker.make(uncovered(drawn(0, *size)))).size for size in [(640, 360), (320, 180), (768, 432)]]
    assert sizes == [(320, 180)] * 3


def test_a_covered_still_says_why() -> None:
    assert StillMaker().make(uncovered(drawn(0), FullCover.MOVED)).reason is FullCover.MOVED


def test_a_picture_that_was_not_redacted_does_not_type_check_and_is_refused() -> None:
    with pytest.raises(EncodeError, match="redact it first"):
        # The strict-types gate fails here should stills ever take a Picture: the ignore would be unused.
        StillMaker().make(drawn(0))  # type: ignore[arg-type]


def _still(size_bytes: int) -> Still:
    return Still(bytes(size_bytes), 1, 1, 0, "v", None)


def test_the_shelf_holds_the_newest_still_of_each_camera() -> None:
    shelf = StillShelf()
    old, new, other = _still(10), _still(20), _still(30)
    for camera, still in [(A, old), (B, other), (A, new)]:
        shelf.put(camera, still)
    assert (shelf.newest(A), shelf.newest(B), shelf.newest(C)) == (new, other, None)
    assert shelf.size_bytes == 50


def test_a_full_shelf_drops_the_camera_that_was_silent_for_longest() -> None:
    shelf = StillShelf(cameras=2)
    for camera in (A, B, A, C):
        shelf.put(camera, _still(10))
    assert (shelf.newest(B), shelf.size_bytes) == (None, 20)


def test_the_shelf_holds_no_more_bytes_than_it_may() -> None:
    shelf = StillShelf(size_bytes=100)
    for camera in (A, B, C):
        shelf.put(camera, _still(40))
    assert (shelf.newest(A), shelf.size_bytes) == (None, 80)


def test_a_camera_that_is_gone_is_forgotten() -> None:
    shelf = StillShelf()
    shelf.put(A, _still(40))
    shelf.forget(A)
    assert (shelf.newest(A), shelf.size_bytes) == (None, 0)

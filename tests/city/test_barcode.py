import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.city.barcode import draw_barcode, read_barcode, strip_box
from civicam.city.encode import Encoding, encode
from civicam.city.picture import Picture, from_rgb, luma_of


@given(st.integers(0, 2**16 - 1), st.sampled_from([(360, 640), (432, 768), (1080, 1920), (90, 160)]))
def test_every_number_reads_back(number: int, shape: tuple[int, int]) -> None:
    luma = np.full(shape, 120, np.uint8)
    draw_barcode(luma, number)
    assert read_barcode(luma) == number


@given(st.integers(0, 2**16 - 1), st.integers(0, 33))
def test_a_wrong_cell_is_not_read_as_another_number(number: int, cell: int) -> None:
    luma = np.full((360, 640), 120, np.uint8)
    draw_barcode(luma, number)
    column, row = cell % 17, cell // 17
    luma[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] ^= 0xFF
    assert read_barcode(luma) is None


def test_a_turned_column_fails_parity() -> None:
    luma = np.full((360, 640), 120, np.uint8)
    draw_barcode(luma, 77)
    luma[:16, 24:32] = luma[:16, 24:32][::-1].copy()
    assert read_barcode(luma) is None


def test_a_picture_without_a_strip_has_no_number() -> None:
    assert read_barcode(np.full((360, 640), 120, np.uint8)) is None
    assert read_barcode(np.zeros((4, 4), np.uint8)) is None


@pytest.mark.parametrize(("width", "height", "bitrate"), [(640, 360, 100), (1280, 720, 300)])
def test_the_number_survives_coding_at_a_starved_bitrate(
    width: int, height: int, bitrate: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import av

    rng = np.random.default_rng(3)
    noisy = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2)]

    def picture(number: int) -> Picture:
        made = from_rgb(noisy[number % 2])
        draw_barcode(made.luma, 500 + number)
        return made

    path = tmp_path_factory.mktemp("barcode") / "noise.mp4"
    encode(map(picture, range(30)), Encoding(width, height, bitrate_kbit_s=bitrate), path)
    with av.open(str(path)) as container:
        lumas = [luma_of(frame) for frame in container.decode(video=0)]
    assert [read_barcode(luma) for luma in lumas] == list(range(500, 530))


def test_the_strip_is_where_it_says() -> None:
    luma = np.full((1080, 1920), 120, np.uint8)
    draw_barcode(luma, 12345)
    rows, columns = np.nonzero(luma != 120)
    assert strip_box(1080) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)

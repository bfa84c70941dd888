from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.city.truth import decode_mask, encode_mask, read_truth
from civicam.core.errors import CityError


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_mask_reads_back(width: int, height: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < share
    runs = encode_mask(mask)
    assert sum(runs) == mask.size
    assert all(run > 0 for run in runs[1:])
    assert np.array_equal(decode_mask(runs, width, height), mask)


@given(st.lists(st.integers(-3, 9), max_size=8), st.integers(0, 6), st.integers(0, 6))
def test_runs_that_do_not_fit_are_refused(runs: list[int], width: int, height: int) -> None:
    if sum(runs) == width * height and min(runs, default=0) >= 0:
        assert int(decode_mask(runs, width, height).sum()) == sum(runs[1::2])
    else:
        with pytest.raises(CityError):
            decode_mask(runs, width, height)


@pytest.mark.parametrize("text", ["{}\nnot json\n", "{}\n[]\n", '{}\n{"frame": 1}\n', '{}\n{"objects": [{}]}\n'])
def test_a_file_that_is_no_truth_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.truth.jsonl"
    path.write_text(text)
    with pytest.raises(CityError, match="truth"):
        list(read_truth(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CityError, match="truth"):
        list(read_truth(tmp_path / "none"))

"""Whatever is altered of an export is found; `python -m tests.evidence.alterations` tries more."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicam.core.errors import EvidenceError
from civicam.evidence.manifest import read_ledger, read_manifest
from civicam.evidence.mp4 import boxes
from civicam.evidence.verify import verify
from tests.evidence.alterations import ALTERATIONS, Alteration, Truth, build, is_found, packed, untouched


@pytest.fixture(scope="module", params=[False, True], ids=["original", "redacted"])
def truth(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Truth:
    return build(tmp_path_factory.mktemp("exports"), is_redacted=request.param)


def test_an_untouched_export_gives_no_alarm(truth: Truth, tmp_path: Path) -> None:
    assert not is_found(truth.data, tmp_path / "first.zip")
    assert not is_found(truth.other, tmp_path / "second.zip")
    assert packed(truth.files) == truth.data


@pytest.mark.parametrize("is_redacted", [False, True])
def test_exports_of_any_stretch_give_no_alarm(tmp_path: Path, is_redacted: bool) -> None:
    for data in untouched(tmp_path / "city", random.Random(9), 12, is_redacted=is_redacted):
        assert not is_found(data, tmp_path / "export.zip")


@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda one: one.__name__)
def test_every_alteration_is_found(alter: Alteration, truth: Truth, tmp_path: Path) -> None:
    rng = random.Random(6)
    for _ in range(2 if alter.__name__ == "remuxed" else 25):
        data = alter(truth, rng)
        assert data == truth.data or is_found(data, tmp_path / "altered.zip")


@given(st.binary(max_size=3000))
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_are_given_one_clear_error_comes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for read in (read_manifest, read_ledger, lambda found: list(boxes(found))):
        try:
            read(data)
        except EvidenceError:
            continue
    path = tmp_path_factory.mktemp("odd") / "odd.zip"
    path.write_bytes(data)
    with pytest.raises(EvidenceError):
        verify(path)

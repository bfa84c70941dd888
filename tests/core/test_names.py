"""Camera ids are checked at the edge, gap causes keep their numbers, errors say what, where and what to do."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core import errors
from civicam.core.errors import CivicamError, ConfigError
from civicam.core.ids import GapCause, parse_camera_id


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_an_id_of_letters_digits_and_inner_hyphens_is_taken(text: str) -> None:
    assert parse_camera_id(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a.b", "../a", "a" * 64, "a\n", "камера"])
def test_any_other_id_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not usable"):
        parse_camera_id(text)


def test_gap_causes_are_stored_by_number_and_never_renumbered() -> None:
    assert {cause.value: cause.label for cause in GapCause} == {
        1: "camera silent",
        2: "lost packets",
        3: "overload",
        4: "disk",
        5: "shut down",
        6: "crash",
        7: "damaged",
    }


def test_every_error_is_in_the_tree_says_all_it_knows_and_survives_a_pipe() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 15
    for kind in kinds:
        assert issubclass(kind, CivicamError)
        error = kind("it broke", where="cam-1", fix="mend it")
        assert str(error) == "cam-1: it broke (mend it)"
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (type(again), str(again)) == (kind, str(error))

"""The city's key opens what it wrapped, where it was wrapped for, and nothing else."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.citykey import KEY_BYTES, CityKey, create_city_key, load_city_key
from civicam.core.errors import ConfigError, SealError

KEY = CityKey(bytes(KEY_BYTES))


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_was_wrapped_opens_under_its_context(secret: bytes, context: str) -> None:
    assert KEY.unwrap(KEY.wrap(secret, context), context) == secret


@given(st.binary(min_size=1, max_size=64), st.data())
def test_any_altered_byte_is_refused(secret: bytes, data: st.DataObject) -> None:
    wrapped = bytearray(KEY.wrap(secret, "day:cam:2026-03-01"))
    wrapped[data.draw(st.integers(0, len(wrapped) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        KEY.unwrap(bytes(wrapped), "day:cam:2026-03-01")


@given(st.binary(max_size=40))
def test_no_bytes_that_were_not_wrapped_open(data: bytes) -> None:
    with pytest.raises(SealError):
        KEY.unwrap(data, "")


def test_another_context_or_key_opens_nothing() -> None:
    wrapped = KEY.wrap(b"secret", "day:cam:2026-03-01")
    with pytest.raises(SealError):
        KEY.unwrap(wrapped, "day:cam:2026-03-02")
    with pytest.raises(SealError):
        CityKey(os.urandom(KEY_BYTES)).unwrap(wrapped, "day:cam:2026-03-01")


def test_a_new_key_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "city.key"
    create_city_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="there already"):
        create_city_key(path)
    assert path.read_bytes() == before
    assert load_city_key(path).unwrap(CityKey(before).wrap(b"x", "y"), "y") == b"x"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "city.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="needs 32"):
        load_city_key(path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "city.key"
    create_city_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_city_key(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_city_key(tmp_path / "none")

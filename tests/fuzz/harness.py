"""Throws mutated bytes at a parser and keeps what it cannot digest.

A target is a module `tests/fuzz/fuzz_NAME.py` with `one(data: bytes) -> None`, which lets nothing but a real fault
escape (it catches `CivicamError` itself, and asserts what must hold), and `SEEDS: list[bytes]`, inputs that parse. Its
last lines are:

    if __name__ == "__main__":
        raise SystemExit(harness.run(one, SEEDS, sys.argv))

    .venv/bin/python -m tests.fuzz.fuzz_rtp --runs 100000 --seed 1 --seconds 60     our own mutator, repeatable
    .venv/bin/python -m tests.fuzz.harness rtp -max_total_time=60                   Atheris, guided by coverage

What fails is written to `tests/fuzz/crashers/NAME/` and is replayed by `test_crashers.py` for ever after.
"""

import argparse
import hashlib
import importlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

Target = Callable[[bytes], None]

FOLDER = Path(__file__).parent
CRASHERS = FOLDER / "crashers"
MAX_INPUT_BYTES = 1 << 16

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 64) - 1)


class TargetModule(Protocol):
    """What a module named `fuzz_*.py` holds."""

    SEEDS: list[bytes]

    @staticmethod
    def one(data: bytes) -> None: ...


def target_names() -> list[str]:
    """The names of all targets in this folder: `rtp` for `fuzz_rtp.py`."""
    return sorted(path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.py"))


def load(name: str) -> TargetModule:
    """The target called `name`."""
    return cast("TargetModule", importlib.import_module(f"tests.fuzz.fuzz_{name}"))


def crashers_of(name: str) -> list[Path]:
    """Inputs that once broke the target."""
    return sorted(path for path in (CRASHERS / name).glob("*") if path.is_file())


def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed changed in one to eight places; once in a while plain noise."""
    if not seeds or rng.random() < 0.02:
        return rng.randbytes(rng.randrange(256))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4, 8))):
        rng.choice(_MUTATORS)(rng, data, seeds)
    return bytes(data[:MAX_INPUT_BYTES])


def _slice(rng: random.Random, size: int, most: int = 64) -> tuple[int, int]:
    start = rng.randrange(size + 1)
    return start, min(size, start + rng.randrange(1, most + 1))


def _flip_bit(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set_byte(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _set_integer(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    width = rng.choice((1, 2, 4, 8))
    start = rng.randrange(len(data) + 1)
    value = rng.choice(_INTERESTING) & ((1 << 8 * width) - 1)
    data[start : start + width] = value.to_bytes(width, rng.choice(("big", "little")))


def _set_digits(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _slice(rng, len(data), 3)
    data[start:end] = rng.choice((b"-1", b"0", b"99999999999999999999", b"1e9", b"\xc3\xa9", b"%00"))


def _insert(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.randbytes(rng.randrange(1, 17))


def _delete(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _slice(rng, len(data))
    del data[start:end]


def _repeat(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _slice(rng, len(data))
    data[start:start] = data[start:end] * rng.choice((1, 2, 50))


def _truncate(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]


_MUTATORS = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _set_integer,
    _set_digits,
    _insert,
    _delete,
    _repeat,
    _truncate,
    _splice,
)


def keep(name: str, data: bytes) -> Path:
    """Writes an input that broke the target `name` beside the others."""
    folder = CRASHERS / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def run(one: Target, seeds: list[bytes], argv: list[str]) -> int:
    """Runs `one` on the seeds and on what our own mutator makes of them; prints a final count.

    Returns:
        The process's exit status: 0 when nothing failed.
    """
    name = Path(one.__code__.co_filename).stem.removeprefix("fuzz_")
    options = argparse.ArgumentParser(prog=f"fuzz_{name}")
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--seconds", type=float, default=60.0)
    chosen = options.parse_args(argv[1:])
    rng = random.Random(chosen.seed)
    deadline = time.monotonic() + chosen.seconds
    runs = failures = 0
    while runs < chosen.runs and time.monotonic() < deadline:
        data = seeds[runs] if runs < len(seeds) else mutate(rng, seeds)
        runs += 1
        try:
            one(data)
        except Exception:  # noqa: BLE001  a fuzzer's job is to report whatever escapes
            failures += 1
            sys.stdout.write(f"{traceback.format_exc()}kept as {keep(name, data)}\n")
            if failures >= 10:
                break
    sys.stdout.write(f"{name}: {runs} inputs, {failures} failed\n")
    return 1 if failures else 0


def _fuzz_with_atheris(argv: list[str]) -> None:
    atheris = importlib.import_module("atheris")  # by name: it has no types, and no wheel for every Python
    name = argv[1]
    with atheris.instrument_imports(include=["civicam"]):
        target = load(name)
    folder = CRASHERS / name
    folder.mkdir(parents=True, exist_ok=True)
    atheris.Setup([argv[0], f"-artifact_prefix={folder}/", *argv[2:]], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz_with_atheris(sys.argv)

"""What once broke a parser breaks none now, and a few thousand fresh inputs do not either."""

import random

import pytest

from tests.fuzz import harness

INPUTS_PER_TARGET = 1500


@pytest.mark.parametrize("name", harness.target_names())
def test_every_kept_crasher_is_digested(name: str) -> None:
    target = harness.load(name)
    for path in harness.crashers_of(name):
        target.one(path.read_bytes())


@pytest.mark.parametrize("name", harness.target_names())
def test_mutated_inputs_are_digested(name: str) -> None:
    target = harness.load(name)
    rng = random.Random(f"crashers of {name}")
    for seed in target.SEEDS:
        target.one(seed)
    for _ in range(INPUTS_PER_TARGET):
        data = harness.mutate(rng, target.SEEDS)
        try:
            target.one(data)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} on {data!r}") from error

"""A short trial of `tests.faults.kills`: the recorder dies again and again, and what it recorded is proven."""

from pathlib import Path

from tests.faults.kills import Trial


def test_a_killed_recorder_loses_little_and_says_what_it_lost(tmp_path: Path) -> None:
    outcome = Trial(tmp_path, seed=11, cameras=4).run(7, 7, lambda _: None)
    assert not outcome.problems
    assert outcome.proof.samples > 0
    assert outcome.losses
    # The fragment in hand; and the one before, if it was complete only just and the write thread had not come to it.
    assert max(loss.fragments for loss in outcome.losses) <= 2

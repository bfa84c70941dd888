"""A log that is as it was verifies, by our own verifier and by the auditor's; one that was altered by neither."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from civicam.ledger.encoding import decode
from tests.ledger.alterations import ALTERATIONS, Alteration, Files, Truth, make_truth, problems_of

AUDITOR = Path(__file__).parents[2] / "tools" / "verify_ledger.py"


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return make_truth(tmp_path_factory.mktemp("truth") / "ledger")


def audited(folder: Path, files: Files, truth: Truth, *more: str) -> subprocess.CompletedProcess[str]:
    """What the auditor's program says, in an interpreter that does not know civicam."""
    for path, data in files.items():
        (folder / "log" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "log" / path).write_bytes(data)
    (folder).mkdir(parents=True, exist_ok=True)
    (folder / "earlier").write_text(str(truth.earlier))
    witnesses = [part for key in truth.trust.witnesses for part in ("--witness", str(key))]
    command = [
        sys.executable, "-c",
        "import sys, runpy; sys.modules['civicam'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')",
        str(AUDITOR), str(truth.trust.key), str(folder / "log"), *witnesses, "--quorum", str(truth.trust.quorum),
        "--earlier", str(folder / "earlier"), *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_log_that_is_as_it_was_verifies(truth: Truth, tmp_path: Path) -> None:
    assert problems_of(truth.files, truth.trust) == []
    result = audited(tmp_path, truth.files, truth, "--entry", "0", "--entry", "599")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "All of it holds." in result.stdout
    assert f'"number": {decode(truth.entries[599])["number"]}' in result.stdout


@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda one: one.__name__)
def test_an_altered_log_does_not(truth: Truth, alter: Alteration, tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(10):
        files, trust = alter(truth, rng)
        assert files == truth.files or problems_of(files, trust)


@pytest.mark.parametrize("alter", ALTERATIONS[3:], ids=lambda one: one.__name__)
def test_the_auditors_program_finds_it_too(truth: Truth, alter: Alteration, tmp_path: Path) -> None:
    files, _ = alter(truth, random.Random(6))
    result = audited(tmp_path, files, truth)
    assert result.returncode == 1
    assert "WRONG" in result.stdout
    assert "does NOT hold" in result.stdout


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000", "tile/entries/002.p/88"])
def test_the_auditors_program_finds_files_that_are_gone_or_broken(truth: Truth, path: str, tmp_path: Path) -> None:
    for number, files in enumerate(
        (
            {name: data for name, data in truth.files.items() if name != path},
            truth.files | {path: truth.files[path][:-5]},
            truth.files | {path: truth.files[path].replace(b"\n", b"\t").replace(b"gate-1", b"gate-2")},
        )
    ):
        result = audited(tmp_path / str(number), files, truth)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr


def test_the_auditors_program_is_short_and_stands_alone() -> None:
    text = AUDITOR.read_text()
    assert len(text.splitlines()) <= 300
    assert "civicam" not in text.replace("civicam's", "")

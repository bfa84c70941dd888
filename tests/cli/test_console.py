"""How commands speak."""

import os
import sys
from pathlib import Path

import pytest

from civicam.cli.console import command_name


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "civicam"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_hints_name_the_program_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", os.devnull)
    assert command_name() == str(program)
    monkeypatch.setenv("PATH", str(program.parent))
    assert command_name() == "civicam"
    monkeypatch.setattr(sys, "argv", [str(program.with_name("__main__.py")), "demo"])
    assert command_name() == f"{sys.executable} -m civicam.cli"


def test_another_program_of_that_name_on_the_path_is_not_meant(
    monkeypatch: pytest.MonkeyPatch, program: Path, tmp_path: Path
) -> None:
    other = tmp_path / "civicam"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_name() == str(program)

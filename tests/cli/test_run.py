"""`civicam run`: whoever reads its output, slowly or not at all, does not stop the recording."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from civicam.cli import commands, main
from civicam.cli.lines import LineWriter
from civicam.cli.status import ask
from civicam.core.errors import VolumeError
from civicam.recorder.status import RecorderStatus
from tests.fakes.command_line import civicam


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        os.close(descriptor)


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    lines = LineWriter(pipe[1])
    assert lines.say("one")
    assert lines.say("two")
    lines.close()
    assert os.read(pipe[0], 100) == b"one\ntwo\n"


def test_a_reader_that_does_not_read_costs_lines_and_holds_nobody_up(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    lines = LineWriter(pipe[1])
    taken = [lines.say("x" * 1000) for _ in range(100)]
    assert not all(taken)
    read = b""
    while read.count(b"\n") < sum(taken):
        read += os.read(pipe[0], 4096)
    assert read == (b"x" * 1000 + b"\n") * sum(taken)
    assert lines.say("on it goes")
    lines.close()
    assert os.read(pipe[0], 100) == b"on it goes\n"


def test_a_reader_that_is_gone_is_told_with_the_next_line() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = LineWriter(writer)
    lines.say("one")
    lines.close()
    with pytest.raises(BrokenPipeError):
        lines.say("two")
    os.close(writer)


def test_an_error_of_one_task_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("tasks", [VolumeError("it is gone", where="/srv")])])

    monkeypatch.setattr(commands, "build", lambda: fail)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("civicam: ")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until_told(address: str, process: "subprocess.Popen[bytes]", words: str) -> RecorderStatus:
    while True:
        assert process.poll() is None, "the recorder ended"
        status = ask(address)
        if status and any(words in alarm for alarm in status.all_alarms):
            return status
        time.sleep(0.2)


def test_a_recorder_whose_reader_is_gone_records_on_and_says_so(tmp_path: Path) -> None:
    data = str(tmp_path / "city")
    assert civicam("init", "--data", data).status == 0
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "civicam.cli", "run", "--json", "--data", data],
        env=os.environ | {"CIVICAM_METRICS__PORT": str(port)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        until_told(f"http://127.0.0.1:{port}", process, "no longer printed")
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == b""
        assert process.wait() == 0

"""What a program and all it started cost: processor time and memory, as Linux accounts for them (proc(5))."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: private to the processes, shared pages counted by share, and resident."""

    private_bytes: int = 0
    proportional_bytes: int = 0
    resident_bytes: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(
            self.private_bytes + other.private_bytes,
            self.proportional_bytes + other.proportional_bytes,
            self.resident_bytes + other.resident_bytes,
        )


def tree(roots: Iterable[int]) -> list[int]:
    """The processes `roots` and all their children that live."""
    found: list[int] = []
    for root in roots:
        try:
            process = psutil.Process(root)
            found += [root, *(child.pid for child in process.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds, user and system, of `pids` and of their children that ended and were waited for."""
    ticks = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # utime, stime, cutime, cstime; the name in front of them may hold anything but ends with the last ")"
        ticks += sum(int(field) for field in text.rpartition(")")[2].split()[11:15])
    return ticks / _TICKS_A_SECOND


def memory(pids: Iterable[int]) -> Memory:
    """The memory of `pids` together."""
    total = Memory()
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
        except (FileNotFoundError, ProcessLookupError):
            continue
        size = {name.rstrip(":"): int(value) * 1024 for name, value, *_ in map(str.split, lines)}
        total += Memory(size["Private_Clean"] + size["Private_Dirty"], size["Pss"], size["Rss"])
    return total


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in `folder`; one that goes meanwhile is left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when something was measured."""

    date: str
    processor: str
    cores: int
    memory_gib: float
    kernel: str
    disk: str
    python: str
    versions: dict[str, str]
    load_before: tuple[float, float, float]

    def as_json(self) -> dict[str, object]:
        """For a report."""
        return asdict(self)

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        load = " ".join(f"{one:.2f}" for one in self.load_before)
        return (
            f"{self.date}: {self.cores} cores of {self.processor}, {self.memory_gib:.0f} GiB, Linux {self.kernel}, "
            f"{self.disk}; Python {self.python}, {versions}; load before {load}"
        )


def machine(folder: Path) -> Machine:
    """This machine, now; `folder` is where footage goes."""
    found = {"uvloop": version("uvloop"), "cryptography": version("cryptography")}
    for program, arguments in (("ffmpeg", ["-version"]), ("gst-launch-1.0", ["--version"])):
        try:
            answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        found[program] = answer.split("version ")[1].split()[0]
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=psutil.virtual_memory().total / 2**30,
        kernel=platform.release(),
        disk=_file_system(folder),
        python=platform.python_version(),
        versions=found,
        load_before=os.getloadavg(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    at = str(folder.absolute())
    mounts = [part for part in psutil.disk_partitions(all=True) if Path(at).is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown disk"

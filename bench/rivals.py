"""A process a camera: ffmpeg as most open network video recorders run it, and GStreamer in the same way."""

import signal
import subprocess
import time
from pathlib import Path

import av

from bench.contender import Recorded

_APART_S = 0.05
_ENDS_WITHIN_S = 60.0


class _ProcessACamera:
    """Starts, stops and counts; which program it is, the subclass says."""

    name = ""
    how = ""

    def __init__(self, segment_s: int = 60) -> None:
        self._segment_s = segment_s
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folders: dict[str, Path] = {}

    def command(self, url: str, folder: Path) -> list[str]:
        """What is run for one camera."""
        raise NotImplementedError

    def start(self, urls: dict[str, str], folder: Path) -> None:
        """See `Contender`."""
        self._processes, self._folders = [], {}
        for camera, url in urls.items():
            target = self._folders[camera] = folder / camera
            target.mkdir()
            with (folder / f"{camera}.log").open("wb") as log:
                self._processes.append(
                    subprocess.Popen(
                        self.command(url, target), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                    )
                )
            time.sleep(_APART_S)  # that many programs that start at once would trip over each other

    def pids(self) -> list[int]:
        """See `Contender`."""
        return [process.pid for process in self._processes]

    def stop(self) -> None:
        """See `Contender`."""
        died = [process.returncode for process in self._processes if process.poll() is not None]
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if died:
            raise RuntimeError(f"{len(died)} {self.name} processes ended early, the first with status {died[0]}")

    def recorded(self, frame_90k: int) -> dict[str, Recorded]:
        """See `Contender`."""
        return {camera: _count(sorted(folder.iterdir()), frame_90k) for camera, folder in self._folders.items()}


class Ffmpeg(_ProcessACamera):
    """ffmpeg's segment muxer, streams copied, the options that open recorders use; plain MP4, never synced."""

    name = "ffmpeg"
    how = "one process a camera, RTSP over TCP, -c copy, -f segment, plain MP4 a minute, no sync, no seal, no hash"

    def command(self, url: str, folder: Path) -> list[str]:
        """See `_ProcessACamera`."""
        return [
            "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "warning", "-rtsp_transport", "tcp", "-i", url,
            "-map", "0:v", "-c", "copy", "-f", "segment", "-segment_time", str(self._segment_s),
            "-segment_format", "mp4", str(folder / "%05d.mp4"),
        ]  # fmt: skip


class Gstreamer(_ProcessACamera):
    """GStreamer's splitmuxsink, streams copied; plain MP4, never synced."""

    name = "gstreamer"
    how = "one gst-launch-1.0 a camera, rtspsrc over TCP ! rtph264depay ! h264parse ! splitmuxsink, plain MP4 a minute"

    def command(self, url: str, folder: Path) -> list[str]:
        """See `_ProcessACamera`."""
        return [
            "gst-launch-1.0", "-q", "-e", "rtspsrc", f"location={url}", "protocols=tcp",
            "!", "rtph264depay", "!", "h264parse", "!",
            "splitmuxsink", f"location={folder / '%05d.mp4'}", f"max-size-time={self._segment_s * 10**9}",
        ]  # fmt: skip


def _count(files: list[Path], frame_90k: int) -> Recorded:
    samples = missing = 0
    for path in files:
        times: list[float] = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            ticks = float(stream.time_base * 90_000)
            times = sorted(p.pts * ticks for p in container.demux(stream) if p.size and p.pts is not None)
        samples += len(times)
        if times:
            missing += max(0, round((times[-1] - times[0]) / frame_90k) + 1 - len(times))
    return Recorded(samples, missing)

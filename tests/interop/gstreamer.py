"""GStreamer's RTSP server, and what the clips that it plays hold."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from civicam.camera.url import CameraUrl, Credentials

SERVER = Path(__file__).with_name("gst_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
FOOTAGE = Path(__file__).parents[2].parent / "shared" / "footage"
CARS, PEOPLE = FOOTAGE / "street-cars-768x432.mp4", FOOTAGE / "people-pausing-768x432.mp4"
GOOD = Credentials("operator", "corr ect:horse")

NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def _is_missing() -> bool:
    if not Path(SYSTEM_PYTHON).exists():
        return True
    return subprocess.run([SYSTEM_PYTHON, "-c", NEEDS], capture_output=True, check=False).returncode != 0


needs_gstreamer = [
    pytest.mark.skipif(not FOOTAGE.is_dir(), reason="the shared footage is not here"),
    pytest.mark.skipif(
        sys.platform != "linux" or _is_missing(), reason="GStreamer's RTSP server is not here: tools/setup.sh test"
    ),
]


@contextmanager
def serving(clip: Path, scheme: str, aggregate: str = "none", config_interval: int = 0) -> Iterator[CameraUrl]:
    """A server that plays `clip` once to each client."""
    command = [SYSTEM_PYTHON, str(SERVER), str(clip), scheme, aggregate, str(config_interval)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield CameraUrl.parse(f"rtsp://127.0.0.1:{port}/clip")[0]
        finally:
            process.kill()


def demuxed(clip: Path, count: int) -> list[tuple[bytes, int, bool]]:
    """The file's first access units: data, presentation time at 90 kHz, and whether it is a key."""
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        found = []
        for packet in container.demux(video):
            if packet.size:
                pts = round((packet.pts or 0) * video.time_base * 90_000)
                found.append((bytes(packet), pts, packet.is_keyframe))
            if len(found) == count:
                break
        return found

"""What the archive makes durable is told to the catalogue, whatever moment the recorder is asked to end."""

import asyncio
import threading
from pathlib import Path

from civicam.catalogue.catalogue import Catalogue
from civicam.core.clock import SystemClock
from civicam.recorder.archive import Archive
from civicam.recorder.stream_writer import StreamWriter, SyncOutcome
from tests.recorder.test_stream_writer import KEY, START_NS, Written, fed


class SlowDisk:
    """Holds a writer's sync until it is let go, as a disk that takes long would."""

    def __init__(self, writer: StreamWriter) -> None:
        self.is_syncing = threading.Event()
        self.go_on = threading.Event()
        self.key = writer.key
        self._writer = writer
        self.finish = writer.finish
        self.needs_sync = writer.needs_sync

    def sync(self, now_ns: int) -> SyncOutcome:
        self.is_syncing.set()
        assert self.go_on.wait(20)
        return self._writer.sync(now_ns)


def test_a_recorder_that_ends_in_the_middle_of_a_sync_still_tells_what_it_made_durable(tmp_path: Path) -> None:
    written = Written(tmp_path, segment_s=1)
    written.house.add({KEY.camera: "rtsp://192.0.2.1/"})
    fed(written, [0])
    slow = SlowDisk(written.writer)
    archive = Archive(
        lambda: Catalogue.open(written.house.root / "catalogue.sqlite"),
        limit_bytes=1 << 20,
        sync_interval_s=0.01,
        measure=lambda: None,
        clock=SystemClock(),
    )
    archive.add(slow)  # type: ignore[arg-type]  # a writer, slowed

    async def run() -> None:
        running = asyncio.create_task(archive.run())
        await asyncio.to_thread(slow.is_syncing.wait)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        slow.go_on.set()
        await archive.close()

    asyncio.run(run())
    with written.house.catalogue as catalogue:
        rows = catalogue.segments(KEY)
    assert len(rows) >= 3
    assert (rows[0].start_wall_ns, rows[-1].end_wall_ns) == (START_NS, max(row.end_wall_ns for row in rows))
    assert sum(row.fragment_count for row in rows) == len(written.house.fragments("cam-1")) == 3
    assert all(row.digest for row in rows)

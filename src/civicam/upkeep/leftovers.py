"""What a recorder that died left half done: its segments are finished and told before their stream goes on."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from civicam.catalogue.catalogue import Catalogue
from civicam.core.errors import FootageError, SegmentError
from civicam.core.ids import StreamKey
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, day_folder, day_of
from civicam.footage.recovery import recover
from civicam.footage.segment import ClosedSegment
from civicam.footage.volume import Volume
from civicam.upkeep.rows import gap_change, segment_row


class Leftovers:
    """Finishes what an earlier recorder left of a stream.

    Three kinds of leftovers: files in `open/`; files closed and moved whose row still calls them open; files closed
    and moved that no row tells of, because the recorder died between the two.

    Args:
        volumes: where to look.
        keyring: opens the day keys.
    """

    def __init__(self, volumes: Sequence[Volume], keyring: KeyRing) -> None:
        self._volumes = volumes
        self._keyring = keyring
        self._open: dict[StreamKey, list[tuple[Volume, SegmentName]]] | None = None

    def finish(self, catalogue: Catalogue, key: StreamKey) -> list[FootageError]:
        """Finishes the leftovers of `key`, which nobody may be recording.

        Returns:
            What could not be finished; it stays where it is, for `civicam check`.
        """
        faults: list[FootageError] = []
        for volume, name in self._found(catalogue, key):
            try:
                closed = recover(volume, name, self._keyring)
            except FootageError as error:
                faults.append(error)
                continue
            if closed is None:
                catalogue.forget(key, name.start_wall_ns)
                continue
            self._tell(catalogue, volume, closed)
        return faults

    @staticmethod
    def _tell(catalogue: Catalogue, volume: Volume, closed: ClosedSegment) -> None:
        key = closed.name.key
        start_ns = min([closed.start_wall_ns, *(gap.start_wall_ns for gap in closed.gaps)])
        gaps = gap_change(closed, catalogue.gaps(key, (start_ns, closed.end_wall_ns)))
        with catalogue.changing() as change:
            for gap in gaps.taken:
                change.take_gap(key, gap.start_wall_ns)
            change.store([segment_row(closed, volume.name), *gaps.told])

    def _found(self, catalogue: Catalogue, key: StreamKey) -> list[tuple[Volume, SegmentName]]:
        found = [*self._half_done(catalogue).get(key, ()), *self._untold(catalogue, key)]
        unique = {(volume.name, name): (volume, name) for volume, name in found}
        return sorted(unique.values(), key=lambda pair: pair[1].start_wall_ns)

    def _half_done(self, catalogue: Catalogue) -> dict[StreamKey, list[tuple[Volume, SegmentName]]]:
        """What lies in `open/` or is called open. Looked up once, and not anew for each of 400 streams."""
        if self._open is None:
            self._open = {}
            for volume in self._volumes:
                with suppress(FootageError):
                    for stored in volume.open_segments():
                        self._open.setdefault(stored.name.key, []).append((volume, stored.name))
            volumes = {volume.name: volume for volume in self._volumes}
            for row in catalogue.open_segments():
                if row.volume in volumes:
                    name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
                    self._open.setdefault(row.key, []).append((volumes[row.volume], name))
        return self._open

    def _untold(self, catalogue: Catalogue, key: StreamKey) -> Iterator[tuple[Volume, SegmentName]]:
        last = catalogue.last_segment_end(key)
        if last is None:
            return
        for volume in self._volumes:
            for day in {day_of(last), day_of(last + 3600 * 10**9)}:
                with suppress(OSError):
                    for path in day_folder(volume.root, key.camera, day).iterdir():
                        with suppress(SegmentError):
                            name = SegmentName.parse(path.name)
                            if name.key == key and name.start_wall_ns >= last:
                                yield volume, name

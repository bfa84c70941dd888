"""A supervisor that dies or does not listen holds up no worker."""

import signal
import time
from pathlib import Path

from civicam.core.ids import GapCause
from tests.fakes.house import CLOCK, House, main_stream
from tests.faults.city_process import CityProcess
from tests.faults.kills import wait_until_recorded
from tests.faults.proof import prove
from tests.faults.system_process import SystemProcess


def test_workers_record_on_while_the_supervisor_hangs_and_finish_when_it_is_dead(tmp_path: Path) -> None:
    with CityProcess(tmp_path / "sent.jsonl", 4, 5) as city:
        house = House.build(tmp_path / "house", segment_s=3, sync_interval_s=0.3)
        house.add(city.urls)
        system = SystemProcess(house.plan(1), tmp_path)
        wait_until_recorded(house, city.urls)
        system.signal_supervisor(signal.SIGSTOP)
        system.fill_report_pipe(0)
        wait_until_recorded(house, city.urls)
        killed_ns = system.kill_supervisor()
        time.sleep(1.5)  # the city writes its log once a second
        city.read()
        path = house.root / "catalogue.sqlite"
        proof = prove(path, [house.volume], house.keyring, city.sent, now_ns=CLOCK.wall_ns())
        assert not proof.problems
        with house.catalogue as catalogue:
            for camera, frames in city.sent.items():
                last = catalogue.gaps(main_stream(camera))[-1]
                assert last.cause is GapCause.CRASH
                missing = [frame for number, frame in enumerate(frames) if number not in proof.recorded[camera]]
                assert all(frame.wall_ns > killed_ns - 500_000_000 for frame in missing)

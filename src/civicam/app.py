"""Where the parts are put together: a city's folder becomes a catalogue, volumes, keys, and a recorder that runs."""

import asyncio
import fcntl
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from civicam.access.office import Office
from civicam.access.sign_in.founding import first_secret, is_founded
from civicam.access.store import AccessStore
from civicam.camera.sealing import open_credentials, seal_credentials
from civicam.camera.url import Credentials
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Deletion
from civicam.catalogue.rollup import DAY_NS
from civicam.config import MIB, DataFolder, Settings, load_settings, parse_settings, render_default
from civicam.core.citykey import CityKey, create_city_key, load_city_key
from civicam.core.clock import Clock
from civicam.core.errors import CivicamError, ConfigError, SealError, VolumeError
from civicam.core.ids import CameraId, StreamKey
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.client import LedgerClient, LedgerWriter
from civicam.ledger.entry import Draft, Receipt, Writer
from civicam.ledger.keeper import LedgerKeeper
from civicam.ledger.log import LedgerFolder, Log, create_log
from civicam.ledger.people_keys import PeopleKeys
from civicam.ledger.plan import LedgerPlan, WitnessPlan
from civicam.recorder.metrics import MetricsServer
from civicam.recorder.plan import RecorderPlan, StreamPlan, VolumePlan, WorkerPlan
from civicam.recorder.status import RateMeter, RecorderStatus, VolumeStatus
from civicam.recorder.supervisor import Supervisor
from civicam.upkeep.retention import Retention, RetentionPolicy, RetentionRound
from civicam.upkeep.written import (
    MOST_SEGMENTS,
    day_draft,
    deletion_draft,
    footage_draft,
    footage_leaves,
    setting_draft,
)
from civicam.web.keeper import WebKeeper
from civicam.web.plan import MaskPlan, PeoplePlan, WebPlan
from civicam.web.policies import PEOPLE

_STATUS_EVERY_S = 1.0
_FOR_EVER_S = 100 * 365 * 86_400
_CAMERAS_EVERY_S = 3.0
_RETENTION_EVERY_S = 30.0
_COMMIT_EVERY_S = 60.0
_DAY_SETTLES_NS = 900 * 1_000_000_000  # after midnight, until the last segments of the day are closed
_MOST_DAYS = 31
_RETENTION_BEHIND_S = 1.0

_T = TypeVar("_T")
OnUpdate = Callable[[RecorderStatus], None]
"""Called once a second on the event loop with how the recorder is doing; must not block."""


@dataclass(frozen=True, slots=True)
class City:
    """A city's folder, opened.

    Attributes:
        data: where it is.
        settings: what is set.
        key: wraps its secrets.
    """

    data: DataFolder
    settings: Settings
    key: CityKey

    @classmethod
    def open(cls, data: DataFolder, environment: Mapping[str, str] = os.environ) -> "City":
        """Reads settings and key.

        Raises:
            ConfigError: there is no city, or its settings or key cannot be used.
        """
        return cls(data, load_settings(data, environment), load_city_key(data.city_key))

    @classmethod
    def create(cls, data: DataFolder, name: str, environment: Mapping[str, str] = os.environ) -> "City":
        """Makes the folder with its settings, key, catalogue and volumes.

        Raises:
            ConfigError: there is a city already (it is left as it is), the name or the environment cannot be used, or
                the folder cannot be made.
        """
        there = [path for path in (data.settings, data.city_key, data.catalogue) if path.exists()]
        if there:
            raise ConfigError("there is a city already", where=str(there[0]), fix="choose another folder with --data")
        text = render_default(name)
        parse_settings(text, str(data.settings), environment)  # a mistake must leave no half of a city behind
        try:
            data.root.mkdir(mode=0o750, parents=True, exist_ok=True)
            create_city_key(data.city_key)
            data.settings.write_text(text, "utf-8")
        except OSError as error:
            raise ConfigError(f"the folder cannot be made: {error.strerror}", where=str(data.root)) from error
        Catalogue.open(data.catalogue, create=True).close()
        city = cls.open(data, environment)
        city.prepare_ledger()
        for volume in city.volumes():
            volume.prepare()
        return city

    def prepare_ledger(self) -> None:
        """Makes the city's ledger if there is none: a new city has none, and one of an older civicam.

        Raises:
            LedgerError: it cannot be written.
        """
        folder = LedgerFolder(self.data.ledger)
        if not folder.about.exists():
            create_log(folder, self.settings.ledger.origin or _origin(self.settings.city.name), self.key)

    def ledger_plan(self) -> LedgerPlan:
        """What the ledger's process does."""
        return LedgerPlan(
            str(self.data.ledger.absolute()),
            str(self.data.city_key.absolute()),
            str(self.data.ledger_socket.absolute()),
            tuple(WitnessPlan(one.url, one.key) for one in self.settings.witness),
        )

    def catalogue(self) -> Catalogue:
        """The catalogue, opened anew; close it."""
        return Catalogue.open(self.data.catalogue)

    def volumes(self) -> list[Volume]:
        """The volumes of the settings."""
        return [Volume(v.name, self.data.volume_root(v), v.reserve_bytes) for v in self.settings.volume]

    def keyring(self) -> KeyRing:
        """Finds day keys."""
        return KeyRing(self.key)

    def seal(self, camera: CameraId, credentials: Credentials | None) -> bytes | None:
        """What the catalogue stores of a camera's name and password."""
        return seal_credentials(self.key, camera, credentials)

    def credentials(self, camera: Camera) -> Credentials | None:
        """A camera's name and password.

        Raises:
            SealError: they do not open with this city's key.
        """
        return open_credentials(self.key, camera.id, camera.credentials)

    def streams(self, catalogue: Catalogue) -> tuple[tuple[StreamPlan, ...], list[str]]:
        """What is to be recorded, and alarms for cameras whose password does not open: the others go on."""
        plans: list[StreamPlan] = []
        alarms: list[str] = []
        for camera in catalogue.cameras():
            if camera.register is None:
                alarms.append(
                    f"camera {camera.id} is not recorded: it is not said whose it is, what allows it, how long footage"
                    f" is kept and what residents should know (civicam camera describe {camera.id})"
                )
                continue
            try:
                login = self.credentials(camera) or Credentials("", "")
            except SealError as error:
                alarms.append(f"camera {camera.id} is not recorded: {error}")
                continue
            plans += [
                StreamPlan(StreamKey(camera.id, name), url, camera.added_ns, login.user, login.password)
                for name, url in camera.urls.items()
            ]
        return tuple(plans), alarms

    def worker_plan(self) -> WorkerPlan:
        """What holds for every stream."""
        recorder = self.settings.recorder
        return WorkerPlan(
            catalogue=str(self.data.catalogue.absolute()),
            city_key=str(self.data.city_key.absolute()),
            volumes=tuple(VolumePlan(v.name, str(v.root.absolute()), v.reserve_bytes) for v in self.volumes()),
            segment_s=recorder.segment_s,
            sync_interval_s=recorder.sync_interval_s,
            backlog_bytes=recorder.backlog_mb * MIB,
            max_fragment_s=recorder.max_fragment_s,
            max_fragment_bytes=recorder.max_fragment_mb * MIB,
            stall_s=recorder.stall_s,
            connect_at_once=recorder.connect_at_once,
            feed=str(self.data.feed.absolute()) if self.settings.web.port else "",
        )

    def web_plan(self) -> WebPlan:
        """What the web process serves."""
        web = self.settings.web
        metrics = self.settings.metrics
        return WebPlan(
            city=self.settings.city.name,
            ledger=str(self.data.ledger_socket.absolute()),
            ledger_folder=str(self.data.ledger.absolute()),
            feed=str(self.data.feed.absolute()),
            scenes=str(self.data.scenes.absolute()),
            usual=str(self.data.usual.absolute()),
            catalogue=str(self.data.catalogue.absolute()),
            city_key=str(self.data.city_key.absolute()),
            volumes=tuple(VolumePlan(v.name, str(v.root.absolute()), v.reserve_bytes) for v in self.volumes()),
            host=web.host,
            port=web.port,
            allow=web.allow,
            people=self.people_plan() if web.allow == PEOPLE else None,
            certificate=str((self.data.root / web.certificate).absolute()) if web.certificate else "",
            certificate_key=str((self.data.root / web.certificate_key).absolute()) if web.certificate_key else "",
            cover=self.settings.redaction.cover,
            bootstrap_s=self.settings.redaction.bootstrap_s,
            save_every_s=self.settings.redaction.save_every_s,
            keep_s=int(self.settings.retention.days * 86_400 or _FOR_EVER_S) + 86_400,
            masks=tuple(MaskPlan(mask.camera, mask.polygon, mask.kind) for mask in self.settings.mask),
            status=f"http://{metrics.host}:{metrics.port}/status" if metrics.port else "",
            map=str(self.data.map.absolute()),
            exports=str(self.data.exports.absolute()),
        )

    def people_plan(self) -> PeoplePlan:
        """Where people and what they may are kept."""
        access, elsewhere = self.settings.access, self.settings.provider
        provider = (elsewhere.issuer, elsewhere.client_id, elsewhere.client_secret, elsewhere.acr)
        return PeoplePlan(
            str(self.data.access.absolute()),
            self.settings.city.zone,
            access.purpose_list,
            access.grant_hours,
            provider if elsewhere.issuer else (),
        )

    def first_start(self) -> str:
        """The link with which a browser makes the first two administrators; empty where it is not needed.

        Raises:
            AccessStoreError: the database of people and rights cannot be used.
        """
        web = self.settings.web
        if web.allow != PEOPLE or not web.port:
            return ""
        with closing(AccessStore(self.data.access)) as store:
            _, state = store.load()
            return "" if is_founded(state) else f"{web.address}/#first-start={first_secret(store, self.key)}"

    def retention_policy(self, cameras: Iterable[Camera] = ()) -> RetentionPolicy:
        """What retention may delete: of a camera what is older than it says, or than the city's settings allow."""
        days = self.settings.retention.days
        limits = {volume.name: volume.limit_bytes for volume in self.settings.volume if volume.limit_bytes}
        ages = {
            camera.id: int(min(camera.register.keep_days, days or camera.register.keep_days) * DAY_NS)
            for camera in cameras
            if camera.register is not None
        }
        return RetentionPolicy(int(days * DAY_NS) if days else None, ages, limits)


def _origin(city: str) -> str:
    words = "".join(one if one.isalnum() else " " for one in city.lower()).split()
    return f"civicam/{'-'.join(words) or 'city'}"


class _OwnLedger:
    """Writes the ledger in this process, while the recorder does not run.

    Args:
        log: the ledger, opened.
        clock: the time.
    """

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def append(self, draft: Draft) -> Receipt:
        """See `ledger.entry.Writer`."""
        (receipt,) = self._log.append([draft], self._clock.wall_ns())
        return receipt

    def close(self) -> None:
        """Puts what was written into tiles, and lets another process write."""
        self._log.integrate()
        self._log.close()


class _OnThreads:
    """A ledger that blocks, for an event loop.

    Args:
        writer: the ledger.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def append(self, draft: Draft) -> Receipt:
        """See `access.office.Ledger`."""
        return await asyncio.to_thread(self._writer.append, draft)


@contextmanager
def open_ledger(city: City, clock: Clock) -> Iterator[Writer]:
    """The ledger, for the command line: its process writes where the recorder runs, else this one does meanwhile.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    city.prepare_ledger()
    is_alone = lock_holder(city.data) is None
    ledger = (
        _OwnLedger(Log(LedgerFolder(city.data.ledger), city.key), clock)
        if is_alone
        else LedgerWriter(city.data.ledger_socket)
    )
    try:
        yield ledger
    finally:
        ledger.close()


@asynccontextmanager
async def open_office(city: City, clock: Clock) -> AsyncIterator[Office]:
    """The office of people, for the command line: whether the recorder runs or not, what changes is written down.

    Raises:
        AccessStoreError: the database of people and rights cannot be used.
        LedgerError: the ledger cannot be written.
    """
    with open_ledger(city, clock) as ledger:
        keys = PeopleKeys(LedgerFolder(city.data.ledger).people, city.key)
        office = Office(AccessStore(city.data.access), keys, city.key, _OnThreads(ledger), clock=clock)
        try:
            yield office
        finally:
            await office.close()


class LockHolder(NamedTuple):
    """Who holds the city.

    Attributes:
        is_repair: a repair does, and not a recorder.
        address: where the recorder's metrics are, empty if it has none.
    """

    is_repair: bool
    address: str


@contextmanager
def recorder_lock(data: DataFolder, *, is_repair: bool = False) -> Iterator[Callable[[str], None]]:
    """Holds the city against a second recorder or repair; the caller may leave the metrics' address in it.

    Raises:
        ConfigError: another process holds it.
    """
    try:
        file = data.lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the lock cannot be opened: {error.strerror}", where=str(data.lock)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "this city is being recorded or repaired already", where=str(data.root), fix="stop that first"
            ) from None

        def say(address: str) -> None:
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "address": address, "is_repair": is_repair}))
            file.flush()

        say("")
        try:
            yield say
        finally:
            file.truncate(0)


def lock_holder(data: DataFolder) -> LockHolder | None:
    """Who holds the city, None if nobody does."""
    try:
        with data.lock.open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                told = json.loads(file.read() or "{}")
                return LockHolder(bool(told.get("is_repair")), str(told.get("address", "")))
    except (FileNotFoundError, ValueError):
        pass
    return None


async def run_recorder(
    city: City, stop: asyncio.Event, *, clock: Clock, rng: random.Random, on_update: OnUpdate | None = None
) -> RecorderStatus:
    """Records every camera of `city` until `stop` is set, and returns how it ended.

    Cameras that are added or removed meanwhile are taken up within seconds. Trouble with retention, metrics, a volume
    or one camera is an alarm and never ends the recording of the others.

    Raises:
        CivicamError: it cannot start: the city is recorded already, or its catalogue or volumes cannot be used.
    """
    with ExitStack() as resources:
        say = resources.enter_context(recorder_lock(city.data))
        for volume in city.volumes():
            volume.prepare()
        city.prepare_ledger()
        recorder = _Recorder(city, clock, rng, on_update, resources)
        server = recorder.serve_metrics()
        if server is not None:
            resources.callback(server.close)
            say(server.address)
        return await recorder.run(stop)


class _Recorder:
    """One run of the recorder."""

    def __init__(
        self, city: City, clock: Clock, rng: random.Random, on_update: OnUpdate | None, resources: ExitStack
    ) -> None:
        self._city = city
        self._clock = clock
        self._on_update = on_update
        self._epoch = clock.wall_ns()
        self._measured: list[VolumeStatus] = []
        self._status = RecorderStatus(self._epoch, self._epoch)
        self._rates = RateMeter()
        self._alarms: dict[str, list[str]] = {}
        # Each has its own thread and catalogue: neither a slow disk nor a long round of deleting stops the other.
        # Threads are entered last, so that they have ended when the catalogues close.
        self._volumes = city.volumes()
        self._catalogue = resources.enter_context(city.catalogue())
        self._deleting_catalogue = resources.enter_context(city.catalogue())
        self._retention = Retention(self._deleting_catalogue, city.volumes(), city.retention_policy())
        self._watching = resources.enter_context(ThreadPoolExecutor(1, "status"))
        self._deleting = resources.enter_context(ThreadPoolExecutor(1, "retention"))
        self._plans, self._alarms["cameras"] = city.streams(self._catalogue)
        plan = RecorderPlan(city.worker_plan(), self._plans, city.settings.recorder.workers)
        self._supervisor = Supervisor(plan, clock=clock, rng=rng)
        self._writer = LedgerClient(city.data.ledger_socket)
        self._ledger = LedgerKeeper(city.ledger_plan(), clock=clock, rng=rng)
        self._web = WebKeeper(city.web_plan(), clock=clock, rng=rng) if city.settings.web.port else None

    def serve_metrics(self) -> MetricsServer | None:
        metrics = self._city.settings.metrics
        if not metrics.port:
            return None
        try:
            return MetricsServer(lambda: self._status, metrics.host, metrics.port)
        except ConfigError as error:
            self._alarms["metrics"] = [str(error)]
            return None

    async def run(self, stop: asyncio.Event) -> RecorderStatus:
        await self._on(self._watching, lambda: self._catalogue.begin_run(self._epoch, self._clock.wall_ns()))
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._keep_telling()),
                tasks.create_task(self._keep_cameras()),
                tasks.create_task(self._keep_room()),
                tasks.create_task(self._keep_written()),
            ]
            tasks.create_task(self._ledger.run(stop))
            if self._web is not None:
                tasks.create_task(self._web.run(stop))
            await self._supervisor.run(stop)
            for task in background:
                task.cancel()
            await self._writer.close()
        await self._on(self._watching, lambda: self._catalogue.end_run(self._epoch, self._clock.wall_ns()))
        await self._tell()
        return self._status

    async def _keep_telling(self) -> None:
        while True:
            await self._tell()
            await self._clock.sleep(_STATUS_EVERY_S)

    async def _tell(self) -> None:
        volumes = await self._on(self._watching, self._measure)
        reports = self._supervisor.reports()
        self._status = RecorderStatus(
            self._clock.wall_ns(),
            self._epoch,
            reports,
            self._supervisor.restarts(),
            self._rates.update(reports),
            volumes,
            [
                *self._supervisor.alarms(),
                *(alarm for alarms in self._alarms.values() for alarm in alarms),
                *self._ledger.alarms(),
                *(self._web.alarms() if self._web else ()),
            ],
        )
        if self._on_update is not None:
            try:
                self._on_update(self._status)
            except OSError as error:
                # A reader that is gone or a log without room is no reason to stop recording.
                self._on_update = None
                self._alarms["output"] = [f"the status is no longer printed: {error.strerror}"]

    def _measure(self) -> list[VolumeStatus]:
        with self._alarmed("catalogue"):
            self._measured = measure(self._city, self._volumes, self._catalogue)
        return self._measured

    async def _keep_cameras(self) -> None:
        while True:
            await self._clock.sleep(_CAMERAS_EVERY_S)
            with self._alarmed("camera list"):
                plans, alarms = await self._on(self._watching, lambda: self._city.streams(self._catalogue))
                self._alarms["cameras"] = alarms
                if plans != self._plans:
                    self._plans = plans
                    self._supervisor.apply(plans)

    async def _keep_room(self) -> None:
        while True:
            pause_s = _RETENTION_EVERY_S
            with self._alarmed("retention failed"):
                done = await self._on(self._deleting, self._delete)
                self._alarms["room"] = done.alarms
                await self._write_receipts()
                pause_s = _RETENTION_BEHIND_S if done.is_behind else pause_s
            await self._clock.sleep(pause_s)

    async def _write_receipts(self) -> None:
        """Tells the ledger of what is gone: once each, also if that failed or the machine stopped in between."""
        while rows := await self._on(self._deleting, self._unwritten):
            for rule in sorted({row.rule for row in rows}):
                told = [row for row in rows if row.rule == rule]
                receipt = await self._writer.append(deletion_draft(told, rule))
                now_ns = self._clock.wall_ns()
                await self._on(
                    self._deleting, partial(self._deleting_catalogue.write_receipt, told, receipt.index, now_ns)
                )

    def _unwritten(self) -> list[Deletion]:
        return self._deleting_catalogue.deletions(MOST_SEGMENTS, written=False)

    def _delete(self) -> RetentionRound:
        cameras = self._deleting_catalogue.cameras(removed=True)
        self._retention.policy = self._city.retention_policy(cameras)
        return self._retention.round(self._clock.wall_ns())

    async def _keep_written(self) -> None:
        """Commits to footage in the ledger each minute, and says at the start with which settings the city runs."""
        is_told = False
        while True:
            with self._alarmed("ledger"):
                if not is_told:
                    settings = await self._on(self._watching, self._city.data.settings.read_bytes)
                    await self._writer.append(setting_draft(settings))
                    is_told = True
                await self._commit_to_footage()
                await self._write_days()
            await self._clock.sleep(_COMMIT_EVERY_S if is_told else _STATUS_EVERY_S)

    async def _commit_to_footage(self) -> None:
        while rows := await self._on(self._watching, lambda: self._catalogue.uncommitted_segments(MOST_SEGMENTS)):
            receipt = await self._writer.append(footage_draft(rows))
            await self._on(
                self._watching, partial(self._catalogue.commit_segments, rows, receipt.index, footage_leaves(rows))
            )

    async def _write_days(self) -> None:
        end_ns = self._clock.wall_ns() - _DAY_SETTLES_NS
        for day_ns in await self._on(self._watching, lambda: self._catalogue.days_unwritten(end_ns, _MOST_DAYS)):
            window = (day_ns, day_ns + DAY_NS)
            found = await self._on(self._watching, partial(self._catalogue.completeness, window))
            receipt = await self._writer.append(day_draft(day_ns, found))
            await self._on(self._watching, partial(self._catalogue.write_day, day_ns, receipt.index))

    @contextmanager
    def _alarmed(self, what: str) -> Iterator[None]:
        """Turns an error into an alarm that lasts until it goes well again."""
        try:
            yield
        except (CivicamError, OSError) as error:
            self._alarms[what] = [f"{what}: {error}"]
        else:
            self._alarms.pop(what, None)

    async def _on(self, pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def measure(city: City, volumes: list[Volume], catalogue: Catalogue) -> list[VolumeStatus]:
    """How each volume is.

    Raises:
        CatalogueError: the catalogue cannot be used.
    """
    used = catalogue.totals().volume_bytes
    limits = {volume.name: volume.limit_bytes for volume in city.settings.volume}
    found = []
    for volume in volumes:
        try:
            room = volume.room()
            level, free_bytes, total_bytes = str(room.level), room.free_bytes, room.total_bytes
        except VolumeError:
            level, free_bytes, total_bytes = "gone", 0, 0
        found.append(
            VolumeStatus(
                volume.name,
                str(volume.root),
                level,
                free_bytes,
                total_bytes,
                used.get(volume.name, 0),
                limits[volume.name],
            )
        )
    return found

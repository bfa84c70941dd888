"""The recorder's numbers over HTTP: `/metrics` for Prometheus, `/status` as JSON. Names and counts, never footage."""

import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import accumulate
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from civicam.core.errors import ConfigError
from civicam.recorder.report import LATENCY_BUCKETS_S, Histogram, StreamReport, StreamState
from civicam.recorder.status import RecorderStatus, completeness

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

StatusSource = Callable[[], RecorderStatus]

_STREAM = ("camera", "stream")
_REQUEST_TIMEOUT_S = 10.0


class RecorderCollector(Collector):
    """Turns the newest status into metrics whenever they are asked for."""

    def __init__(self, status: StatusSource) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client`."""
        status = self._status()
        yield from _stream_metrics(status)
        yield from _worker_metrics(status)
        yield from _volume_metrics(status)
        alarms = GaugeMetricFamily("civicam_alarms", "Things an engineer must look at now; /status says which.")
        alarms.add_metric([], len(status.all_alarms))
        yield alarms


def _stream_metrics(status: RecorderStatus) -> Iterator[Metric]:
    streams = status.streams

    def gauge(name: str, text: str, value: Callable[[StreamReport], float | None]) -> Metric:
        family = GaugeMetricFamily(f"civicam_stream_{name}", text, labels=_STREAM)
        for stream in streams:
            number = value(stream)
            if number is not None:
                family.add_metric(stream.key.split("/"), number)
        return family

    def counter(name: str, text: str, value: Callable[[StreamReport], float]) -> Metric:
        family = CounterMetricFamily(f"civicam_stream_{name}", text, labels=_STREAM)
        for stream in streams:
            family.add_metric(stream.key.split("/"), value(stream))
        return family

    yield gauge("recording", "1 while samples are coming, else 0.", lambda s: s.state is StreamState.RECORDING)
    yield gauge(
        "completeness_ratio",
        "Playable part of the time due since the worker started, without what is not durable yet.",
        lambda s: completeness([s]),
    )
    rates = status.rates
    yield gauge(
        "bitrate_bits_per_second",
        "Coded bits a second over the last five seconds.",
        lambda s: rates[s.key].bits_per_s if s.key in rates else None,
    )
    yield gauge("pending_seconds", "Time received and not durable yet.", lambda s: s.pending_ns / 1e9)
    yield counter("samples", "Coded frames received.", lambda s: s.samples)
    yield counter("media_bytes", "Bytes of coded frames received.", lambda s: s.media_bytes)
    yield counter("lost_packets", "RTP packets that never came or were malformed.", lambda s: s.packets_lost)
    yield counter("reconnects", "Times the connection was made again.", lambda s: s.reconnects)
    yield counter("due_seconds", "Time the stream was meant to cover.", lambda s: s.due_ns / 1e9)
    yield counter("playable_seconds", "Time of it that is durable and playable.", lambda s: s.playable_ns / 1e9)
    gaps = CounterMetricFamily("civicam_stream_gap_seconds", "Time missing, by cause.", labels=(*_STREAM, "cause"))
    for stream in streams:
        for cause, gap_ns in stream.gap_ns.items():
            gaps.add_metric([*stream.key.split("/"), cause], gap_ns / 1e9)
    yield gaps


def _worker_metrics(status: RecorderStatus) -> Iterator[Metric]:
    up = GaugeMetricFamily("civicam_worker_up", "1 while the worker process reports, else 0.", labels=("worker",))
    restarts = CounterMetricFamily(
        "civicam_worker_restarts", "Times the worker process was started anew.", labels=("worker",)
    )
    for worker, count in status.restarts.items():
        up.add_metric([str(worker)], status.is_up(worker))
        restarts.add_metric([str(worker)], count)
    backlog = GaugeMetricFamily("civicam_backlog_bytes", "Footage waiting to be written.", labels=("worker",))
    limit = GaugeMetricFamily(
        "civicam_backlog_limit_bytes", "Backlog at which whole fragments are dropped.", labels=("worker",)
    )
    dropped = CounterMetricFamily(
        "civicam_dropped_fragments", "Fragments dropped because the backlog was full.", labels=("worker",)
    )
    write = HistogramMetricFamily("civicam_write_seconds", "Sealing and writing a fragment.", labels=("worker",))
    sync = HistogramMetricFamily("civicam_sync_seconds", "Syncing a segment file to disk.", labels=("worker",))
    for report in status.reports:
        labels = [str(report.worker)]
        backlog.add_metric(labels, report.backlog_bytes)
        limit.add_metric(labels, report.backlog_limit_bytes)
        dropped.add_metric(labels, report.dropped_fragments)
        write.add_metric(labels, _buckets(report.write), report.write.sum_s)
        sync.add_metric(labels, _buckets(report.sync), report.sync.sum_s)
    yield from (up, restarts, backlog, limit, dropped, write, sync)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, LATENCY_BUCKETS_S), "+Inf"]
    return [(bound, float(count)) for bound, count in zip(bounds, accumulate(histogram.counts), strict=True)]


def _volume_metrics(status: RecorderStatus) -> Iterator[Metric]:
    for name, text in (
        ("free_bytes", "What the volume's disk still has."),
        ("total_bytes", "The size of the volume's disk."),
        ("footage_bytes", "Footage on the volume, by the catalogue."),
        ("limit_bytes", "Footage the volume may hold, 0 for no limit."),
    ):
        family = GaugeMetricFamily(f"civicam_volume_{name}", text, labels=("volume",))
        for volume in status.volumes:
            family.add_metric([volume.name], getattr(volume, name))
        yield family
    usable = GaugeMetricFamily("civicam_volume_usable", "1 while footage can be written to it.", labels=("volume",))
    for volume in status.volumes:
        usable.add_metric([volume.name], volume.level in {"ok", "low"})
    yield usable


class MetricsServer:
    """Serves `/metrics` and `/status` from a thread of its own until closed.

    Args:
        status: asked at each request, from another thread.
        host: the address to listen at.
        port: the TCP port, 0 takes a free one.

    Raises:
        ConfigError: the address cannot be listened at.
    """

    def __init__(self, status: StatusSource, host: str, port: int) -> None:
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            raise ConfigError(
                f"metrics cannot be served: {error.strerror or error}",
                where=f"{host}:{port}",
                fix="choose another metrics.port in civicam.toml, or 0 for none",
            ) from error
        self._server.set_app(_application(status))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it is, such as `http://127.0.0.1:9464`."""
        return f"http://{self._server.server_address[0]!s}:{self._server.server_port}"

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # The base class looks the machine's name up, which may take seconds without a name server.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = _REQUEST_TIMEOUT_S

    def log_message(self, *_: object) -> None:
        """Scrapes are not news."""


def _application(status: StatusSource) -> "WSGIApplication":
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RecorderCollector(status))
    metrics = make_wsgi_app(registry)

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def answer(code: HTTPStatus, kind: str, body: str) -> Iterable[bytes]:
            start_response(f"{code.value} {code.phrase}", [("Content-Type", kind), ("Cache-Control", "no-store")])
            return [body.encode()]

        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", "GET only\n")
        match environ.get("PATH_INFO"):
            case "/metrics":
                page: Iterable[bytes] = metrics(environ, start_response)
                return page
            case "/status":
                return answer(HTTPStatus.OK, "application/json", status().to_json())
            case "/":
                return answer(HTTPStatus.OK, "text/plain", "civicam recorder: /metrics (Prometheus), /status (JSON)\n")
            case _:
                return answer(HTTPStatus.NOT_FOUND, "text/plain", "there are /metrics and /status\n")

    return application

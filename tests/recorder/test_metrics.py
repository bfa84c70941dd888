"""Metrics: what Prometheus reads back is what the workers reported."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from civicam.core.errors import ConfigError
from civicam.recorder.metrics import MetricsServer
from civicam.recorder.report import Histogram, StreamReport, StreamState, WorkerReport
from civicam.recorder.status import Rate, RateMeter, RecorderStatus, VolumeStatus, completeness

S = 1_000_000_000
NOW = 1_800_000_000 * S


def latencies(*seconds: float) -> Histogram:
    histogram = Histogram()
    for value in seconds:
        histogram.observe(value)
    return histogram


def status() -> RecorderStatus:
    streams = [
        StreamReport(
            "cam-001/main",
            StreamState.RECORDING,
            samples=150,
            media_bytes=640_000,
            packets_lost=3,
            reconnects=1,
            due_ns=10 * S,
            playable_ns=6 * S,
            pending_ns=2 * S,
            gap_ns={"camera silent": 1_500_000_000, "lost packets": 500_000_000},
        ),
        StreamReport("cam-002/sub", StreamState.WAITING, "cam-002: refused", gap_ns={"camera silent": 10 * S}),
    ]
    report = WorkerReport(
        0,
        NOW - 20 * S,
        NOW - S,
        streams,
        backlog_bytes=1024,
        backlog_limit_bytes=64 << 20,
        dropped_fragments=2,
        write=latencies(0.0009, 0.004, 99.0),
        sync=latencies(0.2),
        alarms=["volume main is nearly full"],
    )
    return RecorderStatus(
        NOW,
        NOW - 60 * S,
        [report],
        {0: 1, 1: 4},
        {"cam-001/main": Rate(15.0, 512_000.0)},
        [VolumeStatus("main", "/footage", "low", 3 << 30, 100 << 30, 5 << 30, 50 << 30)],
        ["retention failed"],
    )


@contextmanager
def served(current: RecorderStatus) -> Iterator[str]:
    server = MetricsServer(lambda: current, "127.0.0.1", 0)
    try:
        yield server.address
    finally:
        server.close()


def ask(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def get(address: str, path: str) -> str:
    code, text = ask(address, path)
    assert code == 200
    return text


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Metric, name: str | None = None) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value for sample in family.samples if sample.name == (name or sample.name)
    }


def test_prometheus_reads_what_the_workers_reported() -> None:
    with served(status()) as address:
        found = families(get(address, "/metrics"))
    assert values(found["civicam_stream_recording"]) == {("cam-001", "main"): 1, ("cam-002", "sub"): 0}
    assert values(found["civicam_stream_completeness_ratio"]) == {("cam-001", "main"): 0.75, ("cam-002", "sub"): 0}
    assert values(found["civicam_stream_bitrate_bits_per_second"]) == {("cam-001", "main"): 512_000}
    assert values(found["civicam_stream_samples"])[("cam-001", "main")] == 150
    assert values(found["civicam_stream_media_bytes"])[("cam-001", "main")] == 640_000
    assert values(found["civicam_stream_lost_packets"])[("cam-001", "main")] == 3
    assert values(found["civicam_stream_reconnects"])[("cam-001", "main")] == 1
    assert values(found["civicam_stream_gap_seconds"]) == {
        ("cam-001", "camera silent", "main"): 1.5,
        ("cam-001", "lost packets", "main"): 0.5,
        ("cam-002", "camera silent", "sub"): 10,
    }
    assert values(found["civicam_worker_up"]) == {("0",): 1, ("1",): 0}
    assert values(found["civicam_worker_restarts"]) == {("0",): 1, ("1",): 4}
    assert values(found["civicam_backlog_bytes"]) == {("0",): 1024}
    assert values(found["civicam_dropped_fragments"]) == {("0",): 2}
    assert values(found["civicam_volume_free_bytes"]) == {("main",): 3 << 30}
    assert values(found["civicam_volume_limit_bytes"]) == {("main",): 50 << 30}
    assert values(found["civicam_alarms"]) == {(): 3}


def test_latency_buckets_are_cumulative_and_end_at_infinity() -> None:
    with served(status()) as address:
        write = families(get(address, "/metrics"))["civicam_write_seconds"]
    buckets = {
        sample.labels["le"]: sample.value for sample in write.samples if sample.name == "civicam_write_seconds_bucket"
    }
    assert (buckets["0.001"], buckets["0.0025"], buckets["0.005"], buckets["5.0"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert values(write, "civicam_write_seconds_count") == {("0",): 3}
    assert values(write, "civicam_write_seconds_sum")[("0",)] == pytest.approx(99.0049)


def test_every_metric_has_a_type_a_help_text_and_our_prefix() -> None:
    with served(status()) as address:
        found = families(get(address, "/metrics"))
    assert len(found) > 20
    for family in found.values():
        assert family.name.startswith("civicam_")
        assert family.type in {"gauge", "counter", "histogram"}
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


def test_a_recorder_without_reports_has_metrics_too() -> None:
    with served(RecorderStatus(NOW, NOW, restarts={0: 0})) as address:
        found = families(get(address, "/metrics"))
    assert values(found["civicam_worker_up"]) == {("0",): 1}  # it is given the time to start
    assert not found["civicam_stream_samples"].samples


def test_status_is_json_and_comes_back_whole() -> None:
    with served(status()) as address:
        text = get(address, "/status")
    assert json.loads(text)["alarms"] == ["retention failed", "worker 1 is down", "volume main is nearly full"]
    again = RecorderStatus.from_json(text)
    assert again.reports == status().reports
    assert again.rates == status().rates
    assert again.volumes == status().volumes
    assert again.all_alarms == status().all_alarms


@pytest.mark.parametrize(("path", "method", "code"), [("/footage", "GET", 404), ("/status", "POST", 405)])
def test_nothing_else_is_served(path: str, method: str, code: int) -> None:
    with served(status()) as address:
        assert ask(address, path, method)[0] == code


def test_a_port_in_use_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match=r"metrics\.port"):
        MetricsServer(status, "127.0.0.1", taken.getsockname()[1])


def report(wall_s: float, samples: int, epoch: int = 1) -> WorkerReport:
    return WorkerReport(
        0, epoch, int(wall_s * S), [StreamReport("a/main", samples=samples, media_bytes=samples * 1000)]
    )


def test_rates_are_taken_over_five_seconds() -> None:
    meter = RateMeter()
    rates = meter.update([report(0, 0)])
    assert rates == {}
    for second in range(1, 20):
        rates = meter.update([report(second, min(10, second) * 15)])
    assert rates["a/main"] == Rate(0, 0)
    assert len(meter._readings["a/main"]) <= 7


def test_the_same_report_twice_changes_no_rate() -> None:
    meter = RateMeter()
    meter.update([report(0, 0)])
    assert meter.update([report(1, 15)]) == meter.update([report(1, 15)]) == {"a/main": Rate(15, 120_000)}


@pytest.mark.parametrize("after", [report(2, 5, epoch=2), report(2, 5), report(0.5, 40)])
def test_a_rate_is_never_negative(after: WorkerReport) -> None:
    meter = RateMeter()
    meter.update([report(0, 0)])
    meter.update([report(1, 30)])
    assert meter.update([after]) == {}


def test_completeness_leaves_out_what_is_pending() -> None:
    assert completeness([]) == 1
    assert completeness(status().streams[:1]) == 0.75

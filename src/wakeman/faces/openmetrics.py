"""Writes metrics as text in the OpenMetrics format, which Prometheus and its node exporter read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from wakeman.api.metrics import Metric

_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


def exposition(metrics: Sequence[Metric]) -> str:
    """Return the metrics as text. A character that is no Unicode, as in a name of bytes, is written as its escape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(metrics))
    data: bytes = generate_latest(registry)  # type: ignore[no-untyped-call] # the library's
    return data.decode("utf-8")


class _Given(Collector):
    """Hands over metrics that exist already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for each in self._metrics:
            names = list(dict.fromkeys(name for value in each.values for name in value.labels))
            family = _FAMILIES[each.kind](each.name, each.help, labels=names, unit=each.unit)
            for value in each.values:
                family.add_metric([_unicode(value.labels.get(name, "")) for name in names], value.value)
            yield family


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()

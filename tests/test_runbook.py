"""The alerts: what they ask for is there, and the runbook says what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy import metrics as exporter
from myapp.metrics import Series

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "deploy/alerts.yml"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(ALERTS.read_text())["groups"]
    for rule in group["rules"]
]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)+)", RUNBOOK, re.MULTILINE))
OTHERS = {
    "up",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "pg_replication_lag_seconds",
    "probe_ssl_earliest_cert_expiry",
    "probe_success",
    "redis_memory_max_bytes",
    "redis_memory_used_bytes",
}
"""What other exporters tell, as alerts.yml says at its top."""

EACH_RULE = pytest.mark.parametrize(
    "rule", RULES, ids=[rule["alert"] for rule in RULES]
)


def metrics_of(rule: dict[str, Any]) -> set[str]:
    """Return the names of the figures that a rule asks for."""
    text = re.sub(r'"[^"]*"', "", rule["expr"])
    return set(re.findall(r"\b(?:up|[a-z]+_[a-z_]+[a-z])\b(?!\s*\()", text))


def labels_of(rule: dict[str, Any]) -> set[str]:
    """Return the labels that it chooses by."""
    return set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", rule["expr"]))


@pytest.fixture
def shown(tmp_path):
    """The names of all figures that the service tells."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/build.json").write_text('{"version": "1"}')
    registries = CollectorRegistry(), exporter.registry(tmp_path, tmp_path)
    series = Series(registries[0])
    series.requests.labels("customers_list", "2xx").observe(0.1)
    series.problems.labels("customers_list", "404").inc()
    return {
        sample.name: set(sample.labels)
        for registry in registries
        for family in registry.collect()
        for sample in family.samples
    }


@EACH_RULE
def test_alert_asks_for_figures_that_are_there(rule, shown):
    assert metrics_of(rule), "it asks for something"
    assert metrics_of(rule) - OTHERS <= shown.keys()


@EACH_RULE
def test_alert_chooses_by_labels_that_its_figures_have(rule, shown):
    ours = metrics_of(rule) & shown.keys()
    if ours:
        known = set().union(*(shown[name] for name in ours)) | {"job"}
        assert labels_of(rule) <= known


@EACH_RULE
def test_alert_says_how_urgent_it_is_and_what_has_happened(rule):
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+m", rule.get("for", "1m"))


@EACH_RULE
def test_runbook_says_what_an_alert_means_what_to_look_at_and_what_to_do(rule):
    section = SECTIONS[rule["alert"]]
    for part in ("**Means**: ", "**Look at**: ", "**Do**: "):
        assert part in section


def test_runbook_has_no_section_of_an_alert_that_is_gone():
    described = {name for name, text in SECTIONS.items() if "**Means**" in text}
    assert described == {rule["alert"] for rule in RULES}


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_prometheus_reads_the_alerts():
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True)

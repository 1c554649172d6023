"""Every kind of alert has its entry in the runbook, and every entry its rule."""

import re

from pipeline.alerting import rules
from pipeline.operations import SEVERITIES
from pipeline.settings import ROOT

RUNBOOK = (ROOT / "RUNBOOK.md").read_text(encoding="utf-8")
CHAPTER = re.split(r"^## ", RUNBOOK.split("\n## Alerts\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
ENTRIES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", CHAPTER, re.MULTILINE | re.DOTALL))
KINDS = {
    "job_failed", "job_late", "job_long", "stale_data", "gaps", "anomalous_actuals", "missed_issue", "error_up",
    "error_limit", "coverage_off", "drift", "model_old", "artifact_damaged", "disk_low", "warehouse_growing",
    "scheduler_dead", "delivery_failed", "backup_old", "model_unserved",
}  # fmt: skip


def test_every_kind_of_alert_has_its_entry_and_every_entry_its_rule() -> None:
    assert set(ENTRIES) == set(rules())
    assert set(rules()) >= KINDS


def test_each_entry_says_what_it_means_how_to_check_and_what_to_do() -> None:
    for name, text in ENTRIES.items():
        for part in ("*Means.*", "*Check.*", "*Do.*"):
            assert part in text, f"{name} lacks {part}"


def test_rules_are_fit_to_be_shown() -> None:
    for rule in rules().values():
        assert rule.title, rule.name
        assert rule.unit, rule.name
        assert rule.severity in SEVERITIES, rule.name
        assert not rule.good.endswith("."), rule.name


def test_there_is_a_procedure_for_each_kind_of_incident() -> None:
    chapter = RUNBOOK.split("\n## Incidents\n", 1)[1]
    for name in ("Provider down", "Scheduler dead", "Disk full", "Warehouse damaged", "Wrong model live"):
        assert f"**{name}.**" in chapter

"""docs/cost.md shows what benchmarks/cost.py computes, and that counts what the template has."""

from __future__ import annotations

import importlib.util
import sys

from template.cloudformation import REPOSITORY, effective, resources

spec = importlib.util.spec_from_file_location("cost", REPOSITORY / "benchmarks" / "cost.py")
assert spec
assert spec.loader
cost = importlib.util.module_from_spec(spec)
sys.modules["cost"] = cost
spec.loader.exec_module(cost)


def test_the_page_shows_the_computed_tables() -> None:
    page = (REPOSITORY / "docs" / "cost.md").read_text()
    for detector in (cost.SELF_HOSTED, cost.HTTP):
        assert cost.table(detector) in page


def test_memory_alarms_and_queues_are_the_templates() -> None:
    template = effective()
    assert (
        resources(template, "AWS::Lambda::Function")["ScreenFunction"]["MemorySize"]
        == cost.SELF_HOSTED.memory_gb * 1024
    )
    remote = effective({"Detector": "https://detector.example.com"})
    for detector, deployed in ((cost.SELF_HOSTED, template), (cost.HTTP, remote)):
        alarms = resources(deployed, "AWS::CloudWatch::Alarm")
        assert len(alarms) == cost.ALARMS + detector.alarms
    assert (
        resources(remote, "AWS::Lambda::Function")["ScreenFunction"]["MemorySize"]
        == cost.HTTP.memory_gb * 1024
    )


def test_more_pictures_cost_more_and_the_fixed_part_stays() -> None:
    few, many = dict(cost.lines(1_000, cost.SELF_HOSTED)), dict(cost.lines(1_000_000, cost.SELF_HOSTED))
    assert sum(few.values()) < sum(many.values())
    assert few["Alarms, metrics"] == many["Alarms, metrics"]

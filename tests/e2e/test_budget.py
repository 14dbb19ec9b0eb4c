"""limits.cost on a real Slurm, with machines that are said to cost something (BURST_REHEARSE_PRICE)."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import Burst

pytestmark = pytest.mark.e2e

# A dollar a second. While eight nodes and the head are there, 95 seconds are kept for the end: 855 USD.
DOLLAR = "3600"
SPENDS = """\
version: 1
name: spends
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: {min: 0, max: 8}}
jobs:
  long: {nodes: 8, command: "echo begun > out.txt; sleep 600", outputs: [{path: out.txt, optional: true}]}
limits: {cost: 1000 USD, ttl: 15m}
"""


def test_before_a_budget_is_spent_jobs_are_cancelled_and_everything_is_destroyed(burst: Burst) -> None:
    burst.write({"burst.yaml": SPENDS})
    burst.env["BURST_REHEARSE_PRICE"] = DOLLAR
    receipt = burst.receipt("run", "--results", "out", expect=5)
    assert receipt["jobs"]["long"]["state"] == "CANCELLED"
    assert receipt["remains"] == []
    said = [finding["message"] for finding in receipt["findings"] if finding["code"] == "budget"]
    assert said[0].startswith("limits.cost is 1000.00 USD, but the jobs' own time is expected to cost 7335.00 USD")
    assert said[-1].endswith("of limits.cost's 1000.00 USD are spent, and ending it costs the rest")
    cost = receipt["cost"]
    assert 0 < cost["final_usd"] <= cost["limit_usd"] == 1000
    assert cost["estimated_usd"] == 8145
    assert {item["name"]: item["count"] for item in cost["items"]} == {"head": 1, "cpu": 8}
    assert cost["final_usd"] == pytest.approx(sum(item["usd"] for item in cost["items"]), abs=0.02)
    assert burst.left() == []


def test_a_budget_for_nothing_is_refused(burst: Burst) -> None:
    burst.write({"burst.yaml": SPENDS.replace("1000 USD", "899 USD")})
    burst.env["BURST_REHEARSE_PRICE"] = DOLLAR
    done = burst("run")
    assert done.returncode == 2
    said = "limits.cost is 899.00 USD, but what is always there costs 900.00 USD in 15m"
    assert f"error: {said}" in done.stdout + done.stderr
    assert burst.left() == []


@pytest.mark.parametrize("price", ["cheap", "-1", "nan", "inf"])
def test_a_price_that_is_none_is_refused(burst: Burst, price: str) -> None:
    burst.write({"burst.yaml": SPENDS})
    burst.env["BURST_REHEARSE_PRICE"] = price
    done = burst("plan")
    assert done.returncode == 2
    assert f"BURST_REHEARSE_PRICE: '{price}' is no price" in done.stderr


def test_what_a_kept_cluster_has_cost_so_far(burst: Burst) -> None:
    kept = SPENDS.replace("min: 0, max: 8", "min: 2, max: 4").replace("sleep 600", "true")
    burst.write({"burst.yaml": kept.replace("nodes: 8", "nodes: 1"), "wide.yaml": kept.replace("nodes: 8", "nodes: 4")})
    burst.env["BURST_REHEARSE_PRICE"] = "3.6"
    up = burst.receipt("up", "--results", "out")
    assert up["cost"]["final_usd"] >= 0
    first = json.loads(burst("cost", "-o", "json").stdout)
    assert {item["name"]: item["count"] for item in first["items"]} == {"head": 1, "cpu": 2}
    assert first["run_id"] == up["run_id"]
    # Three machines of 3.60 USD an hour.
    assert (first["hourly_usd"], first["limit_usd"]) == (pytest.approx(10.8), 1000)
    done = burst("submit", up["run_id"], "wide.yaml", "--wait")
    assert done.returncode == 0, done.stderr
    then = json.loads(burst("cost", up["run_id"], "-o", "json").stdout)
    assert {item["name"]: item["count"] for item in then["items"]} == {"head": 1, "cpu": 4}
    assert then["spent_usd"] > first["spent_usd"]
    shown = burst("cost").stdout
    assert f"{up['run_id']}: " in shown
    assert "ended before 1000.00 USD (limits.cost)" in shown
    down = burst.receipt("down", "--results", "out")
    assert {item["name"]: item["count"] for item in down["cost"]["items"]} == {"head": 1, "cpu": 4}
    assert round(then["spent_usd"], 2) <= down["cost"]["final_usd"]
    assert burst.left() == []


def test_what_costs_nothing_says_so(burst: Burst) -> None:
    burst.write({"burst.yaml": SPENDS.replace("sleep 600", "true")})
    up = burst.receipt("up", "--results", "out")
    assert burst("cost").stdout == f"{up['run_id']}: nothing was billed\n"
    assert burst("cost", "nobody").returncode == 2
    burst.receipt("down", "--results", "out")

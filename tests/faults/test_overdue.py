"""Screenings whose message is lost, on a compressed clock: found when it must be gone, screened by a backfill."""

from __future__ import annotations

import pytest
from support.context import Context

from screentest.screening import backfill
from screentest.screening.models import ObjectRef, Screening, Trigger
from screentest.screening.records import BACKFILL_LIFE, LEASE, UPLOAD_LIFE, Record
from screentest.screening.routes import Routes

from . import world as w
from .world import Fate, Function, World

HOUR = 3600.0
SCREENING = Screening.of("emo-detect-v1")


def quiet(_name: str, _place: str) -> Fate:
    return Fate.DONE


def dies_while_asking(name: str, _place: str) -> Fate:
    return Fate.KILLED_AFTER if name == "call" else Fate.DONE


def look(function: Function) -> int:
    answer = backfill.OverdueCheck(function.pipeline.screener, function.telemetry)(  # type: ignore[arg-type] # a silent one
        {"screentest": "overdue"}, Context()
    )
    assert function.telemetry.counts["overdue"] == answer["overdue"]
    return int(answer["overdue"])


def stands_still(world: World, seconds: float) -> None:
    """Nothing is taken from the queue, which forgets in time."""
    world.now += seconds
    world.expire()


@pytest.mark.parametrize("first_attempt", ["failed", "crashed"])
def test_a_lost_message_is_found_and_a_backfill_screens_what_it_was_about(first_attempt: str) -> None:
    world = World()
    old = world.upload("one/a.jpg", "pass")
    world.upload("two/b.jpg", "reject")
    if first_attempt == "failed":
        world.down_until = world.now + HOUR
    hand = dies_while_asking if first_attempt == "crashed" else quiet
    for message in world.visible():
        w.invoke(world, Function(world, hand), [message])
    assert world.queue

    function = Function(world, quiet)
    stands_still(world, UPLOAD_LIFE - HOUR)
    assert world.queue
    assert look(function) == 0, "a message may still come"
    stands_still(world, HOUR + LEASE + 60)
    assert not world.queue, "nobody will ever try again"
    lost = look(function)
    assert lost == len(world.table) == (3 if first_attempt == "failed" else 2)

    world.upload("one/a.jpg", "reject")
    w.settle(world)
    assert look(function) == lost, "that a later version is there decides nothing about the former"
    for record in function.ports.overdue(world.now):
        world.send(backfill.message(record.ref))
    w.settle(world)
    assert look(function) == 0
    item = world.item("one/a.jpg", SCREENING, old)
    assert item is not None
    assert (item["verdict"], item["trigger"]) == ("pass", "backfill")
    assert old.tags["screentest"] == "pass"
    assert max(world.calls.values()) <= 2


def test_what_was_deleted_meanwhile_is_overdue_until_a_backfill_closes_it() -> None:
    world = World()
    version = world.upload("one/a.jpg", "pass")
    world.down_until = world.now + HOUR
    function = Function(world, quiet)
    w.invoke(world, function, world.visible())
    world.delete("one/a.jpg")
    stands_still(world, UPLOAD_LIFE + 60)
    assert look(function) == 1
    for record in function.ports.overdue(world.now):
        world.send(backfill.message(record.ref))
    w.settle(world)
    item = world.item("one/a.jpg", SCREENING, version)
    assert item is not None
    assert item["code"] == "ObjectGone"
    assert look(function) == 0


def test_what_no_route_asks_for_any_more_is_not_overdue() -> None:
    world = World()
    world.upload("one/a.jpg", "pass")
    world.down_until = world.now + HOUR
    w.invoke(world, Function(world, quiet), world.visible())
    stands_still(world, UPLOAD_LIFE + 60)
    assert look(Function(world, quiet)) == 1
    world.routes = Routes(w.ROUTES.rules[1:])
    assert look(Function(world, quiet)) == 0


def test_a_backfill_may_be_paused_for_as_long_as_its_queue_keeps_messages() -> None:
    ref = ObjectRef("b", "one/a.jpg", version_id="1", trigger=Trigger.BACKFILL)
    record = Record.from_item(
        {"object": ref.uri, "screening": "emo-detect-v1#1x1#1", "trigger": "backfill", "lease_until": 1000.0}
    )
    assert not record.is_overdue(1000.0 + UPLOAD_LIFE + HOUR)
    assert record.is_overdue(1000.0 + BACKFILL_LIFE + 1)
    assert not Record.from_item({"object": ref.uri, "screening": "emo-detect-v1#1x1#1"}).is_overdue(1e12)

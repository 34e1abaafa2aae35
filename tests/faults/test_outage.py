"""A detector that is down, throttles or is misconfigured for hours, on a compressed clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from screentest.screening import events
from screentest.screening.models import Screening
from screentest.screening.queue import REDRIVEN_ATTRIBUTE
from screentest.screening.records import seconds, timestamp
from screentest.screening.screen import Attempt

from . import world as w
from .world import Fate, Function, World

HOUR = 3600.0
SCREENING = Screening.of("emo-detect-v1")


def quiet(_name: str, _place: str) -> Fate:
    return Fate.DONE


def run(world: World, functions: int = 3, *, until: Callable[[], bool] = lambda: False) -> None:
    """Several function environments take turns on batches of ten, as the event source would start them."""
    environments = itertools.cycle([Function(world, quiet) for _ in range(functions)])
    while world.queue and not until():
        due = world.visible()
        if not due:
            world.now = min(message.visible_at for message in world.queue.values())
            continue
        w.invoke(world, next(environments), due)
        world.now += 0.2


@pytest.mark.parametrize("trouble", ["down", "throttling"])
def test_four_hours_without_a_detector_lose_nothing_and_need_no_hand(trouble: str) -> None:
    world = World()
    if trouble == "down":
        world.down_until = world.now + 4 * HOUR
    else:
        world.throttled_until = world.now + 4 * HOUR
    ends = world.now + 4 * HOUR
    versions = [
        world.upload(f"one/{number}.jpg", "pass" if number % 3 else "reject") for number in range(120)
    ]
    longest = 0

    def watch() -> bool:
        nonlocal longest
        longest = max([longest, *(message.receives for message in world.queue.values())])
        return False

    run(world, until=watch)

    assert not world.dead
    assert [version.tags["screentest"] for version in versions] == [
        "pass" if number % 3 else "reject" for number in range(120)
    ]
    assert len(world.topic) == 40, "each rejection is told once, and the outage is not"
    assert set(world.calls.values()) == {1}
    assert longest <= w.MAX_RECEIVES - 2
    assert world.now < ends + HOUR, "everything is decided within an hour of the detector's return"


def test_a_dead_detector_is_left_alone() -> None:
    world = World()
    world.down_until = world.now + 4 * HOUR
    for number in range(200):
        world.upload(f"one/{number}.jpg", "pass")
    started = world.now
    run(world, functions=1, until=lambda: world.now > started + 2 * HOUR)
    deliveries = sum(message.receives for message in world.queue.values())
    assert deliveries > 1000
    assert len(world.call_times) < deliveries / 5, "most deliveries find the breaker open"


def test_a_detector_that_never_returns_ends_in_an_error_that_says_so() -> None:
    world = World()
    world.down_until = world.now + 1000 * HOUR
    started = world.now
    version = world.upload("one/a.jpg", "pass")
    run(world)
    item = world.item("one/a.jpg", SCREENING, version)
    assert item is not None
    assert (item["verdict"], item["code"]) == ("error", "Timeout")
    assert version.tags["screentest"] == "error"
    assert [notice["code"] for notice in world.topic] == ["Timeout"]
    assert [letter.receives for letter in world.dead] == [w.MAX_RECEIVES + 1]
    assert 4 * HOUR < world.now - started < 12 * HOUR


@pytest.mark.parametrize("dies_at", ["claim", "table", "tags", "write_tags", "publish", "note"])
def test_the_last_attempt_speaks_even_when_the_function_dies_on_it(dies_at: str) -> None:
    world = World()
    world.down_until = world.now + 1000 * HOUR
    version = world.upload("one/a.jpg", "pass")
    run(world, until=lambda: next(iter(world.queue.values())).receives >= w.MAX_RECEIVES - 2)
    (message,) = world.queue.values()
    world.now = max(world.now, message.visible_at)

    def die(name: str, _place: str) -> Fate:
        return Fate.KILLED_AFTER if name == dies_at else Fate.DONE

    assert not w.invoke(world, Function(world, die), [message])
    run(world)
    item = world.item("one/a.jpg", SCREENING, version)
    assert item is not None
    assert item["verdict"] == "error"
    assert item["code"] in ("Timeout", "Crashed")
    assert version.tags["screentest"] == "error"
    assert 1 <= len(world.topic) <= 2
    assert len(world.dead) == 1


def test_a_dead_letter_put_back_is_screened_again() -> None:
    world = World()
    world.down_until = world.now + 1000 * HOUR
    version = world.upload("one/a.jpg", "pass")
    run(world)
    world.down_until = 0.0
    world.now += 60
    (letter,) = world.dead
    world.send(letter.body, **{REDRIVEN_ATTRIBUTE: timestamp(world.now)})
    run(world)
    item = world.item("one/a.jpg", SCREENING, version)
    assert item is not None
    assert item["verdict"] == "pass"
    assert version.tags["screentest"] == "pass"
    assert item["attempts"] == 1


def test_a_stored_error_answers_duplicates_for_a_quarter_of_an_hour() -> None:
    world = World()
    world.down_until = world.now + 1000 * HOUR
    version = world.upload("one/a.jpg", "pass")
    run(world)
    world.down_until = 0.0
    body = world.event("one/a.jpg", version)
    item = world.item("one/a.jpg", SCREENING, version)
    assert item is not None
    for wait, verdict in ((60.0, "error"), (901.0, "pass")):
        world.now = max(world.now, seconds(item["screened_at"]) + wait)
        world.send(body)
        run(world)
        after = world.item("one/a.jpg", SCREENING, version)
        assert after is not None
        assert after["verdict"] == verdict


def test_a_direct_call_does_not_wait_for_anybody() -> None:
    world = World()
    world.upload("one/a.jpg", "reject")
    function = Function(world, quiet)
    (message,) = world.queue.values()
    (ref,) = events.objects_in_body(message.body)
    first = function.pipeline.screener.screen(ref, Attempt(will_be_redelivered=False))
    item = world.table[first.items[0]["object"], first.items[0]["screening"]]
    del item["notified_at"]
    second = function.pipeline.screener.screen(ref, Attempt(will_be_redelivered=False))
    assert not second.failures
    assert len(world.topic) == 2, "a notice that is not noted as sent is sent again"
    assert sum(world.calls.values()) == 1


def test_without_time_for_the_detector_the_message_goes_back_and_costs_no_attempt_of_the_picture() -> None:
    world = World()
    world.upload("one/a.jpg", "pass")
    (message,) = world.queue.values()
    function = Function(world, quiet)

    class Late(w.Context):
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    answer = function.pipeline({"Records": world.receive([message])}, Late(world))
    assert answer["batchItemFailures"]
    assert not world.call_times
    assert message.visible_at - world.now < 5
    run(world)
    assert sum(world.calls.values()) == 1

"""A detector that is down, throttles or is misconfigured for hours, on a compressed clock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping

import pytest
from support.context import Context

from screentest.screening import events
from screentest.screening.errors import AccessDenied, ConfigurationError, StoreUnavailable
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.progress import Attempt
from screentest.screening.queue import REDRIVEN_ATTRIBUTE
from screentest.screening.records import seconds, timestamp

from . import world as w
from .world import Fate, Function, World

HOUR = 3600.0
SCREENING = Screening.of("emo-detect-v1")


def quiet(_name: str, _place: str) -> Fate:
    return Fate.DONE


def run(
    world: World,
    functions: int = 3,
    *,
    until: Callable[[], bool] = lambda: False,
    hand: w.Hand = quiet,
) -> None:
    """Several function environments take turns on batches of ten, as the event source would start them."""
    environments = itertools.cycle([Function(world, hand) for _ in range(functions)])
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


VERSIONS = [f"one/{number}.jpg" for number in range(40)]


def upload_all(world: World) -> list[w.Version]:
    return [world.upload(key, "pass" if number % 3 else "reject") for number, key in enumerate(VERSIONS)]


def nothing_is_lost(world: World, versions: list[w.Version], ends: float) -> None:
    assert not world.dead
    assert [version.tags.get("screentest") for version in versions] == [
        "pass" if number % 3 else "reject" for number in range(len(versions))
    ]
    assert {item.get("code") for item in world.table.values()} <= {None, "InvalidFile.NoHuman"}
    assert world.now < ends + HOUR, "everything is decided within an hour of the return"


def test_four_hours_in_which_no_verdict_can_be_written_cost_one_call_a_picture() -> None:
    """The table takes claims and its index throttles verdicts: no crash of ours, and no reason to ask again."""
    world = World()
    world.index_down_until = ends = world.now + 4 * HOUR
    versions = upload_all(world)
    run(world)
    nothing_is_lost(world, versions, ends)
    assert set(world.calls.values()) == {1}


@pytest.mark.parametrize(
    "store",
    [("claim", "table", "note"), ("tags", "write_tags"), ("publish",), ("tags",), ("note",)],
    ids="+".join,
)
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_four_hours_without_a_store_lose_nothing_and_need_no_hand(
    store: tuple[str, ...], share: float
) -> None:
    """Gone, or throttling most of the time; from the middle of the work on."""
    world = World()
    ends = world.now + 4 * HOUR
    begins = world.now + 0.3
    chance = random.Random(7)

    def hand(name: str, _place: str) -> Fate:
        failing = begins < world.now < ends and name in store and chance.random() < share
        return Fate.FAILED_BEFORE if failing else Fate.DONE

    versions = upload_all(world)
    run(world, hand=hand)
    nothing_is_lost(world, versions, ends)
    again = "those whose lease the table did not take back, met by another environment"
    assert world.calls.total() <= 1.6 * len(versions), again


def test_four_hours_without_the_secret_of_the_key_lose_nothing() -> None:
    world = World()
    ends = world.now + 4 * HOUR

    def hand(name: str, _place: str) -> Fate:
        if name == "call" and world.now < ends:
            raise StoreUnavailable("the secret of the detector's key cannot be read")
        return Fate.DONE

    versions = upload_all(world)
    run(world, hand=hand)
    nothing_is_lost(world, versions, ends)
    assert set(world.calls.values()) == {1}


def test_a_defect_is_not_counted_as_a_crash() -> None:
    world = World()

    def hand(name: str, _place: str) -> Fate:
        if name == "call" and next(counts) < 5:
            raise ZeroDivisionError("a defect of ours")
        return Fate.DONE

    counts = itertools.count()
    version = world.upload("one/a.jpg", "pass")
    run(world, functions=1, hand=hand)
    assert version.tags["screentest"] == "pass"
    assert not world.dead


def test_refused_tags_are_told_at_once() -> None:
    world = World()

    class Refused(w.Ports):
        def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
            raise AccessDenied("S3 refused PutObjectTagging")

    function = Function(world, quiet)
    function.ports.__class__ = Refused
    version = world.upload("one/a.jpg", "pass", {"screentest": "pass"})
    for _ in range(3):
        world.now += HOUR
        w.invoke(world, function, world.visible())
    (notice,) = world.topic
    assert (notice["verdict"], notice["code"]) == ("error", "AccessDenied")
    assert version.version_id == notice["version_id"]
    assert world.queue, "and retried"


def test_access_denied_by_the_detector_is_an_error_of_the_account_and_not_of_the_object() -> None:
    """Told, set aside and answered to duplicates, like a wrong key; the object's own is retried."""
    world = World()

    def hand(name: str, _place: str) -> Fate:
        if name == "call":
            calls.append(name)
            raise ConfigurationError("Access denied.", code="AccessDenied", status=403)
        return Fate.DONE

    calls: list[str] = []
    for number in range(5):
        version = world.upload(f"one/{number}.jpg", "pass")
        for _ in range(5):
            world.send(world.event(f"one/{number}.jpg", version))
    run(world, hand=hand)
    assert (len(calls), len(world.topic), len(world.dead)) == (5, 5, 5)


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

    answer = function.pipeline({"Records": world.receive([message])}, Context(lambda: 10.0))
    assert answer["batchItemFailures"]
    assert not world.call_times
    assert message.visible_at - world.now < 5
    run(world)
    assert sum(world.calls.values()) == 1

"""Every event of `events/` through the built artefact under the runtime interface emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ground import EVENTS, Ground, check
from support.hostile import KINDS

from screentest.artefact import Emulator, Reply, emulator_on
from screentest.artefact.objects import picture_for
from screentest.stack import LocalStack

pytestmark = pytest.mark.artefact

AWKWARD = {f"emo/1x1/{name}": "pass" for name in ("a+b.jpg", "a b.jpg", "100%25.jpg", "é.jpg", "x=1/y.jpg")}

# What each event must leave in the table: verdict or code by object key.
DIRECT = {
    "s3-put": {"emo/1x1/portrait.jpg": "pass"},
    "s3-several-records": {
        "emo/3x4/portrait.jpg": "pass",
        "emoji/astronaut.jpg": "pass",
        "animate-anyone/portrait.jpg": "pass",
    },
    "s3-awkward-keys": AWKWARD,
    "s3-without-version": {"emo/1x1/portrait.jpg": "pass"},
    "s3-rejected": {
        "emo/1x1/cat.jpg": "InvalidFile.NoHuman",
        "emo/1x1/two_people.jpg": "InvalidFile.MultiHuman",
    },
    "s3-not-a-picture": {"emo/1x1/not_a_picture.jpg": "InvalidURL"},
    "s3-zero-bytes": {"emo/1x1/empty.jpg": "InvalidURL"},
    "s3-folder": {},
    "s3-no-route": {},
    "s3-object-gone": {"emo/1x1/gone.jpg": "ObjectGone"},
    "s3-removed": {},
    "s3-test": {},
    "eventbridge": {"emo/1x1/portrait.jpg": "pass"},
    "eventbridge-awkward-key": {"emo/1x1/100%25 a+b é.jpg": "pass"},
}
QUEUED = {
    "sqs-s3": {"emo/1x1/portrait.jpg": "pass"},
    "sqs-s3-batch": {
        "emo/1x1/portrait.jpg": "pass",
        "emo/1x1/tilted.jpg": "reject",
        "emo/3x4/shoulders_up.jpg": "InvalidFile.FullBody",
        "emoji/astronaut.jpg": "pass",
        "animate-anyone/two_people.jpg": "InvalidFile.Content",
    },
    "sqs-s3-awkward-keys": AWKWARD,
    "sqs-eventbridge": {"emo/1x1/portrait.jpg": "pass"},
    "sqs-s3-test": {},
    "sqs-poison": {"emo/1x1/portrait.jpg": "pass"},
    "sqs-backfill": {"emo/1x1/a+b %é.jpg": "pass"},
}
TASKS = {
    "backfill-task": {"emo/1x1/a b+é.jpg": "pass"},
    "backfill-task-v2": {"animate-anyone/portrait.jpg": "pass"},
}
UPLOAD_API = {"upload-form", "upload-verdict"}
"""Tried by tests/uploads."""


@pytest.fixture(scope="module")
def ground(stack: LocalStack) -> Ground:
    return Ground(stack)


@pytest.fixture(scope="module")
def screen(stack: LocalStack) -> Iterator[Emulator]:
    with emulator_on(stack) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def backfill(stack: LocalStack) -> Iterator[Emulator]:
    with emulator_on(stack, "BackfillFunction") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The detection API in a process of its own; its address with a key that it does not ask for."""
    command = [
        str(Path(sys.executable).parent / "screentest"),
        "serve",
        "--port",
        "0",
        "--allow-private-urls",
    ]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    try:
        for line in process.stdout:
            found = [word for word in line.split() if word.startswith("http://127.0.0.1:")]
            if found:
                yield found[0].rstrip("/.,")
                break
        else:
            pytest.fail("the detection API did not start")
    finally:
        process.terminate()
        process.wait()


def test_every_event_file_is_tried() -> None:
    assert {file.stem for file in EVENTS.glob("*.json")} == {*DIRECT, *QUEUED, *TASKS, *UPLOAD_API}


@pytest.mark.parametrize("name", DIRECT)
def test_events_given_directly(name: str, ground: Ground, screen: Emulator) -> None:
    event, bucket = ground.event(name)
    reply = screen.invoke(event)
    assert reply.error_type is None, reply.payload
    check(ground.found(bucket), DIRECT[name])
    assert {item["key"] for item in reply.payload["screenings"]} == DIRECT[name].keys()


@pytest.mark.parametrize("name", QUEUED)
def test_events_from_the_queue(name: str, ground: Ground, screen: Emulator) -> None:
    event, bucket = ground.event(name)
    reply = screen.invoke(event)
    assert reply.error_type is None, reply.payload
    check(ground.found(bucket), QUEUED[name])
    failed = [failure["itemIdentifier"] for failure in reply.payload["batchItemFailures"]]
    poison = [record["messageId"] for record in event["Records"][1:]] if name == "sqs-poison" else []
    assert sorted(failed) == sorted(poison)


HOSTILE = {
    "emo/1x1/tilted.jpg": "jpeg of 13,000 scans",
    "emo/3x4/shoulders_up.jpg": "jpeg behind 20 MB of empty segments",
    "emoji/astronaut.jpg": "bmp of the largest size, run-length encoded",
    "animate-anyone/two_people.jpg": "png of the largest size, sixteen bits, interlaced",
}


def test_hostile_pictures_are_rejected_at_once_and_touch_no_neighbour(
    ground: Ground, screen: Emulator
) -> None:
    kinds = {kind.name: kind for kind in KINDS}

    def picture(key: str) -> bytes | None:
        return kinds[HOSTILE[key]].make() if key in HOSTILE else picture_for(key)

    event, bucket = ground.event("sqs-s3-batch", picture)
    reply = screen.invoke(event)
    assert reply.payload == {"batchItemFailures": []}
    found = ground.found(bucket)
    assert found.pop("emo/1x1/portrait.jpg")[0] == "pass"
    assert found.keys() == HOSTILE.keys()
    assert {verdict for verdict, _ in found.values()} == {"reject"}
    refused = {key for key, name in HOSTILE.items() if kinds[name].refused}
    assert {key for key, (_, code) in found.items() if code == "InvalidURL"} == refused


@pytest.mark.parametrize("name", HOSTILE.values())
def test_hostile_pictures_are_rejected_by_the_backfill_at_once_and_the_next_is_judged(
    name: str, ground: Ground, backfill: Emulator
) -> None:
    (kind,) = [kind for kind in KINDS if kind.name == name]
    for picture, verdict in ((lambda _key: kind.make(), "reject"), (picture_for, "pass")):
        event, bucket = ground.event("backfill-task", picture)
        reply = backfill.invoke(event)
        assert [result["resultCode"] for result in reply.payload["results"]] == ["Succeeded"]
        ((found, code),) = ground.found(bucket).values()
        assert found == verdict
        assert (code == "InvalidURL") == (verdict == "reject" and kind.refused)


@pytest.mark.parametrize("name", TASKS)
def test_batch_operations_tasks(name: str, ground: Ground, backfill: Emulator) -> None:
    event, bucket = ground.event(name)
    reply = backfill.invoke(event)
    assert reply.error_type is None, reply.payload
    check(ground.found(bucket), TASKS[name])
    assert [result["resultCode"] for result in reply.payload["results"]] == ["Succeeded"]


def test_the_http_variant_needs_no_detection_layer(ground: Ground, server: str) -> None:
    event, bucket = ground.event("sqs-s3-batch")
    with emulator_on(ground.stack, layers=("ScreeningLayer",), DETECTOR=server) as emulator:
        reply = emulator.invoke(event)
    assert reply.payload == {"batchItemFailures": []}
    check(ground.found(bucket), QUEUED["sqs-s3-batch"])


def nobody_listens() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_detector_that_is_down_puts_every_message_back(ground: Ground) -> None:
    event, _ = ground.event("sqs-s3")
    with emulator_on(ground.stack, layers=("ScreeningLayer",), DETECTOR=nobody_listens()) as emulator:
        reply = emulator.invoke(event)
        direct = emulator.invoke(ground.event("s3-put")[0])
    assert [each["itemIdentifier"] for each in reply.payload["batchItemFailures"]] == [
        event["Records"][0]["messageId"]
    ]
    assert direct.error_type is not None
    assert direct.payload["errorMessage"]


@pytest.mark.parametrize(
    ("setting", "value"), [("VERDICT_TABLE_NAME", ""), ("ROUTES", "[{"), ("DETECTOR", "ftp://nowhere")]
)
def test_a_wrong_setting_is_named_and_loses_nothing(ground: Ground, setting: str, value: str) -> None:
    event, bucket = ground.event("sqs-s3")
    settings: dict[str, Any] = {setting: value}
    with emulator_on(ground.stack, **settings) as emulator:
        queued = emulator.invoke(event)
        direct = emulator.invoke(ground.event("s3-put")[0])
        log = emulator.log()
    assert [each["itemIdentifier"] for each in queued.payload["batchItemFailures"]] == [
        record["messageId"] for record in event["Records"]
    ]
    assert direct.error_type is not None
    assert setting in direct.payload["errorMessage"]
    assert setting in log
    assert ground.found(bucket) == {}


def test_with_too_little_time_left_the_detector_is_not_called(ground: Ground) -> None:
    event, _ = ground.event("sqs-s3")
    with emulator_on(ground.stack, timeout=10) as emulator:
        reply = emulator.invoke(event)
        assert "OutOfTime" in emulator.log()
    assert [each["itemIdentifier"] for each in reply.payload["batchItemFailures"]] == [
        event["Records"][0]["messageId"]
    ]


def test_a_time_out_ends_as_lambda_ends_it_and_the_next_call_works(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with emulator_on(ground.stack, timeout=5, AWS_ENDPOINT_URL=address) as emulator:
            slow = emulator.invoke(ground.event("s3-put")[0])
            after = emulator.invoke(ground.event("s3-folder")[0])
    assert slow == Reply({"errorMessage": "Task timed out after 5.00 seconds"}, "Sandbox.Timedout")
    assert after.payload == {"screenings": []}

"""The built API function on the local stack, with the key that the stack made."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.hostile import KINDS

from screentest.artefact import Emulator, emulator_on
from screentest.demo import pictures
from screentest.stack import LocalStack

pytestmark = pytest.mark.stack

MOST_SENT = 4_000_000
"""Bytes of a picture that finds room in an event of a function URL, which carries 6 MB in Base64."""


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(parameters={"DetectionApi": "key"}) as running:
        # A version is not there at once: its snapshot is taken first.
        waiter = running.client("lambda").get_waiter("published_version_active")
        waiter.wait(
            FunctionName=running.deployment.resources["ApiFunction"],
            Qualifier="live",
            WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )
        yield running


def call(
    stack: LocalStack, key: str | None, path: str = "/api/v1/services/aigc/image2video/face-detect"
) -> Any:
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {}),
        "requestContext": {"http": {"method": "GET" if path == "/healthz" else "POST", "path": path}},
        "body": json.dumps(
            {"model": "emo-detect-v1", "input": {"image_url": "http://127.0.0.1/portrait.jpg"}}
        ),
        "isBase64Encoded": False,
    }
    name = stack.deployment.resources["ApiFunction"]
    answer = stack.client("lambda").invoke(
        FunctionName=name, Qualifier="live", Payload=json.dumps(event).encode()
    )
    return json.load(answer["Payload"])


def test_the_built_function_asks_for_the_stacks_own_key(stack: LocalStack) -> None:
    secrets = stack.client("secretsmanager")
    key = secrets.get_secret_value(SecretId=stack.outputs["DetectionApiKeySecretArn"])["SecretString"]
    assert len(key) == 48
    assert call(stack, None, "/healthz")["statusCode"] == 200
    assert call(stack, None)["statusCode"] == 401
    assert call(stack, key + "x")["statusCode"] == 401
    judged = call(stack, key)
    # Let in, and then refused for naming an address that is not public: this server must not be led to its own network.
    assert judged["statusCode"] == 400
    assert json.loads(judged["body"])["code"] == "InvalidURL"


@pytest.fixture(scope="module")
def function(stack: LocalStack) -> Iterator[Emulator]:
    with emulator_on(stack, "ApiFunction", DETECTION_API="iam") as emulator:
        yield emulator


def sent(function: Emulator, picture: bytes) -> tuple[int, Any]:
    event = {
        "version": "2.0",
        "rawPath": "/v1/pictures",
        "rawQueryString": "model=emo-detect-v1",
        "headers": {"content-type": "image/jpeg"},
        "requestContext": {"http": {"method": "POST", "path": "/v1/pictures"}},
        "body": base64.b64encode(picture).decode(),
        "isBase64Encoded": True,
    }
    reply = function.invoke(event)
    assert reply.error_type is None, reply.payload
    return reply.payload["statusCode"], json.loads(reply.payload["body"])


def test_hostile_pictures_are_refused_at_once_and_the_next_portrait_passes(function: Emulator) -> None:
    portrait = pictures.data("waist_up")
    made = [(kind, kind.make()) for kind in KINDS]
    fitting = [(kind, data) for kind, data in made if len(data) <= MOST_SENT]
    assert len(fitting) >= 20
    for kind, data in fitting:
        status, body = sent(function, data)
        assert status in {200, 400}, kind.name
        if kind.refused:
            assert (status, body["code"]) == (400, "InvalidURL"), kind.name
    assert sent(function, portrait)[1]["output"]["check_pass"] is True

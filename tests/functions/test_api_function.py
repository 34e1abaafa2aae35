"""The built API function on the local stack, with the key that the stack made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from screentest.stack import LocalStack

pytestmark = pytest.mark.stack


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

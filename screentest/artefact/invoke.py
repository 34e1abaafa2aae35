"""One event, one invocation of the built artefact, on a stack of its own that holds the objects the event names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from screentest.artefact.emulator import Emulator, Reply
from screentest.artefact.objects import Store, with_objects
from screentest.stack import LocalStack, StackError


class UnreadableEventFile(StackError):
    """The event file is missing or not JSON."""


def read_event(file: Path) -> Any:
    """The event of a file.

    Raises:
        UnreadableEventFile: there is none, or it is not JSON.
    """
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        near = ", ".join(sorted(path.name for path in file.parent.glob("*.json"))) or "nothing"
        raise UnreadableEventFile(f"{file} does not exist; {file.parent} has {near}") from None
    except ValueError as error:
        raise UnreadableEventFile(f"{file} is not JSON: {error}") from None


def function_for(event: Any) -> str:
    """Logical id of the function that takes events of this shape."""
    if isinstance(event, dict) and "invocationSchemaVersion" in event:
        return "BackfillFunction"
    if isinstance(event, dict) and "http" in event.get("requestContext", {}):
        return "UploadFunction" if event.get("rawPath") in ("/uploads", "/verdicts") else "ApiFunction"
    return "ScreenFunction"


def with_upload_key(event: Any, stack: LocalStack) -> Any:
    """The event, with the key of the stack's upload API where it says `UPLOAD_API_KEY`."""
    if "UploadApiKeySecretArn" not in stack.outputs:
        return event
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.outputs["UploadApiKeySecretArn"])
    key = secret["SecretString"]
    headers = {name: value.replace("UPLOAD_API_KEY", key) for name, value in event["headers"].items()}
    return event | {"headers": headers}


@contextmanager
def emulator_on(
    stack: LocalStack,
    function: str = "ScreenFunction",
    *,
    layers: tuple[str, ...] | None = None,
    timeout: int | None = None,
    **changes: str,
) -> Iterator[Emulator]:
    """The built function under the emulator, with layers, variables and time-out as deployed on this stack.

    Args:
        stack: a running stack.
        function: logical id.
        layers: logical ids of other layers than the deployed ones.
        timeout: in seconds, another one than the deployed.
        changes: variables that differ from the deployed ones.
    """
    deployed = stack.client("lambda").get_function_configuration(
        FunctionName=stack.deployment.resources[function]
    )
    arns = [layer["Arn"] for layer in deployed.get("Layers", [])]
    attached = tuple(
        name for name in ("ScreeningLayer", "DetectionLayer") if any(name in arn for arn in arns)
    )
    variables = deployed.get("Environment", {}).get("Variables", {})
    environment = variables | {"AWS_ENDPOINT_URL": stack.endpoint_url} | changes
    with Emulator(
        function,
        environment=environment,
        layers=attached if layers is None else layers,
        timeout=timeout or deployed["Timeout"],
    ) as emulator:
        yield emulator


def invoke(file: Path) -> tuple[Reply, str]:
    """Run the event of a file; returns what the function answered and what it logged.

    Raises:
        StackError: no such event, nothing built, or the stack or the emulator could not be started.
    """
    event = read_event(file)
    function = function_for(event)
    wanted = {"ApiFunction": {"DetectionApi": "iam"}, "UploadFunction": {"UploadApi": "key"}}
    with LocalStack(parameters=wanted.get(function)) as stack:
        event = with_upload_key(with_objects(event, Store(stack.client("s3"))), stack)
        with emulator_on(stack, function) as emulator:
            reply = emulator.invoke(event)
            return reply, emulator.log()

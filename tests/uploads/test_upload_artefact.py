"""The built upload function under the runtime interface emulator: the events of `events/`, and AWS in trouble."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from uploads.upload_ground import Uploads

from screentest.artefact import Emulator, emulator_on, read_event
from screentest.artefact.invoke import with_upload_key
from screentest.stack import REPOSITORY

FORM, VERDICT = (read_event(REPOSITORY / "events" / f"upload-{name}.json") for name in ("form", "verdict"))
KEY = "the-key-in-the-secret"


class Aws:
    """Secrets Manager and DynamoDB as far as the function asks them, in whatever state a test wants.

    Attributes:
        secret: status and body of what Secrets Manager answers.
        table: the same of DynamoDB; None for no answer at all.
    """

    def __init__(self) -> None:
        self.secret: tuple[int, dict[str, Any]] = (200, {"Name": "k", "SecretString": KEY})
        self.table: tuple[int, dict[str, Any]] | None = (200, {"Items": [], "Count": 0})
        self.over = threading.Event()

    def answer(self, target: str) -> tuple[int, dict[str, Any]]:
        if target.startswith("secretsmanager"):
            return self.secret
        if self.table is None:
            self.over.wait(60)
            return 500, {}
        return self.table

    @contextmanager
    def serving(self) -> Iterator[str]:
        aws = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status, body = aws.answer(self.headers.get("X-Amz-Target", ""))
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            self.over.set()
            server.shutdown()


@contextmanager
def function_on(aws: Aws, **more: str) -> Iterator[Emulator]:
    with aws.serving() as address:
        environment = {
            "AWS_ENDPOINT_URL": address,
            "UPLOAD_BUCKET_NAME": "pictures",
            "VERDICT_TABLE_NAME": "verdicts",
            "UPLOAD_API_KEY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:k-AbCdEf",
            "POWERTOOLS_METRICS_NAMESPACE": "Screentest",
            "POWERTOOLS_SERVICE_NAME": "screentest",
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
        }
        with Emulator(
            "UploadFunction", environment=environment | more, layers=("ScreeningLayer",)
        ) as emulator:
            yield emulator


def with_key(event: Any, key: str = KEY) -> Any:
    changed = copy.deepcopy(event)
    changed["headers"]["authorization"] = f"Bearer {key}"
    return changed


def failed(reply: Any) -> tuple[int, str]:
    """Status and code of an answer in the API's shape."""
    assert reply.error_type is None, reply.payload
    assert reply.payload["headers"]["Content-Type"] == "application/json"
    body = json.loads(reply.payload["body"])
    assert body.keys() == {"code", "message", "request_id"}
    return reply.payload["statusCode"], body["code"]


def failure(code: str) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}


@pytest.mark.stack
def test_the_events_of_the_folder(uploads: Uploads) -> None:
    with emulator_on(uploads.stack, "UploadFunction") as emulator:
        made = emulator.invoke(with_upload_key(FORM, uploads.stack)).payload
        assert made["statusCode"] == 200
        assert json.loads(made["body"])["key"].startswith("emo/1x1/uploads/")
        assert failed(emulator.invoke(with_upload_key(VERDICT, uploads.stack))) == (404, "NotFound")
        assert failed(emulator.invoke(FORM)) == (401, "InvalidApiKey")


@pytest.mark.artefact
def test_a_table_that_throttles_is_said() -> None:
    aws = Aws()
    aws.table = failure("ProvisionedThroughputExceededException")
    with function_on(aws) as emulator:
        assert failed(emulator.invoke(with_key(VERDICT))) == (503, "ServiceUnavailable")
        log = emulator.log()
        assert "ProvisionedThroughputExceededException" in log
        assert '"UploadApiFailed"' in log, "the alarm hears of it"
        assert KEY not in log


@pytest.mark.artefact
def test_a_table_that_hangs_leaves_time_to_say_so() -> None:
    aws = Aws()
    aws.table = None
    with function_on(aws) as emulator:
        # The function's own time-out would be an error of Lambda, which is in no shape of ours.
        assert failed(emulator.invoke(with_key(VERDICT))) == (503, "ServiceUnavailable")
        assert "Timeout" in emulator.log()


@pytest.mark.artefact
@pytest.mark.parametrize(
    "secret",
    [
        failure("AccessDeniedException"),
        failure("ResourceNotFoundException"),
        (200, {"Name": "k", "SecretString": ""}),
        (500, {}),
    ],
    ids=["denied", "deleted", "emptied", "down"],
)
def test_a_secret_that_cannot_be_read_lets_nobody_in(secret: tuple[int, dict[str, Any]]) -> None:
    aws = Aws()
    aws.secret = secret
    with function_on(aws) as emulator:
        for key in (KEY, "x"):
            assert failed(emulator.invoke(with_key(FORM, key))) == (503, "ServiceUnavailable")
        if secret[0] != 200:  # one that was read, if empty, is not read again at once
            aws.secret = (200, {"Name": "k", "SecretString": KEY})
            assert emulator.invoke(with_key(FORM)).payload["statusCode"] == 200, "without a new start"


@pytest.mark.artefact
def test_a_wrong_setting_is_named() -> None:
    with function_on(Aws(), ROUTES="[{") as emulator:
        reply = emulator.invoke(with_key(FORM))
        assert reply.error_type is not None, "Lambda answers 502 for it, and the alarm rings"
        assert "ROUTES" in emulator.log()

"""The stack with its upload API, for pages of one origin."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from uploads.upload_ground import Uploads

from screentest.stack import REPOSITORY, LocalStack


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def uploads() -> Iterator[Uploads]:
    folder = str(REPOSITORY / "examples" / "browser")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{pages.server_port}"
        parameters = {"UploadApi": "key", "UploadApiOrigins": origin}
        with LocalStack(parameters=parameters) as stack:
            secret = stack.client("secretsmanager").get_secret_value(
                SecretId=stack.outputs["UploadApiKeySecretArn"]
            )
            yield Uploads(
                stack,
                stack.upload_api_url,
                secret["SecretString"],
                origin,
                origin.replace("127.0.0.1", "localhost"),
            )
        pages.shutdown()

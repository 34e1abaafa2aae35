"""The local stack for people and their tools: endpoint, outputs, commands to try, until a signal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from screentest.page import serve
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack, NoRoom, StackError
from screentest.stack.server import free_bytes
from screentest.stack.session import Session, own_record

RECORD = Path("build/up.json")
CHECK_SECONDS = 0.5
LEFT_BYTES = 300 << 20
"""What must stay free while the stack runs: room for the layers of one function more."""
ORIGINS = ("http://localhost:8080", "http://127.0.0.1:8080")
"""Pages that may use the upload API unless others are named: `python3 -m http.server 8080` in their folder."""


class Stopped(BaseException):
    """A signal asked for the end; unwinds whatever is going on."""


def _stop_on_signals(*, hangup: bool) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangup else []))

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for each in signals:
        signal.signal(each, stop)


def commands(stack: LocalStack) -> list[str]:
    """Commands of the plain `aws` command line that show the whole way of an upload."""
    out = stack.outputs
    bucket = out["UploadBucketName"]
    key = "emo/1x1/portrait.jpg"
    # Version 1 of the command line ignores AWS_ENDPOINT_URL for SQS alone.
    sqs = "aws --endpoint-url $AWS_ENDPOINT_URL sqs"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": out["FailureTopicArn"]}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    item = json.dumps({":o": {"S": f"s3://{bucket}/{key}"}})
    return [
        f"export AWS_ENDPOINT_URL={stack.endpoint_url} AWS_DEFAULT_REGION={REGION} "
        f"AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}",
        f"queue=$({sqs} create-queue --queue-name heard --attributes {shlex.quote(json.dumps({'Policy': policy}))} "
        "--query QueueUrl --output text)",
        f"aws sns subscribe --topic-arn {out['FailureTopicArn']} --protocol sqs --attributes RawMessageDelivery=true "
        f"--notification-endpoint $({sqs} get-queue-attributes --queue-url $queue --attribute-names QueueArn "
        "--query Attributes.QueueArn --output text)",
        f"aws s3 cp portrait.jpg s3://{bucket}/{key}",
        f"aws s3api get-object-tagging --bucket {bucket} --key {key}",
        f"aws dynamodb query --table-name {out['VerdictTableName']} --key-condition-expression '#o = :o' "
        f"""--expression-attribute-names '{{"#o": "object"}}' --expression-attribute-values '{item}'""",
        f"{sqs} receive-message --queue-url $queue --wait-time-seconds 10 --query 'Messages[].Body' --output text",
    ]


def check_port(port: int, option: str) -> None:
    """Whether a port that was asked for can be had; 0 always can.

    Raises:
        StackError: it is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port} cannot be had ({error.strerror}): choose another with {option}"
            ) from error


def box(*lines: str) -> str:
    """The lines in a frame, to be found again below forty others."""
    width = max(map(len, lines))
    edge = "─" * (width + 2)
    return "\n".join((f"┌{edge}┐", *(f"│ {line:<{width}} │" for line in lines), f"└{edge}┘"))


def run(
    record: Path = RECORD,
    *,
    port: int = 0,
    page_port: int = 0,
    origins: Sequence[str] = ORIGINS,
    free: Callable[[Path], int] = free_bytes,
) -> None:
    """Deploy the stack, print where it is, and wait for a signal.

    Args:
        record: file for endpoint, region, page and outputs as JSON; it exists while the stack does.
        port: of the local AWS; 0 lets the system choose.
        page_port: of the page; 0 lets the system choose.
        origins: whose pages may use the upload API.
        free: bytes that can still be written to a folder.

    Raises:
        StackError: it could not be started, another one of this folder runs, or the local AWS ended by itself.
    """
    check_port(port, "--port")
    check_port(page_port, "--page-port")
    parameters = {"UploadApi": "key", "UploadApiOrigins": ",".join(origins)}
    session = Session()
    _stop_on_signals(hangup=not session.is_kept)
    try:
        with (
            own_record(record),
            LocalStack(port=port, parameters=parameters, free=free) as stack,
            serve(stack, port=page_port) as page,
        ):
            outputs = stack.outputs | {"UploadApiUrl": stack.upload_api_url}
            print(f"local AWS    {stack.endpoint_url}   region {REGION}, keys {ACCESS_KEY}/{SECRET_KEY}")
            for name, value in outputs.items():
                print(f"{name:<20} {value}")
            command = (
                shlex.quote(os.path.relpath(Path(sys.argv[0])))
                if shutil.which("screentest") is None
                else "screentest"
            )
            print("\nTry, in another shell:")
            print("\n".join(f"  {command}" for command in commands(stack)))
            print(
                "  aws secretsmanager get-secret-value --query SecretString --output text --secret-id "
                f"{outputs['UploadApiKeySecretArn']}  # the key of the upload API"
            )
            print(f"\nand with the same export:\n  {command} verdicts\n  {command} report")
            said = {
                "endpoint_url": stack.endpoint_url,
                "region": REGION,
                "page_url": page.url,
                "outputs": outputs,
            }
            record.write_text(json.dumps(said, indent=2) + "\n")
            page_line = f"Page: {page.url}   drop a picture on it"
            uploads_line = f"Upload API: {stack.upload_api_url}"
            print("\n" + box(page_line, uploads_line, "Ctrl-C ends the stack."), flush=True)
            is_full = False
            while not session.has_ended:
                stack.aws.check()
                is_full = _warned_full(stack, before=is_full)
                time.sleep(CHECK_SECONDS)
    except Stopped:
        pass


def _warned_full(stack: LocalStack, *, before: bool) -> bool:
    """Whether the functions have no room, said once each time that this begins."""
    try:
        stack.check_room(LEFT_BYTES)
    except NoRoom as error:
        if not before:
            print(f"warning: {error}", file=sys.stderr, flush=True)
        return True
    return False

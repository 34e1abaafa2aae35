"""The local stack for people and their tools: endpoint, outputs, commands to try, until a signal."""

from __future__ import annotations

import json
import shlex
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from screentest.page import serve
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack

RECORD = Path("build/up.json")
CHECK_SECONDS = 0.5


class Stopped(BaseException):
    """A signal asked for the end; unwinds whatever is going on."""


def _stop_on_signals() -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

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


def run(record: Path = RECORD) -> None:
    """Deploy the stack, print where it is, and wait for a signal.

    Args:
        record: file for endpoint, region, page and outputs as JSON; it exists while the stack does.

    Raises:
        StackError: it could not be started, or the local AWS ended by itself.
    """
    _stop_on_signals()
    try:
        with LocalStack() as stack, serve(stack) as page:
            print(f"local AWS    {stack.endpoint_url}   region {REGION}, keys {ACCESS_KEY}/{SECRET_KEY}")
            print(f"page         {page.url}   drop a picture on it")
            for name, value in stack.outputs.items():
                print(f"{name:<20} {value}")
            print("\nTry, in another shell:")
            print("\n".join(f"  {command}" for command in commands(stack)))
            said = {
                "endpoint_url": stack.endpoint_url,
                "region": REGION,
                "page_url": page.url,
                "outputs": stack.outputs,
            }
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(said, indent=2) + "\n")
            print("\nCtrl-C ends it.", flush=True)
            while True:
                stack.aws.check()
                time.sleep(CHECK_SECONDS)
    except Stopped:
        pass
    finally:
        record.unlink(missing_ok=True)

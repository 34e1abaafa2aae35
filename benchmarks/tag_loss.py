"""How often tags given with an upload are lost in a bucket without versions, because the upload lands between reading
and writing the tags of the one before.

    .venv/bin/python benchmarks/tag_loss.py --uploads 1000

Real adapters, the local AWS, a detector that answers at once. Each key is uploaded twice; the second upload comes at a
random moment of the first one's screening, which is as unlucky as it gets. Then the second is screened as well.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import threading
import time
from collections.abc import Mapping
from typing import Any

from _tables import create_verdict_table
from accuracy import wilson
from aws_lambda_powertools import Logger

from screentest.screening.contract import Decision
from screentest.screening.models import ObjectRef, Verdict
from screentest.screening.objects import Objects
from screentest.screening.presign import Signer
from screentest.screening.screen import Screener
from screentest.screening.table import VerdictTable
from screentest.screening.tags import Tags
from screentest.screening.telemetry import Telemetry
from screentest.stack import LocalAws

BUCKET = TABLE = "tag-loss"


class Timed(Objects):
    """Notes how long lies between the answer to a read of tags and the answer to the write that follows."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.windows: list[float] = []
        self._read = 0.0

    def tags(self, ref: ObjectRef) -> Tags:
        found = super().tags(ref)
        self._read = time.perf_counter()
        return found

    def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
        super().write_tags(ref, tags)
        self.windows.append(time.perf_counter() - self._read)


class Passing:
    """A detector that lets everything pass."""

    def detect(self, *_asked: object) -> Decision:
        return Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4), ext_bbox=(0, 0, 5, 5))


class Deaf:
    """A topic that nobody hears."""

    def publish(self, notice: object) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000, help="pairs of uploads")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)  # noqa: S311 - not a secret
    with LocalAws(enforce_roles=False) as aws:
        s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
        s3.create_bucket(Bucket=BUCKET)
        create_verdict_table(dynamodb, TABLE, index=False)
        objects = Timed(s3)
        screener = Screener(
            detector=Passing(),
            signer=Signer(s3),
            table=VerdictTable(dynamodb, TABLE),
            objects=objects,
            topic=Deaf(),
            telemetry=Telemetry(Logger(stream=io.StringIO()), stream=io.StringIO()),
        )

        def put(key: str, number: int, sequence: int) -> ObjectRef:
            answer = s3.put_object(
                Bucket=BUCKET, Key=key, Body=f"{key} {number}".encode(), Tagging=f"owner={number}"
            )
            etag = answer["ETag"].strip('"')
            return ObjectRef(BUCKET, key, etag=etag, sequencer=f"{sequence:016X}")

        spans: list[float] = []
        for number in range(30):
            ref = put(f"emo/1x1/warm-{number}.jpg", 0, number + 1)
            started = time.perf_counter()
            screener.screen(ref)
            spans.append(time.perf_counter() - started)
        span = statistics.median(spans)
        lost = missing = 0
        for number in range(asked.uploads):
            key = f"emo/1x1/{number}.jpg"
            first = put(key, 1, 2 * number + 1)
            judge = threading.Thread(target=screener.screen, args=(first,))
            judge.start()
            time.sleep(rng.uniform(0, span))
            second = put(key, 2, 2 * number + 2)
            judge.join()
            screener.screen(second)
            found = objects.tags(second)
            lost += found.get("owner") != "2"
            missing += found.get("screentest") != "pass"
        low, high = wilson(lost, asked.uploads)
        window = statistics.median(objects.windows)
        print(f"{asked.uploads:,} quick overwrites: tags of {lost} lost, {lost / asked.uploads:.1%}")
        print(f"  95 % interval {low:.1%} to {high:.1%}; {missing} without their gate")
        print(f"  a screening takes {span * 1000:.1f} ms, from read to written tags {window * 1000:.1f} ms")
        print(f"  so {window / span:.1%} of its time; per key and overwrite a second: {window:.2%}")


if __name__ == "__main__":
    main()

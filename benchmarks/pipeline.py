"""The pipeline beside the plain sequential version that one would write first, in one run on the local AWS.

    python benchmarks/pipeline.py [--growth 10000]

Plain: for each message head the object, sign, ask, read tags, write tags, put the item, publish, one after the other.
Both use the same SDK, the same client, the same detector: an HTTP server of this script that waits 200 ms.
Then the same with 100 to 10,000 objects and a detector that answers at once: time and memory for each object.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from _tables import create_verdict_table
from aws_lambda_powertools import Logger

from screentest.screening import bootstrap
from screentest.screening.batch import Pipeline
from screentest.screening.client import DetectionClient
from screentest.screening.models import ObjectRef
from screentest.screening.presign import Signer
from screentest.screening.settings import Settings
from screentest.screening.telemetry import Telemetry
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalAws

PASS = json.dumps(
    {"output": {"check_pass": True, "face_bbox": [1, 2, 3, 4], "ext_bbox": [0, 0, 9, 9]}, "request_id": "r"}
).encode()
ROUNDS = 5


@contextlib.contextmanager
def detector(seconds: float) -> Iterator[str]:
    """A server that passes everything after a while; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes; without this the second waits for an acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("content-length", str(len(PASS)))
            self.end_headers()
            self.wfile.write(PASS)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Context:
    """Lambda's."""

    aws_request_id = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        """Plenty."""
        return 60_000


class Bench:
    """Bucket, table and topic on the local AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.s3 = aws.client("s3")
        self.s3.create_bucket(Bucket="bench")
        self.s3.put_bucket_versioning(Bucket="bench", VersioningConfiguration={"Status": "Enabled"})
        create_verdict_table(aws.client("dynamodb"), "verdicts", index=False)
        self.topic = aws.client("sns").create_topic(Name="failures")["TopicArn"]
        self._number = 0

    def batch(self, size: int) -> dict[str, Any]:
        """A batch of SQS messages, each about a new object."""
        return {"Records": [self._record() for _ in range(size)]}

    def _record(self) -> dict[str, Any]:
        self._number += 1
        key = f"emo/1x1/{self._number}.jpg"
        put = self.s3.put_object(Bucket="bench", Key=key, Body=b"x" * 1000)
        described = {"key": key, "size": 1000, "eTag": put["ETag"].strip('"'), "versionId": put["VersionId"]}
        described["sequencer"] = f"{self._number:016X}"
        entity = {"bucket": {"name": "bench"}, "object": described}
        notification = {"Records": [{"eventName": "ObjectCreated:Put", "s3": entity}]}
        return {
            "eventSource": "aws:sqs",
            "messageId": str(self._number),
            "receiptHandle": "r",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
            "body": json.dumps(notification),
        }

    def pipeline(self, url: str, calls: Counter[str]) -> Pipeline:
        """As deployed, except that its log goes nowhere."""
        settings = Settings.read(
            {
                "VERDICT_TABLE_NAME": "verdicts",
                "FAILURE_TOPIC_ARN": self.topic,
                "DETECTOR": url,
                "AWS_ENDPOINT_URL": self.aws.endpoint_url,
                "AWS_REGION": REGION,
            }
        )
        clients = bootstrap.Aws(settings)
        for made in (clients.s3(), clients.dynamodb()):
            made.meta.events.register(
                "before-send.*.*", lambda event_name, **_: calls.update([event_name.rpartition(".")[2]])
            )
        nowhere = io.StringIO()
        telemetry = Telemetry(Logger(service="benchmark", stream=nowhere, level="CRITICAL"), stream=nowhere)
        return bootstrap.pipeline(settings, aws=clients, telemetry=telemetry)

    def plain(self, url: str) -> Callable[[dict[str, Any]], None]:
        """What one would write first."""
        s3, dynamodb = self.s3, self.aws.client("dynamodb")
        signer, client = Signer(s3), DetectionClient(url)

        def handle(event: dict[str, Any]) -> None:
            for record in event["Records"]:
                found = json.loads(record["body"])["Records"][0]["s3"]["object"]
                at = {"Bucket": "bench", "Key": found["key"], "VersionId": found["versionId"]}
                s3.head_object(**at)
                ref = ObjectRef("bench", found["key"], version_id=found["versionId"])
                decision = client.detect(signer.sign(ref), "emo-detect-v1", "1:1")
                tags = s3.get_object_tagging(**at)["TagSet"]
                s3.put_object_tagging(
                    **at, Tagging={"TagSet": [*tags, {"Key": "verdict", "Value": str(decision.verdict)}]}
                )
                dynamodb.put_item(
                    TableName="verdicts",
                    Item={
                        "object": {"S": found["key"]},
                        "screening": {"S": found["versionId"]},
                        "verdict": {"S": str(decision.verdict)},
                    },
                )

        return handle


def seconds_of(work: Callable[[], object]) -> float:
    """Wall clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def latency(bench: Bench) -> list[str]:
    """A batch of ten beside one, and beside the plain version."""
    calls: Counter[str] = Counter()
    with detector(0.2) as url:
        ours, plain = bench.pipeline(url, calls), bench.plain(url)
        ours(bench.batch(10), Context())
        figures: dict[str, list[float]] = {"one": [], "ten": [], "plain": []}
        for _ in range(ROUNDS):
            one, ten, same = bench.batch(1), bench.batch(10), bench.batch(10)
            calls.clear()
            figures["one"].append(seconds_of(lambda event=one: ours(event, Context())))  # type: ignore[misc]
            calls_one = calls.total()
            figures["ten"].append(seconds_of(lambda event=ten: ours(event, Context())))  # type: ignore[misc]
            figures["plain"].append(seconds_of(lambda event=same: plain(event)))  # type: ignore[misc]
        one_s, ten_s, plain_s = (statistics.median(figures[name]) for name in ("one", "ten", "plain"))
    return [
        f"one picture, 200 ms detector      {one_s * 1000:7.0f} ms   {calls_one} calls to AWS",
        f"ten pictures, one batch           {ten_s * 1000:7.0f} ms   {ten_s / one_s:.2f} x one (at most 1.5)",
        f"ten pictures, plain and in turn   {plain_s * 1000:7.0f} ms   {plain_s / ten_s:.1f} x ours",
    ]


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def growth(bench: Bench, most: int) -> list[str]:
    """Time and memory for each object as their number grows."""
    lines, done = [], 0
    with detector(0.0) as url:
        pipeline = bench.pipeline(url, Counter())
        for _ in range(10):
            pipeline(bench.batch(10), Context())
        for target in (size for size in (100, 1000, 10_000) if size <= most):
            spent = 0.0
            started_at = done
            while done < target:
                event = bench.batch(10)
                spent += seconds_of(lambda event=event: pipeline(event, Context()))  # type: ignore[misc]
                done += 10
            gc.collect()
            each = spent / (done - started_at) * 1000
            lines.append(f"{target:6d} objects   {each:6.1f} ms each   {resident_mb():6.0f} MB resident")
    return lines


def main() -> int:
    """Print the figures."""
    import os

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--growth", type=int, default=10_000, help="most objects of the growth table")
    options = parser.parse_args()
    with LocalAws(enforce_roles=False) as aws:
        os.environ.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
        bench = Bench(aws)
        print("\n".join([*latency(bench), *growth(bench, options.growth)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

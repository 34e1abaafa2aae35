"""Ten thousand uploads with every kind of trouble through the deployed stack: none may be lost.

    python benchmarks/soak.py [--uploads 10000] [--seed 1]

The stack is `template.yaml` on the local AWS. The detector is a server of this script: it fetches each picture by its
signed address, and on the first request for some of them it throttles (5 %), lets the client wait in vain or says that
it timed out (2 %), or kills the process that asks (1 %). A fifth of the events is delivered twice. At the end every
upload must have its one verdict in the table, its gate among its tags, and a message on the topic if it was rejected.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from screentest.screening.table import decode
from screentest.stack import LocalStack

DUPLICATES, THROTTLES, TIMEOUTS, CRASHES = 0.20, 0.05, 0.02, 0.01
SILENCES = 0.0004
"""Share of the uploads whose time-out is a silence in which the client really waits, as long as its own limit; the
other time-outs are answered as a server's own, to save hours."""
SILENCE_SECONDS = 30
SAMPLED = 25
"""Verdicts between two looks at the memory of the process that asks."""
VISIBILITY = 80
"""Seconds instead of 360, still longer than function and lease, so that a crash is made good within the run."""
GROWTH = 1.25
"""Largest over smallest quarter's memory that still counts as flat."""
PATIENCE = 900
"""Seconds without any progress after which uploads count as lost."""


@dataclass
class Plan:
    """What is to happen to each upload, drawn before anything runs."""

    verdicts: dict[str, str]
    faults: dict[str, str]
    duplicates: set[str]

    @classmethod
    def draw(cls, uploads: int, seed: int) -> Plan:
        """The same for the same seed."""
        rng = random.Random(seed)  # noqa: S311 - a plan, not a secret
        keys = [f"emo/1x1/{number:05d} ü+.jpg" for number in range(uploads)]
        faults: dict[str, str] = {}
        for key in keys:
            draw = rng.random()
            for name, share in (("throttle", THROTTLES), ("timeout", TIMEOUTS), ("crash", CRASHES)):
                if draw < share:
                    faults[key] = name
                    break
                draw -= share
        late = [key for key in keys if faults.get(key) == "timeout"]
        for key in rng.sample(late, min(len(late), max(1, round(SILENCES * uploads)))):
            faults[key] = "silence"
        return cls(
            verdicts={key: rng.choice(("pass", "pass", "pass", "reject")) for key in keys},
            faults=faults,
            duplicates={key for key in keys if rng.random() < DUPLICATES},
        )


@dataclass
class Detector:
    """Answers like the service, and misbehaves as planned; counts what it was asked."""

    plan: Plan
    verdicts_given: Counter[str] = field(default_factory=Counter)
    faults_done: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    bad_fetches: int = 0
    _pending: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pending = dict(self.plan.faults)

    def fault(self, key: str) -> str | None:
        """What goes wrong with this request; each planned fault happens once."""
        with self._lock:
            found = self._pending.pop(key, None)
            if found:
                self.faults_done[found] += 1
            return found

    def answer(self, key: str) -> dict[str, Any]:
        """The verdict."""
        with self._lock:
            self.verdicts_given[key] += 1
            self.times.append(time.monotonic())
        if self.plan.verdicts[key] == "pass":
            output: dict[str, Any] = {"check_pass": True, "face_bbox": [1, 2, 3, 4], "ext_bbox": [0, 0, 5, 5]}
        else:
            output = {"check_pass": False, "code": "InvalidFile.NoHuman", "message": "nobody"}
        return {"output": output, "usage": {"image_count": 1}, "request_id": f"soak-{len(self.times)}"}


@contextlib.contextmanager
def serve(detector: Detector) -> Iterator[str]:
    """The detector behind HTTP on loopback; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # whoever asked was killed for another of its pictures meanwhile
                self.close_connection = True
                return None
            request = json.loads(body)
            url = request["input"]["image_url"]
            key = unquote(urlsplit(url).path).split("/", 2)[2]
            match detector.fault(key):
                case "throttle":
                    return self.reply(429, {"code": "Throttling.RateQuota", "message": "slow down"})
                case "timeout":
                    return self.reply(408, {"code": "RequestTimeOut", "message": "timed out"})
                case "silence":
                    time.sleep(SILENCE_SECONDS)
                    self.close_connection = True
                    return None
                case "crash":
                    if (pid := self.asker()) is not None:
                        os.kill(pid, signal.SIGKILL)
                    self.close_connection = True
                    return None
            if len(detector.times) % SAMPLED == 0 and (pid := self.asker()) is not None:
                detector.memory.append((time.monotonic(), resident_mb(pid) or 0.0))
            with urllib.request.urlopen(url) as picture:  # noqa: S310 - the stack's own signed address
                detector.bad_fetches += picture.read() != key.encode()
            return self.reply(200, detector.answer(key))

        def asker(self) -> int | None:
            return process_at(self.client_address[1], self.connection.getsockname()[1])

        def reply(self, status: int, body: Any) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def process_at(local_port: int, remote_port: int) -> int | None:
    """The process that holds the client's end of a loopback connection (Linux's /proc)."""
    wanted = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ports == [local_port, remote_port]:
            wanted = f"socket:[{fields[9]}]"
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if wanted else ():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) == wanted and (pid := int(descriptor.parts[2])) != os.getpid():
                return pid
    return None


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process, MB; None when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return None


@dataclass
class Result:
    """What a run showed.

    Attributes:
        lost: uploads without their verdict, gate or message, each with what is wrong.
        rates: verdicts a second in each quarter of the uploads' time.
        memory: of the largest function process seen in each quarter, MB.
    """

    lost: list[str]
    rates: list[float]
    memory: list[float]
    seconds: float
    calls: int
    repeated_calls: int
    messages: int
    repeated_messages: int
    faults: Counter[str]


def soak(uploads: int, seed: int = 1, say: Any = lambda _text: None) -> Result:
    """One run."""
    plan = Plan.draw(uploads, seed)
    detector = Detector(plan)

    def shorten(template: dict[str, Any]) -> dict[str, Any]:
        template["Resources"]["ScreenQueue"]["Properties"]["VisibilityTimeout"] = VISIBILITY
        return template

    with serve(detector) as url, LocalStack(parameters={"Detector": url}, alter=shorten) as stack:
        s3, sqs = stack.client("s3"), stack.client("sqs")
        outputs = stack.outputs
        bucket = outputs["UploadBucketName"]
        heard = subscribe(stack)
        started = time.monotonic()

        def upload(key: str) -> None:
            put = s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
            if key in plan.duplicates:
                sqs.send_message(QueueUrl=outputs["ScreenQueueUrl"], MessageBody=event(bucket, key, put))

        with ThreadPoolExecutor(2) as pool:
            done = pool.map(upload, plan.verdicts)
            quarter = max(1, uploads // 4)
            for number, _ in enumerate(done, start=1):
                # The queue is kept short, so that what is measured is screening and not a backlog.
                while number - len(detector.verdicts_given) > 400:
                    time.sleep(0.05)
                if number % quarter == 0:
                    say(f"{number:6d} uploaded, {len(detector.verdicts_given):6d} judged")
        quarter_seconds = (time.monotonic() - started) / 4
        quarters = [(started + n * quarter_seconds, started + (n + 1) * quarter_seconds) for n in range(4)]
        rates = [sum(begin <= at < end for at in detector.times) / quarter_seconds for begin, end in quarters]
        memory = [
            max((size for at, size in detector.memory if begin <= at < end), default=0.0)
            for begin, end in quarters
        ]
        messages: Counter[str] = Counter()
        wrong = wait_until_right(lambda: faults_of(stack, plan, detector, heard, messages), say)
        repeated = sum(count - 1 for count in detector.verdicts_given.values())
        return Result(
            lost=wrong,
            rates=rates,
            memory=memory,
            seconds=time.monotonic() - started,
            calls=sum(detector.verdicts_given.values()),
            repeated_calls=repeated,
            messages=sum(messages.values()),
            repeated_messages=sum(count - 1 for count in messages.values()),
            faults=detector.faults_done,
        )


def subscribe(stack: LocalStack) -> str:
    """A queue that hears the failure topic."""
    sqs = stack.client("sqs")
    queue = sqs.create_queue(QueueName="soak-heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    stack.client("sns").subscribe(
        TopicArn=stack.outputs["FailureTopicArn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    return str(queue)


def event(bucket: str, key: str, put: dict[str, Any]) -> str:
    """The same upload announced once more, by way of EventBridge."""
    described = {
        "key": key,
        "version-id": put["VersionId"],
        "etag": put["ETag"].strip('"'),
        "size": len(key.encode()),
    }
    return json.dumps(
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": described},
        }
    )


def wait_until_right(look: Callable[[], list[str]], say: Any) -> list[str]:
    """Waits as long as there is progress; what is wrong then stays wrong."""
    best, since = sys.maxsize, time.monotonic()
    while True:
        wrong = look()
        if not wrong or time.monotonic() - since > PATIENCE:
            return wrong
        if len(wrong) < best:
            best, since = len(wrong), time.monotonic()
            say(f"{len(wrong):6d} not at rest yet, such as {wrong[0]}")
        time.sleep(2)


def drain(stack: LocalStack, heard: str, messages: Counter[str]) -> None:
    """Count the topic's messages by key."""
    sqs = stack.client("sqs")
    while batch := sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            messages[json.loads(message["Body"])["key"]] += 1
            sqs.delete_message(QueueUrl=heard, ReceiptHandle=message["ReceiptHandle"])


def faults_of(
    stack: LocalStack, plan: Plan, detector: Detector, heard: str, messages: Counter[str]
) -> list[str]:
    """Every upload that is not as it should be, and why."""
    drain(stack, heard, messages)
    items = {}
    pages = (
        stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["VerdictTableName"])
    )
    for page in pages:
        for raw in page["Items"]:
            item = decode(raw)
            items[item["key"]] = item
    wrong = [f"{detector.bad_fetches} pictures came back changed"] if detector.bad_fetches else []
    s3, bucket = stack.client("s3"), stack.outputs["UploadBucketName"]
    for key, verdict in plan.verdicts.items():
        item = items.get(key, {})
        if item.get("verdict") != verdict or "lease_until" in item:
            wrong.append(f"{key}: {item.get('verdict', 'no verdict')}")
        elif (verdict == "reject") != (key in messages):
            wrong.append(f"{key}: {verdict}, {messages[key]} messages")
    if not wrong:
        for key, verdict in plan.verdicts.items():
            tags = {
                tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
            }
            if tags.get("screentest") != verdict:
                wrong.append(f"{key}: gate {tags.get('screentest')}")
    return wrong


def report(result: Result, uploads: int) -> str:
    """The figures, as a table."""
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(result.faults.items()))
    lines = [
        f"uploads             {uploads}, lost {len(result.lost)}",
        f"faults              {faults}, {DUPLICATES:.0%} delivered twice",
        f"verdicts asked for  {result.calls}, of which again {result.repeated_calls}",
        f"messages            {result.messages}, of which again {result.repeated_messages}",
        "verdicts a second   " + "  ".join(f"{rate:.0f}" for rate in result.rates) + "   by quarter",
        "function memory MB  " + "  ".join(f"{size:.0f}" for size in result.memory) + "   by quarter",
        f"until all at rest   {result.seconds:.0f} s",
    ]
    return "\n".join([*lines, *result.lost[:20]])


def main() -> int:
    """Run and print; 1 if anything was lost or memory grew by more than a quarter."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    result = soak(options.uploads, options.seed, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(report(result, options.uploads))
    seen = [size for size in result.memory if size]
    flat = not seen or max(seen) <= GROWTH * min(seen)
    return int(bool(result.lost) or not flat)


if __name__ == "__main__":
    sys.exit(main())

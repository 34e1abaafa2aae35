"""How a backfill grows: time and memory an object from 100 to 10,000, beside a plain script; and a kill half-way.

    .venv/bin/python benchmarks/backfill.py [--sizes 100,1000,10000]

Listing, asking the table and sending run against a local AWS, each in a fresh process, without the bound on the rate
that protects the table's index. A tenth of the objects is decided already. The plain script is what one would write:
list all keys, then send one message each; it asks no table, forgets everything when it is killed, and sends all again.
Both take turns on the same bucket; on a busy machine only the ratios and the growth say something.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _tables import create_verdict_table

from screentest.backfill.queue import Chooser, Lister, Queue, RateLimit
from screentest.backfill.selection import Selection
from screentest.backfill.sources import Bucket, Verdicts
from screentest.backfill.state import Job, Jobs
from screentest.screening.routes import Routes
from screentest.screening.table import encode
from screentest.stack import LocalAws

PAGE = 1000
GROWTH = 1.5
"""Most that an object may cost at the largest size, as a multiple of the cost at the middle one."""

MEMORY_MB = 8
"""Most that the largest backfill may take above the middle one."""


def clients(aws: LocalAws) -> tuple[Any, Any, Any]:
    return aws.client("s3"), aws.client("dynamodb"), aws.client("sqs")


def fill(aws: LocalAws, name: str, size: int) -> None:
    """A bucket with versions, a table that knows every tenth object."""
    s3, dynamodb, _ = clients(aws)
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    create_verdict_table(dynamodb, name, index=False)

    def put(number: int) -> None:
        key = f"emo/1x1/{number:06}.jpg"
        version = s3.put_object(Bucket=name, Key=key, Body=b"x")["VersionId"]
        if number % 10 == 0:
            item = {"object": f"s3://{name}/{key}", "screening": f"emo-detect-v1#1x1#{version}"}
            dynamodb.put_item(TableName=name, Item=encode(item | {"verdict": "pass", "rules_version": "1"}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(size)))


def attach(endpoint: str) -> LocalAws:
    aws = LocalAws()
    aws.endpoint_url = endpoint
    return aws


def backfill(aws: LocalAws, name: str, url: str, folder: Path) -> int:
    """List the bucket into the queue, or go on where a killed run stopped. Returns the number of messages."""
    s3, dynamodb, sqs = clients(aws)
    jobs = Jobs(folder)
    selection = Selection(bucket=name)
    job = jobs.load(selection.job_id("here")) or Job(selection.job_id("here"), "here", selection)
    chooser = Chooser(
        verdicts=Verdicts(dynamodb, name), routes=Routes.DEFAULT, object_routes=False, rules_version="1"
    )
    lister = Lister(
        jobs=jobs,
        bucket=Bucket(s3, name, page_size=PAGE),
        chooser=chooser,
        queue=Queue(sqs, url, aws.client("lambda"), ""),
        rate_limit=RateLimit(1_000_000),
        depth=1_000_000,
        now=lambda: "",
    )
    for _state in lister.run(job):
        pass
    return job.sent


def plain(aws: LocalAws, name: str, url: str, _folder: Path) -> int:
    """What one would write."""
    s3, _, sqs = clients(aws)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    for key in keys:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"bucket": name, "key": key}))
    return len(keys)


SIDES: dict[str, Callable[[LocalAws, str, str, Path], int]] = {"backfill": backfill, "plain": plain}


def child(side: str, endpoint: str, name: str, url: str, folder: str) -> None:
    aws = attach(endpoint)
    clients(aws)
    started, cpu = time.perf_counter(), time.process_time()
    sent = SIDES[side](aws, name, url, Path(folder))
    seconds = time.perf_counter() - started
    print(
        json.dumps({"sent": sent, "seconds": seconds, "cpu": time.process_time() - cpu, "peak_mb": peak_mb()})
    )


def peak_mb() -> float:
    """Largest resident size of this process, MB. `getrusage` would give the parent's where that was larger."""
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) / 1024


def command(side: str, aws: LocalAws, name: str, url: str, folder: Path) -> list[str]:
    return [sys.executable, __file__, "--child", side, aws.endpoint_url, name, url, str(folder)]


def measure(side: str, aws: LocalAws, name: str) -> dict[str, float]:
    url = aws.client("sqs").create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - this very file
            command(side, aws, name, url, Path(folder)), capture_output=True, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def messages(aws: LocalAws, url: str) -> list[str]:
    sqs = aws.client("sqs")
    found: list[str] = []
    while new := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"])["detail"]["object"]["key"] for message in new]
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(new)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found


def killed(aws: LocalAws, name: str, size: int) -> bool:
    """Kill a run after its third page, give it again, and count what is in the queue."""
    url = aws.client("sqs").create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = command("backfill", aws, name, url, Path(folder))
        first = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)  # noqa: S603 - this very file
        state = Path(folder) / f"{Selection(bucket=name).job_id('here')}.json"
        while first.poll() is None and not (state.exists() and json.loads(state.read_text())["pages"] >= 3):
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.wait()
        done = json.loads(state.read_text())["pages"]
        subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - this very file
    keys = messages(aws, url)
    wanted = size - -(-size // 10)
    repeated = len(keys) - len(set(keys))
    print(
        f"killed after page {done} of {-(-size // PAGE)}, then given again: {len(set(keys)):,} of {wanted:,} objects "
        f"in the queue, {repeated:,} of them twice (a page holds {PAGE:,})"
    )
    return len(set(keys)) == wanted and repeated <= PAGE


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return 0
    sizes = [int(size) for size in options.sizes.split(",")]
    rows: dict[int, dict[str, dict[str, float]]] = {}
    with LocalAws(settings={"LOG_LEVEL": "ERROR"}) as aws:
        for size in sizes:
            fill(aws, f"portraits-{size}", size)
            rows[size] = {side: measure(side, aws, f"portraits-{size}") for side in SIDES}
        resumed = killed(aws, f"portraits-{sizes[-1]}", sizes[-1])
    print(
        f"{'objects':>8} {'backfill':>10} {'an object':>10} {'of it CPU':>10} {'peak':>8} "
        f"{'plain':>10} {'peak':>8} {'ratio':>6}"
    )
    for size, row in rows.items():
        ours, theirs = row["backfill"], row["plain"]
        print(
            f"{size:>8,} {ours['seconds']:>8.2f} s {ours['seconds'] / size * 1000:>7.2f} ms "
            f"{ours['cpu'] / size * 1000:>7.2f} ms {ours['peak_mb']:>5.0f} MB "
            f"{theirs['seconds']:>8.2f} s {theirs['peak_mb']:>5.0f} MB {ours['seconds'] / theirs['seconds']:>6.2f}"
        )
    largest, middle = rows[sizes[-1]]["backfill"], rows[sizes[-2]]["backfill"]
    # Of this process's own time: the local AWS shares the machine with whatever else runs there.
    growth = largest["cpu"] / sizes[-1] / (middle["cpu"] / sizes[-2])
    memory = largest["peak_mb"] - middle["peak_mb"]
    print(
        f"an object at {sizes[-1]:,} costs {growth:.2f} x the CPU time of one at {sizes[-2]:,} (must: {GROWTH})"
    )
    print(f"memory at {sizes[-1]:,}: {memory:+.1f} MB (must: {MEMORY_MB})")
    return 0 if resumed and growth <= GROWTH and memory <= MEMORY_MB else 1


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main())

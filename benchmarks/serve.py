"""`screentest serve` under load, beside FastAPI and uvicorn around the same library call.

    .venv/bin/python benchmarks/serve.py [--seconds N] [--clients N ...] [--slow-hosts] [--skip-peer]

Closed loop: each client has one connection and asks again when it is answered, or after the seconds that a 429 names.
Every request is for another portrait of one megapixel, from an image host in a process of its own; clients, host and
server share this machine's cores, so only ratios within a run mean something. The sides take turns at every level.
Health is asked ten times a second meanwhile, on a connection of its own each time. Memory is the proportional share of
all processes of a side at its highest. How long the processors worked for a verdict, refusals and downloads included,
does not depend on what else the machine does; rates and times do. The peer is installed into `build/serve-peer` once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from _peers import python_with

ROOT = Path(__file__).resolve().parents[1]
PEER = ("serve-peer", "fastapi==0.165.0", "uvicorn[standard]==0.54.0")
PATH = "/api/v1/services/aigc/image2video/face-detect"
LEVELS = [1, 2, 8, 64, 512]

PEERS = """
import queue, sys
import httpx, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from screentest.detection import Detector

detectors = queue.Queue()
for _ in range(int(sys.argv[2])):
    detectors.put(Detector())
client = httpx.Client(limits=httpx.Limits(max_connections=100), timeout=10)
app = FastAPI()

class Input(BaseModel):
    image_url: str

class Order(BaseModel):
    model: str
    input: Input

@app.post("/api/v1/services/aigc/image2video/face-detect")
def detect(order: Order):
    data = client.get(order.input.image_url).content
    detector = detectors.get()
    try:
        answer = detector.detect(data, order.model)
    finally:
        detectors.put(detector)
    return {"output": answer.output(), "usage": {"image_count": 1}}

@app.get("/healthz")
async def health():
    return {"status": "ok"}

print("ready", flush=True)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""

HOST = """
import asyncio, sys
from pathlib import Path
files = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.jpg"), key=lambda p: int(p.stem))]
slow = float(sys.argv[2])

async def serve(reader, writer):
    try:
        while line := (await reader.readuntil(b"\\r\\n\\r\\n")).split(b" ")[1]:
            number = int(line.rpartition(b"/")[2])
            if slow and number % 2:
                await asyncio.sleep(slow)
            data = files[number % len(files)]
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(data) + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@dataclass
class Figures:
    """Of one side at one level: seconds by kind of answer, the most memory, and how many cores the server, its workers
    and the clients took."""

    judged: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    other: int = 0
    megabytes: int = 0
    seconds: float = 0.0
    cores: tuple[float, float, float] = (0.0, 0.0, 0.0)


def late(values: list[float], share: float = 0.99) -> float:
    """A high percentile in milliseconds."""
    return sorted(values)[int(share * (len(values) - 1))] * 1000 if values else float("nan")


async def ask(request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, int]:
    """The status of one answer, and the seconds to stay away."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    if b"connection: close" in lower:
        writer.close()
    return int(head[9:12]), int(lower.partition(b"retry-after:")[2].partition(b"\r\n")[0] or 0)


async def client(port: int, number: int, host: int, figures: Figures, end: float) -> None:
    """One client of the closed loop."""
    count = number * 1_000_003
    connection = None
    await asyncio.sleep(number % 97 / 200)
    while time.monotonic() < end:
        body = json.dumps(
            {
                "model": "emo-detect-v1",
                "input": {"image_url": f"http://127.0.0.1:{host}/{count}"},
                "parameters": {"ratio": "1:1"},
            }
        )
        count += 1
        request = (
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        start = time.monotonic()
        try:
            if connection is None or connection[1].is_closing():
                connection = await asyncio.open_connection("127.0.0.1", port)
            status, wait = await ask(request, *connection)
        except (OSError, asyncio.IncompleteReadError):
            figures.other += 1
            connection = None
            await asyncio.sleep(0.1)
            continue
        took = time.monotonic() - start
        if time.monotonic() > end:
            break
        if status == 200:
            figures.judged.append(took)
        elif status == 429:
            figures.refused.append(took)
            await asyncio.sleep(wait)
        else:
            figures.other += 1
    if connection is not None:
        connection[1].close()


async def health(port: int, figures: Figures, end: float) -> None:
    """Asks for health ten times a second."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await ask(request, reader, writer)
            writer.close()
            figures.health.append(time.monotonic() - start)
        except (OSError, asyncio.IncompleteReadError):
            figures.other += 1
        await asyncio.sleep(0.1)


def descendants(pid: int) -> list[int]:
    """The processes under a process, by what the system says of each thread's children."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *descendants(child)]
    return found


def shares(pid: int) -> list[int]:
    """Megabytes of a process and of each under it, shared pages counted once."""
    found = []
    for number in (pid, *descendants(pid)):
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
            found.append(int(text.partition("\nPss:")[2].split()[0]) // 1024)
    return found


def memory(pid: int) -> int:
    """Megabytes of a process and all under it."""
    return sum(shares(pid))


def processor(*pids: int) -> float:
    """Seconds of processor time that processes have taken."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def load(port: int, pid: int, clients: int, host: int, seconds: float) -> Figures:
    """Figures of one side at one level."""
    figures, end = Figures(seconds=seconds), time.monotonic() + seconds
    groups = (pid,), tuple(descendants(pid)), (os.getpid(),)
    before = [processor(*group) for group in groups]
    tasks = [asyncio.create_task(client(port, n, host, figures, end)) for n in range(clients)]
    tasks.append(asyncio.create_task(health(port, figures, end)))
    while time.monotonic() < end:
        figures.megabytes = max(figures.megabytes, await asyncio.to_thread(memory, pid))
        await asyncio.sleep(1)
    took = [(processor(*group) - start) / seconds for group, start in zip(groups, before, strict=True)]
    figures.cores = took[0], took[1], took[2]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return figures


@contextlib.contextmanager
def started(command: list[str], environ: dict[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """A process, its id and the first line that it says."""
    process = subprocess.Popen(  # noqa: S603 - our own programs
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    assert process.stdout
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


def free_port() -> int:
    """One that nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def settle(port: int) -> None:
    """Wait until a server answers."""
    import http.client

    for _ in range(600):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, nargs="+", default=LEVELS)
    parser.add_argument(
        "--slow-hosts", action="store_true", help="every second picture comes after two seconds"
    )
    parser.add_argument("--skip-peer", action="store_true")
    options = parser.parse_args()
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent)]
    from benchmarks.detection import pictures

    workers = str(os.cpu_count() or 1)
    site = os.pathsep.join(
        [str(ROOT / "layers" / "detection"), *(p for p in sys.path if "site-packages" in p)]
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        pictures(Path(folder), 60)
        slow = "2" if options.slow_hosts else "0"
        _, said = stack.enter_context(started([sys.executable, "-c", HOST, folder, slow]))
        host = int(said)
        port = free_port()
        serve = [
            sys.executable,
            "-m",
            "screentest",
            "serve",
            "--allow-private-urls",
            "--port",
            str(port),
            "--workers",
            workers,
        ]
        sides = [("screentest serve", port, stack.enter_context(started(serve))[0])]
        if not options.skip_peer:
            port = free_port()
            python = [str(python_with(*PEER)), "-c", PEERS, str(port), workers]
            sides.append(("FastAPI", port, stack.enter_context(started(python, {"PYTHONPATH": site}))[0]))
        for _, port, pid in sides:
            settle(port)
            asyncio.run(load(port, pid, 2, host, 3))  # warm
        print(
            "| clients | side | verdicts/s | of FastAPI | p50 / p99 ms | refused/s, p99 ms | health p99 ms "
            "| other | MB | cores: server, workers, clients | processor, ms a verdict |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        )
        for clients in options.clients:
            found = [asyncio.run(load(port, pid, clients, host, options.seconds)) for _, port, pid in sides]
            base = len(found[-1].judged) if len(found) > 1 else float("nan")
            for (name, *_), f in zip(sides, found, strict=True):
                print(
                    f"| {clients} | {name} | {len(f.judged) / f.seconds:.1f} | {len(f.judged) / (base or 1):.2f} "
                    f"| {late(f.judged, 0.5):.0f} / {late(f.judged):.0f} "
                    f"| {len(f.refused) / f.seconds:.0f}, {late(f.refused):.0f} | {late(f.health):.0f} | {f.other} "
                    f"| {f.megabytes} | {', '.join(format(share, '.2f') for share in f.cores)} "
                    f"| {1000 * sum(f.cores[:2]) * f.seconds / max(len(f.judged), 1):.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

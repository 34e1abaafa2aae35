"""How fast the detectors are, beside what a user would install instead: MediaPipe's own solutions.

    .venv/bin/python benchmarks/detection.py [--pictures N] [--portraits FOLDER] [--skip-peer]

Both sides run in one process each, pinned to the same core, and take turns picture by picture; no picture is seen
twice. Ours is the whole request: bytes in, verdict with boxes out. The peer's is decoding (OpenCV) and its full set:
face detection, face mesh, pose, hands; no verdict. Ratios are of processor time, user and system of all threads, which
is the same on a busy machine; wall time stands beside it. The peer is installed into `build/peer` on first use. The
pictures are cut from those that pinned packages carry. A folder through `screentest check` is measured too: processor
time of the command with twice as many pictures, less that of the command with half of them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _peers import python_with

ROOT = Path(__file__).resolve().parents[1]
PEER = ("peer", "mediapipe==0.10.21", "numpy<2")
DETECTORS = [
    ("emo-detect-v1", "1:1", 0.8, 0.65),
    ("emo-detect-v1", "3:4", 0.8, 0.65),
    ("emoji-detect-v1", "1:1", 1.0, 0.8),
    ("animate-anyone-detect-gen2", "1:1", 1.2, 1.0),
]
"""Detector, ratio, and the shares of the peer's processor time that it must and should keep within."""

OURS = """
import json, resource, sys, time
from screentest.detection import Detector
detector = Detector()
for line in sys.stdin:
    path, model, ratio = json.loads(line)
    data = open(path, "rb").read()
    start, spent = time.perf_counter(), time.process_time()
    answer = detector.detect(data, model, ratio)
    spent, took = time.process_time() - spent, time.perf_counter() - start
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([spent * 1000, took * 1000, answer.passed, rss]), flush=True)
"""

PEERS = """
import json, resource, sys, time
import cv2, mediapipe as mp, numpy as np
s = mp.solutions
parts = [
    s.face_detection.FaceDetection(model_selection=1),
    s.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True),
    s.pose.Pose(static_image_mode=True),
    s.hands.Hands(static_image_mode=True),
]
for line in sys.stdin:
    path, *_ = json.loads(line)
    data = open(path, "rb").read()
    start, spent = time.perf_counter(), time.process_time()
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    for part in parts:
        part.process(image)
    spent, took = time.process_time() - spent, time.perf_counter() - start
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([spent * 1000, took * 1000, None, rss]), flush=True)
"""


class Worker:
    """One side, in a process of its own on one core."""

    def __init__(self, python: Path | str, program: str, core: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [str(python), "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - no threads here
        )

    def ask(self, *request: str) -> list[Any]:
        """Milliseconds of processor time and of wall time, verdict, peak memory in MB."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: list[Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def pictures(folder: Path, count: int) -> list[Path]:
    """`count` different JPEG files of one megapixel, cut and toned from pictures of single persons."""
    from PIL import Image, ImageEnhance

    from screentest.demo import pictures as carried

    chance = random.Random(4)  # noqa: S311 - the same pictures each time
    sources = [carried.waist_up(), carried.astronaut(), carried.standing(), carried.calm_face()]
    paths = []
    for number in range(count):
        picture = sources[number % len(sources)]
        width, height = picture.size
        x1, x2 = chance.uniform(0, 0.08) * width, chance.uniform(0.92, 1) * width
        y2 = chance.uniform(0.55, 1) * height if height > 1.3 * width else height * chance.uniform(0.9, 1)
        cut = picture.crop((int(x1), 0, int(x2), int(y2)))
        if chance.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scale = (1e6 / (cut.width * cut.height)) ** 0.5
        cut = cut.resize((round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS)
        cut = ImageEnhance.Brightness(cut).enhance(chance.uniform(0.8, 1.15))
        path = folder / f"{number}.jpg"
        cut.save(path, quality=chance.randint(85, 95))
        paths.append(path)
    return paths


def middles(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Median and 95th percentile of processor time, median of wall time."""
    spent, wall = (sorted(column) for column in zip(*times, strict=True))
    return statistics.median(spent), spent[int(0.95 * (len(spent) - 1))], statistics.median(wall)


def folder_through_command(paths: list[Path], core: int, reference: float) -> None:
    """Print what a picture costs through `screentest check`, its start left out, for each detector's default ratio."""

    def spent(model: str, some: list[Path]) -> float:
        command = [sys.executable, "-m", "screentest", "check", *map(str, some), "--model", model]
        before = os.times()
        subprocess.run(  # noqa: S603 - our own command
            [*command, "--workers", "1", "--json"],
            check=False,
            capture_output=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    for model, ratio, *_ in DETECTORS:
        if ratio != "1:1":
            continue
        few = len(paths) // 4
        each = 1000 * (spent(model, paths) - spent(model, paths[:few])) / (len(paths) - few)
        print(
            f"| `screentest check` over a folder, {model}, mean | {len(paths) - few} | {each:.1f} | | "
            f"| {each / reference:.2f} | | |"
        )


def side_by_side(paths: list[Path], core: int, *, with_peer: bool) -> None:
    """Print the table of times."""
    ours = Worker(sys.executable, OURS, core)
    theirs = Worker(python_with(*PEER), PEERS, core) if with_peer else None
    warm = paths[:2]
    for path in warm:
        for model, ratio, *_ in DETECTORS:
            ours.ask(str(path), model, ratio)
        if theirs:
            theirs.ask(str(path))
    took: dict[tuple[str, str], list[tuple[float, float]]] = {(m, r): [] for m, r, *_ in DETECTORS}
    passed = dict.fromkeys(took, 0)
    base: list[tuple[float, float]] = []
    memory = [0.0, 0.0]
    for number, path in enumerate(paths[2:]):
        # Shifted by one each round, so that every detector sees every kind of picture.
        model, ratio, *_ = DETECTORS[(number + number // len(DETECTORS)) % len(DETECTORS)]
        spent, wall, verdict, memory[0] = ours.ask(str(path), model, ratio)
        took[model, ratio].append((spent, wall))
        passed[model, ratio] += verdict
        if theirs:
            spent, wall, _, memory[1] = theirs.ask(str(path))
            base.append((spent, wall))
    ours.close()
    reference = statistics.median(spent for spent, _ in base) if base else float("nan")
    print(
        "| one core, warm, 1-megapixel JPEG | pictures (passed) | median ms, processor | p95 | median ms, wall | ratio "
        "| must | goal |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for model, ratio, must, goal in DETECTORS:
        middle, late, wall = middles(took[model, ratio])
        print(
            f"| {model} {ratio} | {len(took[model, ratio])} ({passed[model, ratio]}) | {middle:.1f} | {late:.1f} "
            f"| {wall:.1f} | {middle / reference:.2f} | {must} | {goal} |"
        )
    if theirs:
        theirs.close()
        _, late, wall = middles(base)
        print(
            f"| MediaPipe 0.10.21, full set, no verdict | {len(base)} | {reference:.1f} | {late:.1f} | {wall:.1f} | 1 "
            "| | |"
        )
    folder_through_command(paths[2:], core, reference)
    print(f"\npeak memory after these pictures: ours {memory[0]:.0f} MB, MediaPipe {memory[1]:.0f} MB\n")


ONCE = """
import sys, time, resource
start = time.perf_counter()
from screentest import detection
data = open(sys.argv[1], "rb").read()
took = []
for _ in range(int(sys.argv[3])):
    t = time.perf_counter()
    try:
        detection.detect(data, sys.argv[2])
    except detection.DetectionError as error:
        print(error, file=sys.stderr)
    took.append((time.perf_counter() - t) * 1000)
print(min(took), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

CONFINED = """
import statistics, sys, time
from pathlib import Path
from screentest.detection import Detector
from screentest.detection.confined import ConfinedDecoder
starts = []
for _ in range(7):
    decoder = ConfinedDecoder()
    start = time.perf_counter()
    decoder.open()
    starts.append((time.perf_counter() - start) * 1000)
    decoder.close()
sides = [Detector(), Detector(decoder)]
took = [[], []]
for number, path in enumerate(sys.argv[1:]):
    data = Path(path).read_bytes()
    for side in (0, 1) if number % 2 else (1, 0):
        t = time.perf_counter()
        sides[side].detect(data, "emo-detect-v1")
        took[side].append((time.perf_counter() - t) * 1000)
status = Path(f"/proc/{decoder.pid}/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(*(statistics.median(t[2:]) for t in took), statistics.median(starts), peak)
"""

DECODE = """
import io, sys, time
from PIL import Image
data = open(sys.argv[1], "rb").read()
took = []
for _ in range(int(sys.argv[2])):
    t = time.perf_counter()
    Image.open(io.BytesIO(data)).load()
    took.append((time.perf_counter() - t) * 1000)
print(min(took))
"""


def once(program: str, core: int, *arguments: str) -> tuple[list[float], float]:
    """Figures that the program prints, and milliseconds from its start to its end."""
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, "-c", program, *arguments],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return [float(v) for v in done.stdout.split()], (time.perf_counter() - start) * 1000


def confined(paths: list[Path], core: int) -> None:
    """Print what decoding in a process of its own costs, both sides taking turns."""
    if not sys.platform.startswith("linux"):
        return
    (plain, apart, start, peak), _ = once(CONFINED, core, *map(str, paths))
    print(
        f"| decoding in a process of its own (`--decode-limit`), 1-megapixel JPEG, emo-detect-v1 "
        f"| {apart:.1f} ms, without {plain:.1f} ms | | |"
    )
    print(
        f"| that process: start; peak memory after {len(paths)} such pictures | {start:.0f} ms; {peak:.0f} MB | | |"
    )


def budgets(folder: Path, path: Path, core: int) -> None:
    """Print start, 24 megapixels, memory, and what a rejected size costs."""
    from PIL import Image

    print("| budget | measured | must | goal |\n| --- | --- | --- | --- |")
    for model, *_ in (DETECTORS[0], DETECTORS[2], DETECTORS[3]):
        starts = [once(ONCE, core, str(path), model, "1")[1] for _ in range(7)]
        print(
            f"| process start to first verdict, {model} | {statistics.median(starts):.0f} ms | 600 ms | 450 ms |"
        )
    with Image.open(path) as one:
        square = one.convert("RGB").crop((0, 0, min(one.size), min(one.size)))
    large = folder / "large.jpg"
    square.resize((4900, 4900), Image.Resampling.BICUBIC).save(large, quality=90)
    (small_ms, _), _ = once(ONCE, core, str(path), DETECTORS[0][0], "5")
    (large_ms, rss), _ = once(ONCE, core, str(large), DETECTORS[0][0], "5")
    (bare,), _ = once(DECODE, core, str(large), "5")
    limit = small_ms + 1.25 * bare
    print(
        f"| 24-megapixel JPEG, emo-detect-v1 (bare decode {bare:.0f} ms) | {large_ms:.0f} ms | {limit:.0f} ms | |"
    )
    print(f"| peak memory, 24-megapixel JPEG | {rss:.0f} MB | 300 MB | |")
    for suffix in ("jpg", "png", "bmp", "webp"):
        huge = folder / f"huge.{suffix}"
        options = {"method": 0} if suffix == "webp" else {"compress_level": 1} if suffix == "png" else {}
        square.resize((7000, 7000), Image.Resampling.BICUBIC).save(huge, **options)
        (_, rss), _ = once(ONCE, core, str(huge), DETECTORS[0][0], "1")
        print(f"| peak memory, 49-megapixel {suffix} | {rss:.0f} MB | 1000 MB | |")
    tiny = io.BytesIO()
    square.resize((7001, 400)).save(tiny, "JPEG")
    wrong = folder / "wrong.jpg"
    wrong.write_bytes(tiny.getvalue())
    (ms, _), _ = once(ONCE, core, str(wrong), DETECTORS[0][0], "20")
    print(f"| rejected for its size | {ms:.2f} ms | a header | |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=122, help="how many different ones")
    parser.add_argument("--portraits", type=Path, default=os.environ.get("SCREENTEST_PORTRAITS"))
    parser.add_argument("--skip-peer", action="store_true")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(Path(folder), options.pictures)
        side_by_side(paths, core, with_peer=not options.skip_peer)
        budgets(Path(folder), paths[0], core)
        confined(paths, core)
    if options.portraits:
        import accuracy  # beside this file

        print("\naccuracy of the same build\n\n" + accuracy.table(accuracy.run(options.portraits, 2)))


if __name__ == "__main__":
    main()

"""Step 1: MoveNet's pooled features of the labelled portraits, of variants that show the same, and of composites.

    python training/scene/features.py --portraits FOLDER [FOLDER ...] --work FOLDER

Variants are mirrored, slightly cut, and lit otherwise: what a picture shows stays what it was. Composites put a second
person beside, at the edge, or behind the first (`several`), or something that is no person there (not `several`).
About four minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import portraits

from screentest.detection import pictures
from screentest.detection.evidence import Evidence
from screentest.detection.vision.networks import Networks

VARIANTS = 5
COMPOSITES = 1100
NOT_ALONE = {
    "several_people", "no_person", "people_in_background", "cartoon", "statue", "derived", "back_view",
    "tiny_people_far", "people_far_and_small", "six_or_more_people",
}  # fmt: skip

_networks: list[Networks] = []
_known: list[dict[str, Any]] = []


def networks() -> Networks:
    """One set for each process."""
    if not _networks:
        _networks.append(Networks())
    return _networks[0]


def load(path: Path) -> pictures.Picture:
    data = path.read_bytes()
    return pictures.decode(data, pictures.probe(data))


def look(image: Image.Image) -> np.ndarray:
    return networks().bodies(image, 0.12).features


def variants(image: Image.Image, seed: int) -> np.ndarray:
    """Features `(VARIANTS, 2560)`: of the mirrored picture, and of random ones."""
    rng = np.random.default_rng(seed)
    made = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for number in range(VARIANTS - 1):
        width, height = image.size
        left, top, right, bottom = rng.uniform(0, 0.05, 4)
        part = image.crop(
            (
                int(left * width), int(top * height),
                int(width - right * width), int(height - bottom * height),
            )
        )  # fmt: skip
        if number % 2:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        part = ImageEnhance.Brightness(part).enhance(float(rng.uniform(0.75, 1.25)))
        made.append(ImageEnhance.Color(part).enhance(float(rng.uniform(0.2, 1.3))))
    return np.stack([look(each) for each in made])


def examine(task: tuple[int, dict[str, Any], Path]) -> dict[str, Any]:
    """What one portrait shows, and what else the witnesses say of it."""
    number, record, path = task
    picture = load(path)
    evidence = Evidence(picture, networks())
    subject = evidence.subject
    alone = subject.visible and subject.body is not None and record["people"] == 1
    return {
        "repo": record["repo"],
        "tags": record["tags"],
        "path": path,
        "features": subject.features,
        "variants": variants(picture.image, number),
        "second": evidence.people.second_person,
        "count": evidence.people.bodies_counted,
        "yaw": evidence.figure.body_yaw,
        "angle": evidence.figure.torso_thigh_angle,
        "alone": alone and not set(record["tags"]) & NOT_ALONE,
        "nobody": "no_person" in record["tags"] and not set(record["tags"]) & {"statue", "cartoon"},
        "face": None if subject.face is None else subject.face.box,
        "body": None if subject.body is None else subject.body.box,
    }


def _span(known: dict[str, Any]) -> tuple[float, float]:
    body, face = known["body"], known["face"]
    return min(body[0], face[0]), max(body[2], face[2])


def compose(seed: int) -> tuple[int, int, bool, np.ndarray] | None:
    """Numbers of the two portraits, whether both show a person, and the features; `None` where it does not fit."""
    rng = np.random.default_rng(seed)
    both = seed % 3 != 2
    alone = [number for number, known in enumerate(_known) if known["alone"]]
    empty = [number for number, known in enumerate(_known) if known["nobody"]]
    first = int(rng.choice(alone))
    image = load(_known[first]["path"]).image
    width, height = image.size
    face = _known[first]["face"]
    tall = face[3] - face[1]
    x1, x2 = (int(v) for v in np.clip(_span(_known[first]), 0, width))
    second = int(rng.choice(alone if both else empty))
    other = load(_known[second]["path"]).image
    if both:
        a, b = _span(_known[second])
        part = other.crop((max(0, int(a)), 0, int(max(min(other.width, b), a + 8)), other.height))
        his = _known[second]["face"]
        scale = (face[2] - face[0]) / (his[2] - his[0]) * rng.uniform(0.6, 1.2)
        y = int(face[1] - his[1] * scale + rng.uniform(-0.8, 0.8) * tall)
    elif rng.random() < 0.5:
        part, scale, y = (
            other.crop((0, 0, int(other.width * rng.uniform(0.3, 0.7)), other.height)),
            height / other.height,
            0,
        )
    else:
        # The portrait's own background: seams alone must not count.
        if x1 <= 0.15 * width and x2 >= 0.85 * width:
            return None
        part = image.crop((0, 0, x1, height) if x1 > 0.15 * width else (x2, 0, width, height))
        part, scale, y, second = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 1.0, 0, first
    wide, high = max(8, int(part.width * scale)), max(8, int(part.height * scale))
    if wide > 4 * width or high > 4 * height:
        return None
    part = part.resize((wide, high))
    mode, right = rng.choice(["beside", "edge", "behind"]), rng.random() < 0.5
    shown = wide if mode == "beside" else int(wide * rng.uniform(0.3, 0.7))
    if mode == "behind":
        canvas = image.copy()
        canvas.paste(part, (x2 - (wide - shown) if right else x1 - shown, y))
        canvas.paste(image.crop((x1, 0, x2, height)), (x1, 0))
    else:
        total = width + shown if mode == "beside" or rng.random() < 0.5 else width
        canvas = Image.new("RGB", (total, height), (int(rng.integers(90, 255)),) * 3)
        canvas.paste(image, (0 if right else total - width, 0))
        if right:
            canvas.paste(part.crop((0, 0, shown, high)), (total - shown, y))
        else:
            canvas.paste(part.crop((wide - shown, 0, wide, high)), (0, y))
    return first, second, both, look(canvas)


def _share(known: list[dict[str, Any]]) -> None:
    _known.extend(known)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    tasks = [(n, record, path) for n, (record, path) in enumerate(portraits.working(options.portraits))]
    with ProcessPoolExecutor() as pool:
        known = list(pool.map(examine, tasks, chunksize=8))
    with ProcessPoolExecutor(initializer=_share, initargs=(known,)) as pool:
        made = [each for each in pool.map(compose, range(COMPOSITES), chunksize=16) if each]
    options.work.mkdir(parents=True, exist_ok=True)
    nan = float("nan")
    np.savez_compressed(
        options.work / "scene.npz",
        repos=np.array([k["repo"] for k in known]),
        tags=np.array([" ".join(k["tags"]) for k in known]),
        features=np.stack([k["features"] for k in known]),
        variants=np.stack([k["variants"] for k in known]),
        second=np.array([k["second"] for k in known]),
        count=np.array([k["count"] for k in known]),
        yaw=np.array([nan if k["yaw"] is None else k["yaw"] for k in known]),
        angle=np.array([nan if k["angle"] is None else k["angle"] for k in known]),
        composed_from=np.array([[a, b] for a, b, _, _ in made]),
        composed_several=np.array([several for _, _, several, _ in made]),
        composed=np.stack([features for *_, features in made]),
    )
    print(len(known), "portraits,", len(made), "composites")


if __name__ == "__main__":
    main()

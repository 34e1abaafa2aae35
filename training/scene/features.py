"""Step 1: MoveNet's pooled features of the labelled portraits and of further pictures, and of variants of each.

    python training/scene/features.py --portraits FOLDER [FOLDER ...] --mirror CLONES --work FOLDER [--partial]

Variants are mirrored, slightly cut, and lit otherwise: what a picture shows stays what it was. The further pictures
(`pictures.json`) answer one question each. About nine minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import portraits
import repositories

from screentest.detection import errors, pictures
from screentest.detection.evidence import Evidence
from screentest.detection.vision.networks import Networks

VARIANTS = 5
ANSWERS = {
    "seated": ("seated", True),
    "standing": ("seated", False),
    "several": ("several", True),
    "one": ("several", False),
    "side": ("side", True),
    "back": ("back", True),
    "nobody": ("nobody", True),
}
"""Lists of `pictures.json`: the question that they answer, and how."""

_networks: list[Networks] = []


def networks() -> Networks:
    """One set for each process."""
    if not _networks:
        _networks.append(Networks())
    return _networks[0]


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


def sources(
    folders: list[Path], mirror: Path, *, partial_: bool
) -> Iterator[tuple[dict[str, Any], Callable[[], bytes]]]:
    """Record of every picture, and what reads it; records of further pictures have an `answer` and no name."""
    for record, path in portraits.working(folders):
        yield record, path.read_bytes
    listed = json.loads(Path(__file__).with_name("pictures.json").read_text())
    places = [
        (answer, (repo, listed["commits"][repo], file))
        for answer in ANSWERS
        for repo, paths in listed[answer].items()
        for file in paths
    ]
    present = repositories.present(mirror, [place for _, place in places], partial=partial_)
    for answer, place in places:
        if place in present:
            record = {"id": "", "repo": place[0], "tags": [], "answer": answer}
            yield record, partial(repositories.contents_of, mirror, *place)


def examine(task: tuple[int, tuple[dict[str, Any], Callable[[], bytes]]]) -> dict[str, Any] | None:
    """What one picture shows, and what else the witnesses say of it; `None` of one that cannot be read."""
    number, (record, read) = task
    data = read()
    try:
        picture = pictures.decode(data, pictures.probe(data))
    except errors.UnreadablePicture:
        return None
    evidence = Evidence(picture, networks())
    question, yes = ANSWERS[record["answer"]] if "answer" in record else ("", False)
    nan = float("nan")
    yaw, angle = evidence.figure.body_yaw, evidence.figure.torso_thigh_angle
    return {
        "ids": record["id"],
        "repos": record["repo"],
        "tags": " ".join(record["tags"]),
        "question": question,
        "yes": yes,
        "features": evidence.subject.features,
        "variants": variants(picture.image, number),
        "second": evidence.people.second_person,
        "counted": evidence.people.bodies_counted,
        "yaw": nan if yaw is None else yaw,
        "angle": nan if angle is None else angle,
        "hips": evidence.figure.seated is not None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--mirror", type=Path, required=True, help="clones, `owner+name` each")
    parser.add_argument("--partial", action="store_true", help="do without pictures that no clone has")
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    tasks = list(enumerate(sources(options.portraits, options.mirror, partial_=options.partial)))
    with ProcessPoolExecutor() as pool:
        found = pool.map(examine, tasks, chunksize=8)
        known = [each for each in found if each]
    options.work.mkdir(parents=True, exist_ok=True)
    columns = {name: np.array([each[name] for each in known]) for name in known[0]}
    np.savez_compressed(options.work / "scene.npz", **columns)
    print(len(known), "pictures,", int((columns["question"] != "").sum()), "of them further ones")


if __name__ == "__main__":
    main()

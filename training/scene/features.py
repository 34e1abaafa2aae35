"""Step 1: MoveNet's pooled features of the labelled portraits and of further pictures, and of variants of each.

    python training/scene/features.py --portraits FOLDER [FOLDER ...] --mirror CLONES --work FOLDER [--partial]

Variants are mirrored, slightly cut, and lit otherwise: what a picture shows stays what it was. The further pictures
(`pictures.json`) answer one question each. About nine minutes on two cores.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import portraits
from common import Source, networks

from screentest.detection import errors, pictures
from screentest.detection.evidence import Evidence

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


def sources(folders: list[Path], mirror: Path, *, partly: bool) -> list[Source]:
    """Record of every picture, and what reads it; records of further pictures have an `answer` and no name."""
    listed = json.loads(Path(__file__).with_name("pictures.json").read_text())
    entries = [
        ({"id": "", "repo": repo, "tags": [], "answer": answer}, (repo, listed["commits"][repo], file))
        for answer in ANSWERS
        for repo, paths in listed[answer].items()
        for file in paths
    ]
    labelled: list[Source] = [(record, path.read_bytes) for record, path in portraits.working(folders)]
    return labelled + common.further(entries, mirror, partly=partly)


def examine(task: tuple[int, Source]) -> dict[str, Any] | None:
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
    parser = common.parser(__doc__, clones=True)
    options = parser.parse_args()
    tasks = list(enumerate(sources(options.portraits, options.mirror, partly=options.partial)))
    with ProcessPoolExecutor() as pool:
        found = pool.map(examine, tasks, chunksize=8)
        known = [each for each in found if each]
    options.work.mkdir(parents=True, exist_ok=True)
    columns = {name: np.array([each[name] for each in known]) for name in known[0]}
    np.savez_compressed(options.work / "scene.npz", **columns)
    print(len(known), "pictures,", int((columns["question"] != "").sum()), "of them further ones")


if __name__ == "__main__":
    main()

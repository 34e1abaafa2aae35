"""Step 2: how persons look who hold something large, and who do not.

    python training/held/features.py --portraits FOLDER [FOLDER ...] --mirror CLONES --work FOLDER [--partial]

Labelled portraits; more pictures of `pictures.json`, looked at one by one; and portraits of empty hands over which a
thing is laid (something large is held) or beside which it is (nothing is). Each is seen four times: as it is, mirrored,
and twice a little moved and in another light. Six minutes on two cores.
"""

from __future__ import annotations

import io
import json
import sys
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import portraits
import repositories
from common import networks

from screentest.detection import pictures
from screentest.detection.evidence import Evidence
from screentest.detection.evidence.figure import hands_region, person_region, torso_region
from screentest.detection.evidence.subject import Subject
from screentest.detection.vision.crops import Region

SHOWN = {"chest_up", "waist_up", "hips_visible", "knees_up", "cut_above_ankles", "full_body"}
OPEN = {"holding_object", "table", "object_near_face", "object_covers_face", "microphone"}
"""Neither held nor free: small things, tables, things at the face."""
ROOM_MIN = 1.5
"""Face sizes below the face where a thing is laid."""
LAID = 3

_things: list[tuple[Image.Image, bool]] = []


def regions_of(subject: Subject, size: tuple[int, int]) -> tuple[Region, ...]:
    """Person, torso, hands."""
    return person_region(subject, size), torso_region(subject, size), hands_region(subject, size)


def seen(image: Image.Image, regions: tuple[Region, ...]) -> np.ndarray:
    """Features of the regions, `(7680,)`."""
    return np.concatenate([networks().appearance(image, region) for region in regions])


def variants(image: Image.Image, regions: tuple[Region, ...], rng: np.random.Generator) -> np.ndarray:
    """Features `(4, 7680)`."""
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    made = []
    for number in range(4):
        moved = regions
        if number > 1:
            moved = tuple(
                Region(
                    r.x + r.side * rng.uniform(-0.06, 0.06),
                    r.y + r.side * rng.uniform(-0.06, 0.06),
                    r.side * rng.uniform(0.88, 1.12),
                )
                for r in regions
            )
        view = image
        if number % 2:
            view, moved = mirrored, tuple(Region(image.width - r.x, r.y, r.side) for r in moved)
        if number > 1:
            view = ImageEnhance.Brightness(view).enhance(float(rng.uniform(0.75, 1.25)))
            view = ImageEnhance.Color(view).enhance(float(rng.uniform(0.3, 1.3)))
        made.append(seen(view, moved))
    return np.stack(made)


def cut_out(data: bytes) -> Image.Image:
    """A thing photographed on white, or transparent, without its background."""
    picture = Image.open(io.BytesIO(data))
    picture.thumbnail((500, 500))
    picture = picture.convert("RGBA")
    alpha = np.asarray(picture.getchannel("A"))
    if (alpha > 20).all():
        pale = np.asarray(picture.convert("RGB")).min(2) > 232
        height, width = pale.shape
        edge = [
            (y, x) for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)
        ]
        outside = np.zeros_like(pale)
        queue = deque(at for at in edge if pale[at])
        for at in queue:
            outside[at] = True
        while queue:
            y, x = queue.popleft()
            for at in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if 0 <= at[0] < height and 0 <= at[1] < width and pale[at] and not outside[at]:
                    outside[at] = True
                    queue.append(at)
        picture.putalpha(
            Image.fromarray(np.where(outside, 0, 255).astype(np.uint8)).filter(ImageFilter.MinFilter(3))
        )
    return picture.crop(picture.getchannel("A").getbbox())


def laid(image: Image.Image, evidence: Evidence, rng: np.random.Generator) -> list[tuple[bool, np.ndarray]]:
    """Whether a thing is held, and the features: twice over the torso, once beside the person where there is room."""
    subject = evidence.subject
    face, body = subject.face, subject.body
    assert face is not None
    x, bottom, side = face.centre[0], face.box[3], max(face.width, face.height)
    width, height = image.size
    regions = regions_of(subject, image.size)
    made = []
    for number in range(LAID):
        thing, large = _things[int(rng.integers(len(_things)))]
        scale = side * (rng.uniform(2.6, 5) if large else rng.uniform(1.5, 3.2)) / max(thing.size)
        thing = thing.resize(
            (max(4, int(thing.width * scale)), max(4, int(thing.height * scale))), Image.Resampling.BICUBIC
        )
        if rng.random() < 0.5:
            thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turn = 70 if large else 20
        thing = thing.rotate(float(rng.uniform(-turn, turn)), Image.Resampling.BICUBIC, expand=True)
        pixels = ImageEnhance.Brightness(thing.convert("RGB")).enhance(float(rng.uniform(0.6, 1.05)))
        if rng.random() < 0.4:
            pixels = pixels.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2)) * side / 100))
        held = number < LAID - 1
        if held:
            at_x = x + rng.uniform(-1.1, 1.1) * side
            at_y = min(bottom + rng.uniform(1.3, 3.3) * side, height - 0.1 * side)
            at_y += max(0.0, bottom + 0.1 * side - (at_y - thing.height / 2))
        else:
            points = np.array(face.box).reshape(2, 2) if body is None else body.points[body.scores > 0.2]
            low, high = min(points[:, 0].min(), x - 1.3 * side), max(points[:, 0].max(), x + 1.3 * side)
            free = [low - thing.width / 2 - 0.2 * side] if low > 0.6 * thing.width else []
            free += [high + thing.width / 2 + 0.2 * side] if width - high > 0.6 * thing.width else []
            if not free:
                continue
            at_x, at_y = (
                float(rng.choice(free)),
                float(rng.uniform(face.box[1], min(height, bottom + 5 * side))),
            )
        view = image.copy()
        view.paste(pixels, (int(at_x - thing.width / 2), int(at_y - thing.height / 2)), thing.getchannel("A"))
        made.append((held, seen(view, regions)))
    return made


def examine(task: tuple[int, str, str, bytes, bool | None, set[str]]) -> dict[str, Any] | None:
    """One picture with a visible person in it; `None` where there is none."""
    number, name, repo, data, held, tags = task
    image = (picture := pictures.decode(data, pictures.probe(data))).image
    evidence = Evidence(picture, networks())
    subject = evidence.subject
    if not subject.visible:
        return None
    rng = np.random.default_rng(number)
    regions = regions_of(subject, image.size)
    empty = held is False and tags and evidence.figure.room_below_face > ROOM_MIN
    return {
        "id": name,
        "repo": repo,
        "held": np.nan if held is None else float(held),
        "good": "good" in tags,
        "features": variants(image, regions, rng),
        "laid": laid(image, evidence, rng) if empty else [],
    }


def tasks(
    folders: list[Path], mirror: Path, listed: dict[str, Any]
) -> list[tuple[int, str, str, bytes, bool | None, set[str]]]:
    """Number, name (none of further pictures), repository, file, whether something is held (`None`: open), tags."""
    made = []
    for record, path in portraits.working(folders):
        tags = set(record["tags"])
        if record["people"] != 1 or not tags & SHOWN:
            continue
        held = True if "holding_large_object" in tags else None if tags & OPEN else False
        good = {"good"} if record["aa"]["pass"] else set()
        made.append((len(made), record["id"], record["repo"], path.read_bytes(), held, tags | good))
    for held, key in ((True, "held"), (False, "free")):
        for entry in listed[key]:
            made.append((len(made), "", entry["repo"], blob(mirror, entry), held, set[str]()))
    return made


def place(entry: dict[str, str]) -> repositories.Place:
    """Where the file is that an entry of `pictures.json` names."""
    return entry["repo"], entry["commit"], entry["path"]


def blob(mirror: Path, entry: dict[str, str]) -> bytes:
    """That file."""
    return repositories.contents_of(mirror, *place(entry))


def _share(things: list[tuple[Image.Image, bool]]) -> None:
    _things.extend(things)


def main() -> None:
    parser = common.parser(__doc__, clones=True)
    options = parser.parse_args()
    listed = json.loads(Path(__file__).with_name("pictures.json").read_text())
    parts = ("held", "free", "things")
    places = [place(entry) for part in parts for entry in listed[part]]
    present = repositories.present(options.mirror, places, partial=options.partial)
    listed = {part: [entry for entry in listed[part] if place(entry) in present] for part in parts}
    # Instruments are larger than bags, lie at any angle, and are what is held most: they count twice.
    things = [
        (cut_out(blob(options.mirror, entry)), entry["large"])
        for entry in listed["things"]
        for _ in range(2 if entry["large"] else 1)
    ]
    with ProcessPoolExecutor(initializer=_share, initargs=(things,)) as pool:
        found = [
            f for f in pool.map(examine, tasks(options.portraits, options.mirror, listed), chunksize=8) if f
        ]
    options.work.mkdir(parents=True, exist_ok=True)
    made = [(f["repo"], held, features) for f in found for held, features in f["laid"]]
    np.savez(
        options.work / "held.npz",
        ids=np.array([f["id"] for f in found]),
        repos=np.array([f["repo"] for f in found]),
        held=np.array([f["held"] for f in found]),
        good=np.array([f["good"] for f in found]),
        features=np.stack([f["features"] for f in found]).astype(np.float16),
        laid_repos=np.array([repo for repo, *_ in made]),
        laid_held=np.array([held for _, held, _ in made]),
        laid=np.stack([features for *_, features in made]).astype(np.float16),
    )
    print(len(found), "pictures,", len(made), "with a thing laid over or beside")


if __name__ == "__main__":
    main()

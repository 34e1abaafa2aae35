"""Step 1: faces out of the source repositories, as level square crops with their mesh, one file a repository.

    python training/occlusion/faces.py --mirror CLONES --work FOLDER [--portraits FOLDER] [owner/name ...]

Each `FOLDER/faces/owner+name.npz` holds `crops` `(n, 288, 288, 3)`, `points` `(n, 478, 2)` in their pixels, `extent`
(longer side of the mesh, pixels of the picture), `paths`, and the hand network's opinion of each crop: `palm`, `hand`
(presence) and `over`, `touch` (shares of the inner face and of its oval under the hand). With `--portraits`, the
labelled portraits (their `dev.jsonl` beside `dev/`) become `portraits.npz`, with `tags` and `repositories` besides.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "layers/detection")]

from occluders import INNER, OVAL, Face
from repositories import SOURCES, contents, files
from samples import BASE_REACH

from screentest.detection.vision.crops import Region, cut
from screentest.detection.vision.faces import FaceDetector
from screentest.detection.vision.hands import HandDetector
from screentest.detection.vision.mesh import FaceMesh

SIZE = 288
FACE_MIN = 0.5
EXTENT_MIN = 24
LONGEST = 2400
BONES = [
    [0, 1, 2, 3, 4],
    [0, 5, 6, 7, 8],
    [5, 9, 10, 11, 12],
    [9, 13, 14, 15, 16],
    [13, 17, 18, 19, 20],
    [0, 17],
]


class Finder:
    """The detectors of the package, on training pictures."""

    def __init__(self) -> None:
        self.detector, self.mesh, self.hands = FaceDetector(), FaceMesh(), HandDetector()

    def faces(self, image: Image.Image) -> list[dict[str, object]]:
        """Up to four faces; faces that fill their picture are looked for in a padded one."""
        found = self.detector(image, FACE_MIN)
        if not found or max(f.width for f in found) > 0.75 * max(image.size):
            padded = ImageOps.expand(image, max(image.size) // 3, (0, 0, 0))
            again = self.detector(padded, FACE_MIN)
            if again:
                image, found = padded, again
        out: list[dict[str, object]] = []
        for face in found[:4]:
            mesh = self.mesh(image, self.mesh.region(face))
            if mesh.presence < 0.3:
                continue
            mesh = self.mesh(image, self.mesh.closer(mesh))
            close = self.mesh.closer(mesh)
            extent = close.side / 1.5
            if extent < EXTENT_MIN:
                continue
            region = Region(close.x, close.y, BASE_REACH * extent, close.angle)
            crop = cut(image, region, SIZE, replicate=False)
            c, s = math.cos(region.angle), math.sin(region.angle)
            offset = mesh.points[:, :2] - np.array([region.x, region.y], np.float32)
            points = ((offset @ np.array([[c, -s], [s, c]], np.float32)) / region.side + 0.5) * SIZE
            out.append({"crops": crop, "points": points, "extent": extent, **self.hand(crop, points)})
        return out

    def hand(self, crop: np.ndarray, points: np.ndarray) -> dict[str, float]:
        """What the hand network sees at full size: the teacher for hands in small pictures."""
        image = Image.fromarray(crop)
        palm = presence = 0.0
        area = Image.new("L", (SIZE, SIZE))
        draw = ImageDraw.Draw(area)
        for detection in self.hands.palms(image, Region(SIZE / 2, SIZE / 2, SIZE, 0), 0.15)[:3]:
            hand = self.hands(image, detection)
            palm, presence = max(palm, detection.score), max(presence, hand.presence)
            if hand.presence > 0.75:
                width = max(2, int(np.linalg.norm(hand.points[0] - hand.points[9]) * 0.22))
                for bone in [*BONES, [0, 5, 9, 13, 17, 0]]:
                    draw.line([tuple(map(float, hand.points[i])) for i in bone], fill=255, width=width)
        alpha = np.asarray(area, np.float32) / 255
        face = Face(np.zeros((SIZE, SIZE, 3), np.float32), points)
        return {
            "palm": palm,
            "hand": presence,
            "over": face.covered(alpha, INNER),
            "touch": face.covered(alpha, OVAL),
        }


def portraits(finder: Finder, folder: Path) -> dict[str, list[object]]:
    """The annotated face of each labelled portrait, looked for around its `face_box`."""
    out: dict[str, list[object]] = {}
    for record in map(json.loads, (folder / "dev.jsonl").read_text().splitlines()):
        if record["face_box"] is None:
            continue
        image = ImageOps.exif_transpose(Image.open(folder / "dev" / record["file"])).convert("RGB")
        x1, y1, x2, y2 = record["face_box"]
        x, y, reach = (x1 + x2) / 2, (y1 + y2) / 2, 2.2 * max(x2 - x1, y2 - y1)
        part = image.crop((int(x - reach), int(y - reach), int(x + reach), int(y + reach)))
        for face in finder.faces(part)[:1]:
            row = {"paths": record["id"], "tags": json.dumps(record["tags"]), "repositories": record["repo"]}
            for key, value in {**face, **row}.items():
                out.setdefault(key, []).append(value)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, required=True, help="folder of clones, each named owner+name")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made, several gigabytes")
    parser.add_argument("--portraits", type=Path, help="folder of labelled portraits")
    parser.add_argument("names", nargs="*", help="repositories (all sources of faces by default)")
    options = parser.parse_args()
    target = options.work / "faces"
    target.mkdir(parents=True, exist_ok=True)
    finder = Finder()
    if options.portraits:
        made = portraits(finder, options.portraits)
        np.savez(target / "portraits.npz", **{k: np.array(v) for k, v in made.items()})
    names = options.names or [name for name, source in SOURCES.items() if "faces" in source]
    for name in names:
        source = SOURCES[name]["faces"]
        rows = files(options.mirror, name, source.get("prefix", ""))
        np.random.default_rng(0).shuffle(rows)
        rows = rows[: source.get("limit")]
        out: dict[str, list[object]] = {}
        for (path, _), data in zip(
            rows, contents(options.mirror, name, [row[1] for row in rows]), strict=True
        ):
            try:
                image = ImageOps.exif_transpose(Image.open(io.BytesIO(data or b""))).convert("RGB")
            except OSError:
                continue
            image.thumbnail((LONGEST, LONGEST), reducing_gap=2)
            for face in finder.faces(image) if min(image.size) >= 40 else ():
                for key, value in {**face, "paths": path}.items():
                    out.setdefault(key, []).append(value)
        np.savez(target / f"{name.replace('/', '+')}.npz", **{k: np.array(v) for k, v in out.items()})
        print(name, len(rows), "pictures", len(out.get("paths", [])), "faces", flush=True)


if __name__ == "__main__":
    main()

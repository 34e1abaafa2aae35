"""Step 5: recall and false alarms of the shipped network, real pictures apart from synthetic ones.

    python training/occlusion/generate.py --work FOLDER --first 999 --shards 1
    python training/occlusion/evaluate.py --work FOLDER [--limit 0.5]

Runs the package's own network on the faces of step 1. None of the test repositories' pictures was trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[i]) for i in (0, 1, 2)] + [
    str(Path(__file__).parents[2] / "layers/detection")
]

import occluders as o
import samples as s

from benchmarks.accuracy import HELD_OUT, wilson
from screentest.detection.vision.crops import Region
from screentest.detection.vision.occlusion import OcclusionNet

HAND_AT_FACE = {"DhanushAyogya750", "parvathi_1", "angela_davis_2", "Virginia_Woolf_1927", "kamal_eyes"}
HAND_AT_FACE |= {"Haruki-Murakami-e1424184918550-298x300", "beardswomen-2", "TWIF-Murakami", "angela_davis_1"}
HAND_AT_FACE |= {
    "kamal_hassan_new_look5",
    "toni_morrison_1",
    "malcolm-x",
    "Otto_Wegener_Proust_vers_1895_bis",
}
TEST_SHARD, TEST_COUNT = 999, 3000
SMALL = 50
"""Extent in pixels of the faces of the second run, which are shrunk to it."""


def share(hits: np.ndarray) -> str:
    """A share with its count and interval."""
    low, high = wilson(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({int(hits.sum())}/{len(hits)}; {low:.2f}-{high:.2f})" if len(hits) else "none"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--limit", type=float, default=0.5)
    options = parser.parse_args()
    net = OcclusionNet()

    def look(crop: np.ndarray, small: bool) -> list[float]:
        image, scale = Image.fromarray(crop), 1.0
        if small:
            scale = SMALL * s.BASE_REACH / crop.shape[0]
            side = round(crop.shape[0] * scale)
            image = image.resize((side, side), Image.Resampling.BOX)
        middle, side = crop.shape[0] * scale / 2, crop.shape[0] * scale * s.REACH / s.BASE_REACH
        seen = net(image, Region(middle, middle, side))
        return [getattr(seen, name) for name in o.LABELS]

    def rows(name: str, keep: Callable[[dict[str, np.ndarray], int], bool]) -> np.ndarray:
        data = dict(np.load(options.work / "faces" / f"{name.replace('/', '+')}.npz"))
        return data["crops"][[i for i in range(len(data["paths"])) if keep(data, i)]]

    def portraits(
        held: bool, tags: set[str], without: set[str]
    ) -> Callable[[dict[str, np.ndarray], int], bool]:
        def keep(data: dict[str, np.ndarray], i: int) -> bool:
            own = set(json.loads(data["tags"][i]))
            part = (data["repositories"][i] in HELD_OUT) is held
            return part and (not tags or bool(own & tags)) and not own & without

        return keep

    masks = "chandrikadeb7/Face-Mask-Detection"
    hands = "kracekumar/facetouch"
    covered = {
        "mask",
        "sunglasses",
        "hand_covers_face",
        "hand_at_face",
        "object_covers_face",
        "object_near_face",
    }
    unclear = {"several_people", "hand_raised_near_head", "profile", "hair_over_face"}
    table: list[tuple[str, str, np.ndarray, bool]] = [
        (
            "mask",
            "real masks, other repository",
            rows(masks, lambda d, i: "with_mask/" in d["paths"][i]),
            True,
        ),
        (
            "mask",
            "bare faces, other repository",
            rows(masks, lambda d, i: "without_mask/" in d["paths"][i]),
            False,
        ),
    ]
    table += [(name, "the same bare faces", table[1][2], False) for name in o.LABELS[1:]]
    own = rows(hands, lambda d, i: "output" not in d["paths"][i] and Path(d["paths"][i]).stem in HAND_AT_FACE)
    table.append(("hand_near", "real hands, other repository", own, True))
    for part, held in (("tuned on", False), ("held out", True)):
        bare = rows("portraits", portraits(held, set(), covered | unclear))
        for name, tag in (
            ("mask", "mask"),
            ("sunglasses", "sunglasses"),
            ("hand", "hand_covers_face"),
            ("object", "object_covers_face"),
            ("hand_near", "hand_at_face"),
        ):
            table.append((name, f"portraits {part}", rows("portraits", portraits(held, {tag}, set())), True))
            table.append((name, f"bare portraits {part}", bare, False))
    seen: dict[tuple[int, bool], np.ndarray] = {}
    print(f"{'kind':10} {'faces':32} {'as they are':34} at {SMALL} pixels")
    for name, title, crops, wanted in table:
        if not len(crops):
            continue
        cells = []
        for small in (False, True):
            if (id(crops), small) not in seen:
                seen[id(crops), small] = np.array([look(crop, small) for crop in crops])
            cells.append(share(seen[id(crops), small][:, o.LABELS.index(name)] > options.limit))
        print(f"{name:10} {title:32} {cells[0]:34} {cells[1]}  {'seen' if wanted else 'false'}")
    shard = np.load(options.work / "samples" / f"{TEST_SHARD}.npz")
    whole = Region(s.SIZE / 2, s.SIZE / 2, s.SIZE)
    answers = [net(Image.fromarray(x), whole) for x in shard["pixels"][:TEST_COUNT]]
    for column, name in enumerate(o.LABELS):
        out = np.array([getattr(a, name) for a in answers]) > options.limit
        truth = shard["labels"][:TEST_COUNT, column]
        print(f"{name:10} {'synthetic, spoilt':32} {share(out[truth == 1]):34} seen")
        print(f"{name:10} {'synthetic without it, spoilt':32} {share(out[truth == 0]):34} false")


if __name__ == "__main__":
    main()

"""Step 3: training samples, in shards of 6,000.

    python training/occlusion/generate.py --work FOLDER [--shards 6] [--first 0]

Reads `FOLDER/faces` (step 1) and `FOLDER/cutouts.pkl` (step 2), writes `FOLDER/samples/NNN.npz` with `pixels`
`(n, 128, 128, 3)`, `labels` `(n, 6)` in the order of `occluders.LABELS` (NaN: unknown) and `blur` (NaN: unknown). The
labelled portraits are used only from repositories that `benchmarks/accuracy.py` does not hold out.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[i]) for i in (1, 2)] + [
    str(Path(__file__).parents[2] / "layers/detection")
]

import occluders as o
import samples as s
from repositories import SOURCES

from benchmarks.accuracy import HELD_OUT, RESERVED

SHARD = 6000
SHARE = {
    "shreyas0906/Selfies-with-sunglasses": 0.2,
    "muxspace/facial_expressions": 0.37,
    "prajnasb/observations": 0.21,
    "antgroup/echomimic_v2": 0.03,
    "serengil/deepface": 0.03,
    "fudan-generative-vision/hallo": 0.01,
    "portraits": 0.15,
}
GREY = "muxspace/facial_expressions"
GREY_SHARE = 0.75
"""How many samples of the mostly grey repository are made grey again after painting, so that colour betrays nothing."""
PLAIN, PLAIN_REAL = 0.28, 0.75
"""Share of samples without an occluder, on bare faces and on those that wear a real one."""
HAND_SURE, HAND_MAYBE = 0.85, 0.3

Known = dict[str, float | None]


def seen_hand(palm: float, hand: float, over: float, touch: float, *, selfie: bool) -> Known:
    """What the hand network's opinion at full size allows to say of a real picture."""
    if hand > HAND_SURE and (selfie or touch > 0.02):
        return {"hand_near": 1.0, "hand": 1.0 if over > 0.2 else None if over > 0.02 else 0.0, "object": None}
    if hand > HAND_MAYBE or palm > 0.5:
        return {"hand_near": None, "hand": None, "object": None}
    return {}


def annotated(tags: set[str]) -> Known:
    """Labels of an annotated portrait."""
    crowd = "several_people" in tags
    known: Known = {
        "mask": float("mask" in tags),
        "sunglasses": float("sunglasses" in tags),
        "hand": 1.0 if "hand_covers_face" in tags else None if "hand_at_face" in tags else 0.0,
        "object": 1.0 if "object_covers_face" in tags else None if "object_near_face" in tags else 0.0,
        "hair": float("hair_over_face" in tags),
        "hand_near": 1.0
        if "hand_at_face" in tags
        else None
        if "hand_raised_near_head" in tags or crowd
        else 0.0,
    }
    return {k: None if crowd and v else v for k, v in known.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    dropped = json.loads((Path(__file__).parent / "dropped.json").read_text())
    crops: list[np.ndarray] = []
    points: list[np.ndarray] = []
    extents: list[float] = []
    knowns: list[Known] = []
    weights: list[float] = []
    grey: list[bool] = []
    for name, share in SHARE.items():
        file = options.work / "faces" / f"{name.replace('/', '+')}.npz"
        if name == "portraits" and not file.exists():
            continue
        data = dict(np.load(file))
        before = len(crops)
        out = {tuple(x) for x in dropped.get(name, [])}
        count: dict[str, int] = {}
        for i, path in enumerate(data["paths"].tolist()):
            count[path] = number = count.get(path, -1) + 1
            if (path, number) in out:
                continue
            known: Known = {}
            if name == "portraits":
                tags = set(json.loads(data["tags"][i]))
                if data["repositories"][i] in HELD_OUT | RESERVED or tags & {"derived", "profile"}:
                    continue
                known = annotated(tags)
            else:
                selfie = "sunglasses" in name
                known = seen_hand(
                    *(float(data[k][i]) for k in ("palm", "hand", "over", "touch")), selfie=selfie
                )
                if selfie:
                    known["sunglasses"] = 1.0
            crops.append(data["crops"][i])
            points.append(data["points"][i])
            extents.append(float(data["extent"][i]))
            knowns.append(known)
            grey.append(name == GREY)
        weights += [share / max(len(crops) - before, 1)] * (len(crops) - before)
        print(name, len(crops) - before, "faces", flush=True)
    cut = pickle.loads((options.work / "cutouts.pkl").read_bytes())  # noqa: S301 - made by step 2
    templates = [o.Template(image, corners) for image, corners in cut["masks"]]
    patches = [crop for crop, is_grey in zip(crops[::3], grey[::3], strict=True) if not is_grey] + cut[
        "prints"
    ] * 4
    chances = np.array(weights) / sum(weights)
    (options.work / "samples").mkdir(exist_ok=True)
    for shard in range(options.first, options.first + options.shards):
        rng = np.random.default_rng(shard)
        pixels = np.zeros((SHARD, s.SIZE, s.SIZE, 3), np.uint8)
        labels = np.full((SHARD, len(o.LABELS)), np.nan, np.float32)
        blur = np.full(SHARD, np.nan, np.float32)
        for i, k in enumerate(rng.choice(len(crops), SHARD, p=chances)):
            real = 1.0 in (knowns[k].get("sunglasses"), knowns[k].get("mask"), knowns[k].get("hand_near"))
            plain = PLAIN_REAL if real else PLAIN
            face = s.compose(
                crops[k], points[k], knowns[k], rng, patches, cut["hands"], templates, plain=plain
            )
            if grey[k] and rng.random() < GREY_SHARE:
                face.pixels[:] = face.pixels.mean(-1, keepdims=True)
            pixels[i], spoilt = s.spoil(face.pixels, face.extent, extents[k], rng)
            labels[i] = [np.nan if face.labels[name] is None else face.labels[name] for name in o.LABELS]
            if spoilt is not None:
                blur[i] = spoilt
        np.savez(options.work / "samples" / f"{shard:03}.npz", pixels=pixels, labels=labels, blur=blur)
        print(shard, dict(zip(o.LABELS, np.nanmean(labels, 0).round(3).tolist(), strict=True)), flush=True)


if __name__ == "__main__":
    assert set(SHARE) - {"portraits"} <= set(SOURCES)
    main()

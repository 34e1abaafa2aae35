"""Opaque glasses, and hands over the face: one linear layer, and how witnesses of both are weighed.

    python training/face/train.py --portraits FOLDER [FOLDER ...] --work FOLDER [--out glasses_head.npz]

The layer tells opaque glasses from clear and tinted ones by how a face looks to EfficientNet-Lite0.

Every labelled face counts with six variants (mirrored, moved, turned, lit otherwise); bare faces also with glasses that
are drawn on them (`occlusion/occluders.py`): clear and tinted ones are none, dark ones are some; dark skin gets more of
them, because real clear glasses on dark skin are few and were taken for sunglasses. Prints the cross-validation by
repository and the weights of the witnesses that `thresholds.py` holds, those of glasses fitted on odds that saw none of
a picture's repository. `WORK/unseen.json` is for `benchmarks/accuracy.py --unseen`: both measurements by weights that
had not seen the picture's repository. Five minutes on two cores; what was seen is kept in `--work`.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

TRAINING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TRAINING), str(TRAINING / "occlusion")]

import occluders
import portraits

from screentest.detection import pictures
from screentest.detection import thresholds as t
from screentest.detection.evidence import Evidence
from screentest.detection.vision.crops import Region, cut
from screentest.detection.vision.networks import Networks
from screentest.detection.vision.occlusion import OcclusionNet
from screentest.detection.vision.runtime import log_odds, probability

SIZE = 224
VARIANTS = 6
PRESENCE_MIN = 0.5
DRAWN = {"clear": (3, 6), "tinted": (2, 4), "dark": (3, 4)}
"""How many of each kind are drawn on a bare face, and on one of dark skin."""
DRAWN_WEIGHT = 0.1
TINTED_WEIGHT = 5.0
STRENGTH = 1e-3
FOLDS, WITNESS_FOLDS = 5, 8

YES = {"sunglasses"}
NO_FACE = {"cartoon", "animal", "toy", "statue", "no_person", "several_people"}
HIDDEN = {"mask", "face_mask", "object_covers_face", "hand_covers_face", "costume"}
NOT_BARE = HIDDEN | YES | {
    "clear_glasses", "tinted_glasses", "fingers_before_face", "object_near_face", "microphone", "hair_over_face",
    "dark", "blurred",
}  # fmt: skip

_networks: list[Networks] = []


def truth(record: dict[str, Any]) -> float:
    """1 with opaque glasses, 0 without; NaN where it cannot be said, or the labels leave the face open for EMO."""
    tags = set(record["tags"])
    if tags & YES:
        return 1.0
    if tags & HIDDEN or ("tinted_glasses" in tags and record["emo_1x1"]["pass"] is not True):
        return float("nan")
    return 0.0


def hand_truth(tags: set[str]) -> float:
    """1 where a hand covers a part of the face, 0 where none does; NaN for fingers before it and hands with things."""
    if "hand_covers_face" in tags:
        return 1.0
    return float("nan") if tags & {"fingers_before_face", "object_covers_face"} else 0.0


def lit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in other light and with other strength of colour."""
    image = ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(float(rng.uniform(0.7, 1.25)))
    return np.asarray(ImageEnhance.Color(image).enhance(float(rng.uniform(0.3, 1.3))))


def examine(task: tuple[int, dict[str, Any], Path, bool]) -> dict[str, Any] | None:
    """Features of one portrait's face, its variants and drawn glasses; `None` without a face."""
    number, record, path, dark = task
    if not _networks:
        _networks.append(Networks())
    networks, tags = _networks[0], set(record["tags"])
    data = path.read_bytes()
    picture = pictures.decode(data, pictures.probe(data))
    evidence = Evidence(picture, networks)
    mesh = evidence.subject.mesh
    if mesh is None or mesh.presence < PRESENCE_MIN or tags & NO_FACE:
        return None
    region, rng = OcclusionNet.region(mesh), np.random.default_rng(number)

    def look(pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return networks.appearance(image, Region(SIZE / 2, SIZE / 2, SIZE)).astype(np.float16)

    level = cut(picture.image, region, SIZE, replicate=False)
    rows = [look(level), look(level[:, ::-1])]
    for variant in range(VARIANTS - 2):
        x, y = rng.uniform(-0.04, 0.04, 2) * region.side
        side, turn = region.side * rng.uniform(0.92, 1.1), region.angle + rng.uniform(-0.08, 0.08)
        moved = Region(region.x + x, region.y + y, side, turn)
        pixels = lit(cut(picture.image, moved, SIZE, replicate=False), rng)
        rows.append(look(pixels[:, ::-1] if variant % 2 else pixels))
    drawn = []
    for kind, counts in DRAWN.items() if not tags & NOT_BARE else ():
        for _ in range(counts[dark]):
            face = occluders.Face(lit(level, rng).astype(np.float32), region.from_picture(mesh.points) * SIZE)
            occluders.glasses(face, rng, [], kind)
            drawn.append((kind, look(np.clip(face.pixels, 0, 255).astype(np.uint8))))
    return {
        "id": record["id"],
        "repo": record["repo"],
        "truth": truth(record),
        "tinted": "tinted_glasses" in tags,
        "network": log_odds(networks.occlusion(picture.image, region).sunglasses),
        "hand": hand_truth(tags),
        "hand_network": log_odds(networks.occlusion(picture.image, region).hand),
        "hand_points": evidence.hands.points_over_face,
        "rows": np.stack(rows),
        "drawn": drawn,
    }


class Faces:
    """All features in arrays."""

    def __init__(self, known: list[dict[str, Any]]) -> None:
        self.repos = np.array([k["repo"] for k in known])
        self.truth = np.array([k["truth"] for k in known])
        limit = t.NETWORK_ODDS_MAX
        self.network = np.clip([k["network"] for k in known], -limit, limit)
        self.hinted = self.network > log_odds(t.SUNGLASSES_HINT)
        self.weight = np.where([k["tinted"] for k in known], TINTED_WEIGHT, 1.0)
        self.rows = np.stack([k["rows"] for k in known]).astype(np.float32)
        drawn = [(n, kind, row) for n, k in enumerate(known) for kind, row in k["drawn"]]
        self.drawn_on = np.array([n for n, _, _ in drawn])
        self.drawn_dark = np.array([kind == "dark" for _, kind, _ in drawn])
        self.drawn = np.stack([row for *_, row in drawn]).astype(np.float32)


def fit(faces: Faces, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of the layer, by the `chosen` faces and what is drawn on them."""
    named = chosen[~np.isnan(faces.truth[chosen])]
    drawn = np.isin(faces.drawn_on, chosen)
    x = np.concatenate([faces.rows[named].reshape(-1, faces.rows.shape[2]), faces.drawn[drawn]])
    y = np.concatenate([np.repeat(faces.truth[named], VARIANTS), faces.drawn_dark[drawn]])
    weight = np.concatenate(
        [np.repeat(faces.weight[named] / VARIANTS, VARIANTS), np.full(int(drawn.sum()), DRAWN_WEIGHT)]
    )
    for value in (0, 1):
        weight[y == value] *= len(y) / 2 / weight[y == value].sum()
    scale = StandardScaler().fit(x)
    model = LogisticRegression(C=STRENGTH, max_iter=200).fit(scale.transform(x), y, sample_weight=weight)
    weights = model.coef_[0] / scale.scale_
    return weights, float(model.intercept_[0] - weights @ scale.mean_)


def report(name: str, y: np.ndarray, odds: np.ndarray) -> None:
    """How well `odds` tell, where the truth is known."""
    known = ~np.isnan(y)
    y, odds = y[known], odds[known]
    limit = np.quantile(odds[y == 0], 0.98)
    missed, false = int((odds[y == 1] <= 0).sum()), int((odds[y == 0] > 0).sum())
    print(
        f"{name:24} yes {int(y.sum())} of {len(y)}  area {roc_auc_score(y, odds):.4f}  recall at 2 % "
        f"{(odds[y == 1] > limit).mean():.2f}  at even odds missed {missed}, false {false}"
    )


def weigh(witnesses: np.ndarray, y: np.ndarray, repos: np.ndarray) -> tuple[np.ndarray, LogisticRegression]:
    """Log-odds of each picture by weights that had not seen its repository, and the weights by all; `y` is NaN where
    nothing is known."""
    known, odds = np.flatnonzero(~np.isnan(y)), np.full(len(y), np.nan)
    model = LogisticRegression()
    for train, test in GroupKFold(WITNESS_FOLDS).split(witnesses, groups=repos):
        chosen = train[~np.isnan(y[train])]
        odds[test] = model.fit(witnesses[chosen], y[chosen]).decision_function(witnesses[test])
    return odds, model.fit(witnesses[known], y[known])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("glasses_head.npz"))
    options = parser.parse_args()
    kept = options.work / "faces.pickle"
    if not kept.exists():
        dark = set(json.loads((TRAINING.parent / "benchmarks" / "tones.json").read_text())["tones"]["dark"])
        tasks = [
            (n, record, path, record["id"] in dark)
            for n, (record, path) in enumerate(portraits.working(options.portraits))
        ]
        with ProcessPoolExecutor() as pool:
            found = [each for each in pool.map(examine, tasks, chunksize=8) if each]
        options.work.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(found))
    known = pickle.loads(kept.read_bytes())  # noqa: S301 - written above
    print(len(known), "faces", flush=True)
    faces = Faces(known)
    y, odds = faces.truth, np.zeros(len(known))
    for train, test in GroupKFold(FOLDS).split(faces.rows, groups=faces.repos):
        weights, bias = fit(faces, train)
        odds[test] = faces.rows[test, 0] @ weights + bias
    hinted = np.where(faces.hinted, y, np.nan)
    both, model = weigh(np.stack([faces.network, odds], 1), hinted, faces.repos)
    report("glasses: appearance", y, odds)
    report("network", y, faces.network)
    report("network, hinted", hinted, faces.network)
    report("both, hinted", hinted, both)
    for n in np.argsort(-np.abs(np.nan_to_num(hinted - 1 / (1 + np.exp(-both)))))[:12]:
        print("   ", known[n]["id"], int(hinted[n]), f"{both[n]:.2f}")
    weights, bias = fit(faces, np.arange(len(known)))
    np.savez_compressed(options.out, weights=weights.astype(np.float32), bias=np.float32(bias))
    glasses = (*model.coef_[0], model.intercept_[0])

    limit, hand = t.NETWORK_ODDS_MAX, np.array([k["hand"] for k in known])
    seen = np.clip([k["hand_network"] for k in known], -limit, limit)
    over, model = weigh(np.stack([seen, [k["hand_points"] for k in known]], 1), hand, faces.repos)
    report("hand over face: network", hand, seen)
    report("both", hand, over)
    hands = (*model.coef_[0], model.intercept_[0])
    print("SunglassesWitnesses({:.2f}, {:.2f}, {:.2f})".format(*glasses))
    print("HandWitnesses({:.2f}, {:.2f}, {:.2f})".format(*hands))
    unseen: dict[str, dict[str, float]] = {}
    for n, each in enumerate(known):
        unseen[each["id"]] = {"hand_over_face": probability(float(over[n]))}
        if faces.hinted[n]:
            unseen[each["id"]]["sunglasses"] = probability(float(both[n]))
    (options.work / "unseen.json").write_text(json.dumps(unseen))


if __name__ == "__main__":
    main()

"""Is anybody in the picture: a second witness, by how the picture as a whole looks to a network that names things.

    python training/people/train.py --portraits FOLDER [FOLDER ...] --mirror CLONES --scene FILE --work FOLDER
        [--out people_head.npz] [--partial]

A linear layer over EfficientNet-Lite0's features of the whole picture. Portraits count with their tags, further
pictures with whether a human is in them (`training/face/pictures.json`, and `nobody` of
`training/scene/pictures.json`); each with a variant (mirrored, moved or from far off, lit otherwise).

`--scene` is what `training/scene/train.py --unseen` wrote: the other witness. Prints the cross-validation by
repository, the weights of both in `thresholds.py`, and what they decide where face and body leave it open, on odds that
saw none of a picture's repository; `WORK/unseen.json` has those for `benchmarks/accuracy.py --unseen`. Six minutes on
two cores.
"""

from __future__ import annotations

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
sys.path.insert(0, str(TRAINING))

import common
import portraits
from common import Source, networks

from screentest.detection import errors, pictures
from screentest.detection.evidence import Evidence
from screentest.detection.vision.appearance import whole
from screentest.detection.vision.crops import Region
from screentest.detection.vision.runtime import log_odds, probability

FOLDS = 8
STRENGTH = 1e-4
FAR_EVERY = 4
"""So many pictures have a variant from far off, in which somebody is small before an empty ground."""
LIKE_PEOPLE = {"statue", "toy", "cartoon", "costume", "mannequin"}


def nobody(record: dict[str, Any]) -> float:
    """1 where nobody is in the picture, 0 where somebody is; NaN where the labels leave it open, or take either."""
    if "human" in record:
        return float(not record["human"])
    tags, label = set(record["tags"]), record["emo_1x1"]
    if record["people"] == 0:
        return 1.0 if label["pass"] is False and "mannequin" not in tags else float("nan")
    return float("nan") if tags & LIKE_PEOPLE or "InvalidFile.NoHuman" in (label["reason"] or ()) else 0.0


def further() -> list[dict[str, Any]]:
    """Pictures besides the portraits, and whether a human is in them."""
    listed = json.loads((TRAINING / "scene" / "pictures.json").read_text())
    empty = [
        {"repo": repo, "commit": listed["commits"][repo], "path": path, "human": False}
        for repo, paths in listed["nobody"].items()
        for path in paths
    ]
    return [*json.loads((TRAINING / "face" / "pictures.json").read_text())["pictures"], *empty]


def examine(task: tuple[int, Source]) -> dict[str, Any] | None:
    """Features of one picture and of its variant; `None` of one that cannot be read."""
    number, (record, read) = task
    data, rng = read(), np.random.default_rng(number)
    try:
        picture = pictures.decode(data, pictures.probe(data))
    except errors.UnreadablePicture:
        return None
    image, region = picture.image, whole(picture.image)
    far = number % FAR_EVERY == 0
    reach, low, high = (0.8, 2.0, 5.0) if far else (0.04, 0.88, 1.05)
    moved = Region(
        region.x + region.side * rng.uniform(-reach, reach),
        region.y + region.side * rng.uniform(-reach, reach),
        region.side * rng.uniform(low, high),
        rng.uniform(-0.06, 0.06),
    )
    lit = ImageEnhance.Brightness(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    lit = ImageEnhance.Color(lit.enhance(float(rng.uniform(0.75, 1.25))))
    variant = networks().appearance(lit.enhance(float(rng.uniform(0.2, 1.3))), moved)
    return {
        "id": record.get("id", ""),
        "repo": record["repo"],
        "nobody": nobody(record),
        "plain": Evidence(picture, networks()).people.plain,
        "rows": np.stack([networks().appearance(image, region), variant]).astype(np.float16),
    }


def fit(rows: np.ndarray, y: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Weights and, last, bias, by the `chosen` pictures."""
    chosen = chosen[~np.isnan(y[chosen])]
    scale = StandardScaler().fit(x := rows[chosen].reshape(-1, rows.shape[2]).astype(np.float32))
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300)
    model.fit(scale.transform(x), np.repeat(y[chosen], rows.shape[1]))
    weights = model.coef_[0] / scale.scale_
    return np.append(weights, model.intercept_[0] - weights @ scale.mean_).astype(np.float32)


def main() -> None:
    parser = common.parser(__doc__, clones=True)
    parser.add_argument("--scene", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("people_head.npz"))
    options = parser.parse_args()
    kept = options.work / "people.pickle"
    if not kept.exists():
        sources: list[Source] = [
            (record, path.read_bytes) for record, path in portraits.working(options.portraits)
        ]
        entries = [(entry, (entry["repo"], entry["commit"], entry["path"])) for entry in further()]
        sources += common.further(entries, options.mirror, partly=options.partial)
        with ProcessPoolExecutor() as pool:
            found = [each for each in pool.map(examine, enumerate(sources), chunksize=8) if each]
        options.work.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(found))
    known = pickle.loads(kept.read_bytes())  # noqa: S301 - written above
    repos, y = np.array([k["repo"] for k in known]), np.array([k["nobody"] for k in known])
    rows, plain = np.stack([k["rows"] for k in known]), np.array([k["plain"] for k in known])
    look = np.zeros(len(y))
    for train, test in GroupKFold(FOLDS).split(rows, groups=repos):
        weights = fit(rows, y, train)
        look[test] = rows[test, 0].astype(np.float32) @ weights[:-1] + weights[-1]
    unseen = json.loads(options.scene.read_text())
    scene = np.array(
        [log_odds(unseen[k["id"]]["nobody_in_scene"]) if k["id"] in unseen else np.nan for k in known]
    )
    labelled = ~np.isnan(y) & ~np.isnan(scene)
    both, chosen = np.full(len(y), np.nan), np.flatnonzero(labelled & ~plain)
    witnesses = np.stack([scene, look], 1)
    for train, test in GroupKFold(FOLDS).split(chosen, groups=repos[chosen]):
        model = LogisticRegression().fit(witnesses[chosen[train]], y[chosen[train]])
        both[chosen[test]] = model.decision_function(witnesses[chosen[test]])
    model = LogisticRegression().fit(witnesses[chosen], y[chosen])
    rest = np.flatnonzero(np.isnan(both) & ~np.isnan(scene))
    both[rest] = model.decision_function(witnesses[rest])
    for name, odds in (("scene", scene), ("look", look), ("both", both)):
        for place, among in (("all", labelled), ("in doubt", labelled & ~plain)):
            no, yes = np.sort(odds[among & (y == 0)]), odds[among & (y == 1)]
            area, recall = roc_auc_score(y[among], odds[among]), (yes > no[int(0.98 * len(no))]).mean()
            print(
                f"{name}, {place}: nobody in {len(yes)} of {len(yes) + len(no)}, area {area:.4f}, recall at 2 % "
                f"{recall:.2f}, at even odds people missed {(no > 0).sum()}, nobody counted {(yes <= 0).sum()}"
            )
    print("NobodyWitnesses({:.2f}, {:.2f}, {:.2f})".format(*model.coef_[0], model.intercept_[0]))
    layer = fit(rows, y, np.arange(len(y)))
    np.savez_compressed(options.out, nobody=layer)
    values = {
        k["id"]: {"nobody": 0.0 if plain[n] else probability(float(both[n]))}
        for n, k in enumerate(known)
        if k["id"] and not np.isnan(both[n])
    }
    (options.work / "unseen.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main()

"""Step 3: two linear layers, over how person and torso look and over the hands: is something large held; how well that
generalises.

    python training/held/train.py --work FOLDER [--out held_head.npz] [--unseen FILE]

Prints the cross-validation by repository. `--unseen` writes what `benchmarks/accuracy.py --unseen` takes: values by
layers that had not seen a picture's repository.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from screentest.detection import thresholds as t
from screentest.detection.vision.runtime import probability

STRENGTH = 1e-5
PARTS = {"body": slice(5120), "hands": slice(5120, 7680)}
"""Of the features, which are the person's, the torso's and the hands'."""
LAID_WEIGHT = 0.2


def fit(data: Any, numbers: np.ndarray, part: slice) -> tuple[np.ndarray, float]:
    """Weights and bias in the features' own scale for a part of them, from the pictures `numbers` and what was laid
    over them."""
    numbers = numbers[~np.isnan(data["held"][numbers])]
    features = data["features"][numbers][:, :, part].astype(np.float32)
    real = features.reshape(-1, features.shape[2])
    laid = np.isin(data["laid_repos"], data["repos"][numbers])
    x = np.concatenate([real, data["laid"][laid][:, part].astype(np.float32)])
    y = np.concatenate([np.repeat(data["held"][numbers], features.shape[1]), data["laid_held"][laid]])
    weight = np.where(np.arange(len(x)) < len(real), 1.0, LAID_WEIGHT)
    weight[y == 1] *= weight[y == 0].sum() / weight[y == 1].sum()
    scaler = StandardScaler().fit(real)
    model = LogisticRegression(C=STRENGTH, max_iter=300).fit(scaler.transform(x), y, sample_weight=weight)
    # Features that never move in training say nothing elsewhere.
    w = np.where(scaler.var_ > 0, model.coef_[0] / scaler.scale_, 0)
    return w, float(model.intercept_[0] - scaler.mean_ @ w)


def unseen(data: Any, part: slice) -> np.ndarray:
    """Log-odds of each picture by weights that saw none of its repository."""
    out = np.zeros(len(data["held"]))
    for seen, held in GroupKFold(6, shuffle=True, random_state=3).split(out, groups=data["repos"]):
        w, b = fit(data, seen, part)
        out[held] = data["features"][held, 0, part].astype(np.float32) @ w + b
    return out


def described(yes: np.ndarray, no: np.ndarray) -> str:
    limit = np.sort(no)[int(0.98 * len(no))]
    area = roc_auc_score(np.r_[np.ones(len(yes)), np.zeros(len(no))], np.r_[yes, no])
    return f"{len(yes)} and {len(no)}, area {area:.3f}, recall at 2 % false alarms {(yes > limit).mean():.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("held_head.npz"))
    parser.add_argument("--unseen", type=Path)
    options = parser.parse_args()
    data = dict(np.load(options.work / "held.npz"))
    portrait = data["ids"] != ""
    held, free, good = portrait & (data["held"] == 1), portrait & (data["held"] == 0), data["good"]
    layers, odds = {}, {}
    for name, part in PARTS.items():
        odds[name] = unseen(data, part)
        w, b = fit(data, np.arange(len(held)), part)
        layers |= {f"{name}_weights": w.astype(np.float32), f"{name}_bias": np.float32(b)}
    np.savez(options.out, **layers)
    odds["both"] = odds["hands"] + odds["body"]
    for name, each in odds.items():
        print(f"{name}, held against all that is free:", described(each[held], each[free]))
        print(f"{name}, held against good pictures for AnimateAnyone:", described(each[held], each[good]))
        print("  highest good pictures:", np.round(np.sort(each[good])[-8:], 2))
        print("  lowest held ones:", np.round(np.sort(each[held])[:12], 2))
    if options.unseen:
        value = np.where(odds["hands"] > t.HELD_UNLIKELY, odds["both"], odds["hands"])
        rows = {str(data["ids"][n]): {"held": probability(float(value[n]))} for n in np.flatnonzero(portrait)}
        options.unseen.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()

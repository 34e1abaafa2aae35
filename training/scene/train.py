"""Step 2: one linear layer over MoveNet's pooled features, five questions; how well it generalises, and the weights.

    python training/scene/train.py --work FOLDER [--out scene_heads.npz]

Prints the cross-validation by repository, and the weights of the witnesses that `thresholds.py` holds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

# Question: tags that answer yes; tags of pictures that are left out, because they answer neither.
QUESTIONS: dict[str, tuple[set[str], set[str]]] = {
    "several": (
        {"several_people"},
        {
            "people_in_background", "no_person", "tiny_people_far", "people_far_and_small", "statue", "cartoon",
        },
    ),
    "nobody": ({"no_person"}, {"several_people", "statue", "cartoon", "painting_or_illustration"}),
    "back": ({"back_view"}, {"no_person", "several_people", "face_not_visible", "head_out_of_frame"}),
    "side": (
        {"body_side_on"},
        {
            "no_person", "several_people", "body_three_quarter", "unusual_posture", "head_out_of_frame",
            "face_closeup",
        },
    ),
    "seated": (
        {"sitting", "squatting", "lying"},
        {"no_person", "several_people", "jumping", "unusual_posture"},
    ),
}  # fmt: skip
HIPS_SEEN = {"full_body", "knees_up", "hips_visible", "cut_above_ankles", "derived_shins"}
STRENGTH = 1e-3
COMPOSITE_WEIGHT = 0.5


def truth(question: str, tags: list[set[str]]) -> np.ndarray:
    """1, 0, or NaN where the picture is left out."""
    yes, out = QUESTIONS[question]
    rows = []
    for each in tags:
        if each & yes:
            rows.append(np.nan if question == "seated" and not each & HIPS_SEEN else 1.0)
        else:
            rows.append(np.nan if each & out else 0.0)
    return np.array(rows)


def fit(data: Any, question: str, y: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias in the features' own scale, from the portraits `numbers`."""
    numbers = numbers[~np.isnan(y[numbers])]
    variants = data["variants"][numbers]
    x = np.concatenate([data["features"][numbers], variants.reshape(-1, variants.shape[2])])
    target = np.concatenate([y[numbers], np.repeat(y[numbers], variants.shape[1])])
    scaler = StandardScaler().fit(x)
    weight = np.ones(len(x))
    if question == "several":
        kept = np.isin(data["composed_from"], numbers).all(1)
        x = np.concatenate([x, data["composed"][kept]])
        target = np.concatenate([target, data["composed_several"][kept]])
        weight = np.concatenate([weight, np.full(kept.sum(), COMPOSITE_WEIGHT)])
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500)
    model.fit(scaler.transform(x), target, sample_weight=weight)
    w = model.coef_[0] / scaler.scale_
    return w, float(model.intercept_[0] - scaler.mean_ @ w)


def unseen(data: Any, question: str, y: np.ndarray) -> np.ndarray:
    """Log-odds of each portrait by weights that saw none of its repository."""
    out = np.zeros(len(y))
    for seen, held in GroupKFold(6, shuffle=True, random_state=3).split(y, groups=data["repos"]):
        w, b = fit(data, question, y, seen)
        out[held] = data["features"][held] @ w + b
    return out


def described(y: np.ndarray, odds: np.ndarray) -> str:
    yes, no = odds[y == 1], np.sort(odds[y == 0])
    recall = (yes > no[int(0.98 * len(no))]).mean()
    auc = roc_auc_score(y[~np.isnan(y)], odds[~np.isnan(y)])
    return f"{len(yes)} of {len(yes) + len(no)}, area {auc:.3f}, recall at 2 % false alarms {recall:.2f}"


def combine(name: str, y: np.ndarray, witnesses: dict[str, np.ndarray]) -> None:
    """Print the weights of a decision from several witnesses."""
    known = ~np.isnan(y)
    x = np.stack(list(witnesses.values()), 1)
    scaler = StandardScaler().fit(x[known])
    model = LogisticRegression(class_weight="balanced", max_iter=500).fit(
        scaler.transform(x[known]), y[known]
    )
    w = model.coef_[0] / scaler.scale_
    bias = float(model.intercept_[0] - scaler.mean_ @ w)
    print(
        f"  {name}:",
        ", ".join(f"{n} {v:.2f}" for n, v in zip(witnesses, w, strict=True)),
        f"bias {bias:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("scene_heads.npz"))
    options = parser.parse_args()
    data = dict(np.load(options.work / "scene.npz"))
    tags = [set(each.split()) for each in data["tags"]]
    everything = np.arange(len(tags))
    weights, biases, odds = [], [], {}
    for question in QUESTIONS:
        y = truth(question, tags)
        odds[question] = unseen(data, question, y)
        print(f"{question}: {described(y, odds[question])}")
        w, b = fit(data, question, y, everything)
        weights.append(w)
        biases.append(b)
    print("witnesses")
    second = data["second"]
    combine(
        "several",
        truth("several", tags),
        {"scene": odds["several"], "second face or body": second, "counted": data["count"] > 1},
    )
    combine(
        "side",
        truth("side", tags),
        {"scene": odds["side"], "yaw": np.clip(np.nan_to_num(data["yaw"], nan=25), 10, 90) / 10},
    )
    unknown = np.isnan(data["angle"])
    bent = np.where(unknown, 0, np.clip((140 - np.nan_to_num(data["angle"])) / 10, -2, 4))
    combine("seated", truth("seated", tags), {"scene": odds["seated"], "bent": bent, "unknown": unknown})
    np.savez(
        options.out,
        questions=np.array(list(QUESTIONS)),
        weights=np.stack(weights).astype(np.float32),
        bias=np.array(biases, np.float32),
    )


if __name__ == "__main__":
    main()

"""Step 2: one linear layer over MoveNet's pooled features, five questions; how well it generalises, and the weights.

    python training/scene/train.py --work FOLDER [--out scene_heads.npz] [--unseen FILE]

Prints the cross-validation by repository, and the weights of the witnesses that `thresholds.py` holds. `--unseen`
writes what `benchmarks/accuracy.py --unseen` takes: values by layers that had not seen a picture's repository, with the
weights of witnesses that `thresholds.py` holds.
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

# Question: tags that answer yes; tags of pictures that are left out, because they answer neither. People in the
# background do not make several: a viewer counts one.
QUESTIONS: dict[str, tuple[set[str], set[str]]] = {
    "several": ({"several_people"}, {"no_person", "tiny_people_far", "statue", "cartoon"}),
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


def truth(data: Any, question: str) -> np.ndarray:
    """1, 0, or NaN where the picture is left out. Further pictures answer their own question alone."""
    yes, out = QUESTIONS[question]
    rows = []
    for tags, asked, answer in zip(data["tags"], data["question"], data["yes"], strict=True):
        each = set(tags.split())
        if asked:
            rows.append(float(answer) if asked == question else np.nan)
        elif each & yes:
            rows.append(np.nan if question == "seated" and not each & HIPS_SEEN else 1.0)
        else:
            rows.append(np.nan if each & out else 0.0)
    return np.array(rows)


def fit(data: Any, y: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias in the features' own scale, from the pictures `numbers`."""
    numbers = numbers[~np.isnan(y[numbers])]
    variants = data["variants"][numbers]
    x = np.concatenate([data["features"][numbers], variants.reshape(-1, variants.shape[2])])
    target = np.concatenate([y[numbers], np.repeat(y[numbers], variants.shape[1])])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500)
    model.fit(scaler.transform(x), target)
    w = model.coef_[0] / scaler.scale_
    return w, float(model.intercept_[0] - scaler.mean_ @ w)


def unseen(data: Any, y: np.ndarray) -> np.ndarray:
    """Log-odds of each picture by weights that saw none of its repository."""
    out = np.zeros(len(y))
    for seen, held in GroupKFold(6, shuffle=True, random_state=3).split(y, groups=data["repos"]):
        w, b = fit(data, y, seen)
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
    parser.add_argument("--unseen", type=Path)
    options = parser.parse_args()
    data = dict(np.load(options.work / "scene.npz"))
    labelled = data["question"] == ""
    truths = {question: truth(data, question) for question in QUESTIONS}
    weights, biases, odds = [], [], {}
    for question, y in truths.items():
        odds[question] = unseen(data, y)
        print(f"{question}: {described(np.where(labelled, y, np.nan), odds[question])}")
        w, b = fit(data, y, np.arange(len(y)))
        weights.append(w)
        biases.append(b)
    second, counted = data["second"], data["counted"] > 1
    yaw = np.clip(np.nan_to_num(data["yaw"], nan=t.SIDE_YAW_UNKNOWN), *t.SIDE_YAW) / 10
    bent = np.clip((t.STANDING_ANGLE - data["angle"]) / 10, *t.SEATED_BENT)
    bent = np.nan_to_num(bent, nan=0.0)
    print("witnesses")
    combine(
        "several",
        truths["several"],
        {"scene": odds["several"], "second face or body": second, "counted": counted},
    )
    combine("side", truths["side"], {"scene": odds["side"], "yaw": yaw})
    combine("seated", truths["seated"], {"scene": odds["seated"], "bent": bent})
    np.savez(
        options.out,
        questions=np.array(list(QUESTIONS)),
        weights=np.stack(weights).astype(np.float32),
        bias=np.array(biases, np.float32),
    )
    if options.unseen:
        several, side, seated = t.SEVERAL_WITNESSES, t.SIDE_WITNESSES, t.SEATED_WITNESSES
        values = {
            "several_people": several.scene * odds["several"]
            + several.second * second
            + several.counted * counted
            + several.bias,
            "nobody_in_scene": odds["nobody"],
            "side_on": side.scene * odds["side"] + side.yaw * yaw + side.bias,
            "seated": seated.scene * odds["seated"] + seated.bent * bent + seated.bias,
        }
        rows = {
            str(data["ids"][n]): {
                name: probability(float(value[n]))
                for name, value in values.items()
                if name != "seated" or data["hips"][n]
            }
            for n in np.flatnonzero(labelled)
        }
        options.unseen.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()

"""What a face's looks say: opaque glasses, whatever covers it, hands at the head, turned away; and how witnesses are
weighed.

    python training/face/train.py --portraits FOLDER [FOLDER ...] --mirror CLONES --work FOLDER --cutouts FILE
        [--out face_heads.npz] [--partial]

Linear layers over two networks' features: EfficientNet-Lite0 of the face and of what is about it, and our own for what
covers a face (`Occlusion.features`), which runs anyway; layers on the latter alone decide where the former is asked.

Every labelled face counts with four variants (mirrored, moved, turned, lit otherwise), as does every face of further
pictures (`pictures.json`), which answer what was looked at in them alone. Bare faces of portraits count with
what is drawn and laid on them (`occlusion/occluders.py`, hands and masks of `occlusion/cutouts.py`): glasses that are
clear, tinted and dark, more of them on dark skin, because real clear glasses on dark skin are few and were taken for
sunglasses; hands over and beside the face, things, masks, the end of a cut-out; and with nothing, so that laying is not
what is learnt.

Prints the cross-validation by repository and the weights of the witnesses that `thresholds.py` holds, fitted on odds
that saw none of a picture's repository. `WORK/unseen.json` is for `benchmarks/accuracy.py --unseen`: measurements by
weights that had not seen the picture's repository. Twenty minutes on two cores; what was seen is kept in `--work`.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
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

import common
import occluders
import portraits
from common import Source, networks

from screentest.detection import pictures
from screentest.detection import thresholds as t
from screentest.detection.evidence import Evidence
from screentest.detection.vision.crops import Region, cut
from screentest.detection.vision.occlusion import OcclusionNet
from screentest.detection.vision.runtime import log_odds, probability

SIZE = 288
VARIANTS = 4
PRESENCE_MIN = 0.5
GLASSES = {"clear": (3, 6), "tinted": (2, 4), "dark": (3, 4)}
"""How many of each kind are drawn on a bare face, and on one of dark skin."""
LAID = ("nothing", "nothing", "hand", "beside", "thing", "thing", "mask", "end")
DRAWN_WEIGHT = {"glasses": 0.1, "covered": 0.1, "covered_hint": 0.1, "hand": 0.05, "hand_hint": 0.05}
TINTED_WEIGHT = 5.0
STRENGTH = {"glasses": 1e-3}
STRENGTH_ELSE = 3e-4
FOLDS, WITNESS_FOLDS = 5, 8

NO_FACE = {"cartoon", "animal", "toy", "statue", "no_person", "several_people"}
COVERING = {"mask", "face_mask", "object_covers_face", "hand_covers_face"}
DOUBTFUL = {
    "fingers_before_face",
    "microphone",
    "object_near_face",
    "hair_over_face",
    "costume",
    "head_top_cut",
}
CUT = {"face_cut_by_frame", "head_out_of_frame"}
HANDS = {"hand_at_face", "hand_covers_face"}
NOT_BARE = COVERING | DOUBTFUL | CUT | HANDS | {
    "sunglasses", "clear_glasses", "tinted_glasses", "hand_raised_near_head", "dark", "blurred", "profile",
}  # fmt: skip
NAN = float("nan")

FEATURES = {
    "glasses": ("near",),
    "covered_hint": ("pooled",),
    "covered": ("near", "pooled"),
    "hand_hint": ("pooled",),
    "hand": ("near", "around"),
    "turned": ("near",),
}
"""What each layer sees."""
TRUTH = {"covered_hint": "covered", "hand_hint": "hand"}


def glasses_truth(record: dict[str, Any]) -> float:
    """1 with opaque glasses, 0 without; NaN where it cannot be said, or the labels leave the face open for EMO."""
    tags = set(record["tags"])
    if "sunglasses" in tags:
        return 1.0
    hidden = tags & (COVERING | {"costume"})
    return NAN if hidden or ("tinted_glasses" in tags and record["emo_1x1"]["pass"] is not True) else 0.0


def covered_truth(tags: set[str]) -> float:
    """1 where something covers a part of the face or the picture ends in it; NaN where the labels leave it open, and
    for sunglasses, which are asked for by themselves."""
    if tags & (COVERING | CUT):
        return 1.0
    return NAN if tags & (DOUBTFUL | {"sunglasses"}) else 0.0


def hand_truth(record: dict[str, Any]) -> float:
    """1 with a hand at the head; NaN for hands raised beside it and for what is held before a face."""
    tags, words = set(record["tags"]), set(record["annotation"].split())
    if tags & HANDS:
        return 1.0
    open_ = tags & {"hand_raised_near_head", "object_covers_face", "fingers_before_face"}
    return NAN if open_ or words & {"handm", "handnear", "handocc_m"} else 0.0


def turned_truth(record: dict[str, Any]) -> float:
    """1 for heads turned by more than 35 degrees, 0 by less than 20; NaN between, and from behind."""
    views = set(record["annotation"].split()) & {"F", "q", "Q", "P", "B", "-"}
    return {"F": 0.0, "Q": 1.0, "P": 1.0}.get(views.pop() if len(views) == 1 else "", NAN)


def labelled(record: dict[str, Any]) -> dict[str, float]:
    """What is true of a labelled portrait, by question; NaN where it is not known."""
    return {
        "glasses": glasses_truth(record),
        "covered": covered_truth(set(record["tags"])),
        "hand": hand_truth(record),
        "turned": turned_truth(record),
    }


def looked_at(entry: dict[str, Any]) -> dict[str, float]:
    """The same of an entry of `pictures.json`."""
    return {
        "glasses": {"opaque": 1.0, "clear": 0.0, "none": 0.0}.get(entry.get("glasses", ""), NAN),
        "covered": float(entry.get("covered", NAN)),
        "hand": {"at_head": 1.0, "away": 0.0}.get(entry.get("hand", ""), NAN),
        "turned": {"F": 0.0, "Q": 1.0, "P": 1.0}.get(entry.get("view", ""), NAN),
    }


def lit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in other light and with other strength of colour."""
    image = ImageEnhance.Brightness(Image.fromarray(pixels)).enhance(float(rng.uniform(0.7, 1.25)))
    return np.asarray(ImageEnhance.Color(image).enhance(float(rng.uniform(0.3, 1.3))))


def end(face: occluders.Face, rng: np.random.Generator) -> None:
    """One colour from somewhere between forehead and nose upwards, or from beyond an eye sideways: where a cut-out
    ends, or a picture within the picture."""
    p, side = face.points, rng.integers(3)
    y, x = np.mgrid[: face.size, : face.size]
    if side == 0:
        beyond = y < p[9, 1] + rng.uniform(0, 1) * (p[4, 1] - p[9, 1])
    else:
        outer, inner = (p[33, 0], p[6, 0]) if side == 1 else (p[263, 0], p[6, 0])
        edge = outer + rng.uniform(-0.2, 1) * (inner - outer)
        beyond = x < edge if side == 1 else x > edge
    plain = rng.choice([0.0, 255.0, 128.0], p=[0.3, 0.5, 0.2])
    face.pixels[beyond] = plain if rng.random() < 0.7 else occluders.colour(rng)
    face.labels["object"] = 1.0


def lay(
    face: occluders.Face, rng: np.random.Generator, kind: str, cutouts: dict[str, Any]
) -> dict[str, float]:
    """Lay something on the face; what is true of it then."""
    hands, prints = cutouts["hands"], cutouts["prints"]
    if kind in ("hand", "beside"):
        occluders.hand(face, rng, hands, "over" if kind == "hand" else "beside")
    elif kind == "thing":
        occluders.thing(face, rng, prints, hands)
    elif kind == "mask" and rng.random() < 0.5:
        occluders.mask(face, rng, prints)
    elif kind == "mask":
        templates = [occluders.Template(*each) for each in cutouts["masks"]]
        occluders.photographed_mask(face, rng, prints, templates)
    elif kind == "end":
        end(face, rng)
    over = [face.labels[name] for name in ("mask", "hand", "object")]
    if kind == "beside":
        # Whether the thing that is no hand is one does not matter here.
        over = over[:2]
    covered = 1.0 if 1.0 in over else NAN if None in over else 0.0
    near = face.labels["hand_near"]
    hand = NAN if kind in ("thing", "end") or near is None else near
    return {"covered": covered, "hand": hand}


@cache
def cutouts_of(path: Path) -> dict[str, Any]:
    """What `occlusion/cutouts.py` wrote."""
    cutouts: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 - written by occlusion/cutouts.py
    return cutouts


def looks(image: Image.Image, region: Region) -> dict[str, np.ndarray]:
    """All features of one face."""
    around = Region(region.x, region.y, t.AROUND_FACE * region.side, region.angle)
    return {
        "near": networks().appearance(image, region).astype(np.float16),
        "around": networks().appearance(image, around).astype(np.float16),
        "pooled": networks().occlusion(image, region).features.astype(np.float16),
    }


def examine(task: tuple[int, dict[str, Any], Callable[[], bytes], bool, Path]) -> dict[str, Any] | None:
    """Features of one picture's face, its variants, and of what is drawn and laid on it; `None` without a face.

    A further picture's record has no tags.
    """
    number, record, read, dark, cutouts = task
    portrait = "tags" in record
    tags = set(record.get("tags", ()))
    data = read()
    picture = pictures.decode(data, pictures.probe(data))
    evidence = Evidence(picture, networks())
    mesh = evidence.subject.mesh
    if mesh is None or mesh.presence < PRESENCE_MIN or tags & NO_FACE:
        return None
    region, rng = OcclusionNet.region(mesh), np.random.default_rng(number)
    wide = Region(region.x, region.y, t.AROUND_FACE * region.side, region.angle)
    level = cut(picture.image, wide, SIZE, replicate=False)
    points = wide.from_picture(mesh.points) * SIZE
    middle = Region(SIZE / 2, SIZE / 2, SIZE / t.AROUND_FACE)

    rows = [looks(picture.image, region)]
    for variant in range(1, VARIANTS):
        x, y = rng.uniform(-0.04, 0.04, 2) * region.side
        side, turn = region.side * rng.uniform(0.92, 1.1), region.angle + rng.uniform(-0.08, 0.08)
        pixels = lit(
            cut(
                picture.image,
                Region(wide.x + x, wide.y + y, side * t.AROUND_FACE, turn),
                SIZE,
                replicate=False,
            ),
            rng,
        )
        rows.append(looks(Image.fromarray(pixels[:, ::-1] if variant % 2 else pixels), middle))
    near_frontal = bool(evidence.head.near_frontal)
    glasses, laid = [], []
    bare = portrait and near_frontal and not tags & NOT_BARE and record["emo_1x1"]["pass"] is not False
    for kind, counts in GLASSES.items() if bare else ():
        for _ in range(counts[dark]):
            face = occluders.Face(lit(level, rng).astype(np.float32), points.copy())
            occluders.glasses(face, rng, [], kind)
            image = Image.fromarray(np.clip(face.pixels, 0, 255).astype(np.uint8))
            near = networks().appearance(image, middle).astype(np.float16)
            glasses.append(({"glasses": float(kind == "dark")}, {"near": near}))
    for kind in LAID if bare else ():
        face = occluders.Face(level.astype(np.float32), points.copy())
        truth = lay(face, rng, kind, cutouts_of(cutouts))
        pixels = lit(np.clip(face.pixels, 0, 255).astype(np.uint8), rng)
        image = Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels))
        x, y = middle.x + rng.uniform(-5, 5), middle.y + rng.uniform(-5, 5)
        moved = Region(x, y, middle.side * rng.uniform(0.94, 1.08), rng.uniform(-0.06, 0.06))
        laid.append((truth, looks(image, moved)))
    seen, face_box = evidence.covering.occlusion, evidence.subject.face
    assert seen is not None
    assert face_box is not None
    # Every palm, whatever the layers that are not trained yet say.
    vars(evidence.hands)["_look"] = 0.0
    truth = labelled(record) if portrait else looked_at(record)
    if not near_frontal:
        truth["covered"] = truth["hand"] = NAN
    return {
        "id": record["id"] if portrait else "",
        "repo": record["repo"],
        "near_frontal": near_frontal,
        "tinted": "tinted_glasses" in tags,
        "truth": truth,
        "yaw": evidence.head.yaw,
        "network": log_odds(seen.sunglasses),
        "surest": evidence.hands.surest_at_head,
        "near": evidence.hands.hand_distance,
        "wrist": evidence.hands.wrist_distance,
        "rows": rows,
        "drawn": [*glasses, *laid],
    }


@dataclass
class Task:
    """What one layer learns from: features and truth, faces `(n, variants, d)` and drawn `(m, d)` of the face `on`."""

    rows: np.ndarray
    truth: np.ndarray
    weight: np.ndarray
    drawn: np.ndarray
    drawn_truth: np.ndarray
    on: np.ndarray
    drawn_weight: float
    strength: float


def task(known: list[dict[str, Any]], name: str) -> Task:
    """Arrays for the layer `name`."""
    keys, kind = FEATURES[name], TRUTH.get(name, name)

    def row(features: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([features[key] for key in keys]).astype(np.float32)

    rows = np.stack([[row(each) for each in k["rows"]] for k in known])
    size = rows.shape[2]
    drawn = [
        (n, truth[kind], row(features))
        for n, k in enumerate(known)
        for truth, features in k["drawn"]
        if not np.isnan(truth.get(kind, NAN))
    ]
    weight = np.where([k["tinted"] for k in known], TINTED_WEIGHT if name == "glasses" else 1.0, 1.0)
    return Task(
        rows,
        np.array([k["truth"][kind] for k in known]),
        weight,
        np.array([each for *_, each in drawn], np.float32).reshape(len(drawn), size),
        np.array([truth for _, truth, _ in drawn]),
        np.array([n for n, *_ in drawn], np.intp),
        DRAWN_WEIGHT.get(name, 0.0),
        STRENGTH.get(name, STRENGTH_ELSE),
    )


def fit(task: Task, chosen: np.ndarray) -> np.ndarray:
    """Weights and, last, bias of a layer, by the `chosen` faces and what is drawn on them."""
    named = chosen[~np.isnan(task.truth[chosen])]
    drawn = np.isin(task.on, chosen)
    x = np.concatenate([task.rows[named].reshape(-1, task.rows.shape[2]), task.drawn[drawn]])
    y = np.concatenate([np.repeat(task.truth[named], VARIANTS), task.drawn_truth[drawn]])
    shares = np.repeat(task.weight[named] / VARIANTS, VARIANTS)
    weight = np.concatenate([shares, np.full(int(drawn.sum()), task.drawn_weight)])
    for value in (0, 1):
        weight[y == value] *= len(y) / 2 / weight[y == value].sum()
    scale = StandardScaler(copy=False).fit(x)
    model = LogisticRegression(C=task.strength, max_iter=200).fit(scale.transform(x), y, sample_weight=weight)
    weights = model.coef_[0] / scale.scale_
    return np.append(weights, model.intercept_[0] - weights @ scale.mean_).astype(np.float32)


def apply(weights: np.ndarray, task: Task, chosen: np.ndarray) -> np.ndarray:
    """Log-odds of the chosen faces as they stand."""
    return task.rows[chosen, 0] @ weights[:-1] + weights[-1]


def cross_validated(task: Task, repos: np.ndarray) -> np.ndarray:
    """Log-odds of every face by weights that had not seen its repository."""
    odds = np.zeros(len(task.truth))
    for train, test in GroupKFold(FOLDS).split(task.rows, groups=repos):
        odds[test] = apply(fit(task, train), task, test)
    return odds


def report(name: str, y: np.ndarray, odds: np.ndarray) -> None:
    """How well `odds` tell, where the truth is known."""
    known = ~np.isnan(y)
    y, odds = y[known], odds[known]
    limit = np.quantile(odds[y == 0], 0.98)
    missed, false = int((odds[y == 1] <= 0).sum()), int((odds[y == 0] > 0).sum())
    print(
        f"{name:24} yes {int(y.sum())} of {len(y)}  area {roc_auc_score(y, odds):.4f}  recall at 2 % "
        f"{(odds[y == 1] > limit).mean():.2f}  at even odds missed {missed}, false {false}",
        flush=True,
    )


def weigh(witnesses: np.ndarray, y: np.ndarray, repos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of each picture by weights that had not seen its repository, and weights and bias by all; `y` is NaN
    where nothing is known."""
    known, odds = np.flatnonzero(~np.isnan(y)), np.full(len(y), np.nan)
    model = LogisticRegression()
    for train, test in GroupKFold(WITNESS_FOLDS).split(witnesses, groups=repos):
        chosen = train[~np.isnan(y[train])]
        odds[test] = model.fit(witnesses[chosen], y[chosen]).decision_function(witnesses[test])
    model.fit(witnesses[known], y[known])
    return odds, np.append(model.coef_[0], model.intercept_[0])


def main() -> None:
    parser = common.parser(__doc__, clones=True)
    parser.add_argument("--cutouts", type=Path, required=True, help="as occlusion/cutouts.py wrote it")
    parser.add_argument("--out", type=Path, default=Path("face_heads.npz"))
    options = parser.parse_args()
    kept = options.work / "faces.pickle"
    if not kept.exists():
        dark = set(json.loads((TRAINING.parent / "benchmarks" / "tones.json").read_text())["tones"]["dark"])
        sources: list[Source] = [
            (record, path.read_bytes) for record, path in portraits.working(options.portraits)
        ]
        listed = json.loads(Path(__file__).with_name("pictures.json").read_text())["pictures"]
        entries = [({"id": "", **entry}, (entry["repo"], entry["commit"], entry["path"])) for entry in listed]
        sources += common.further(entries, options.mirror, partly=options.partial)
        tasks = [
            (n, record, read, record.get("tone") == "dark" or record["id"] in dark, options.cutouts)
            for n, (record, read) in enumerate(sources)
        ]
        with ProcessPoolExecutor() as pool:
            found = [each for each in pool.map(examine, tasks, chunksize=8) if each]
        options.work.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(found))
    known = pickle.loads(kept.read_bytes())  # noqa: S301 - written above
    print(len(known), "faces", flush=True)
    repos, everyone = np.array([k["repo"] for k in known]), np.arange(len(known))
    odds, layers = {}, {}
    for name in FEATURES:
        arrays = task(known, name)
        odds[name] = cross_validated(arrays, repos)
        layers[name] = fit(arrays, everyone)
        report(name, arrays.truth, odds[name])
    truth = {
        kind: np.array([k["truth"][kind] for k in known]) for kind in ("glasses", "covered", "hand", "turned")
    }

    # Opaque glasses: where our own network sees a hint, both.
    limit = t.NETWORK_ODDS_MAX
    network = np.clip([k["network"] for k in known], -limit, limit)
    hinted = network > log_odds(t.SUNGLASSES_HINT)
    glasses, weights = weigh(
        np.stack([network, odds["glasses"]], 1), np.where(hinted, truth["glasses"], NAN), repos
    )
    report("network, hinted", np.where(hinted, truth["glasses"], NAN), network)
    report("both, hinted", np.where(hinted, truth["glasses"], NAN), glasses)
    print("SunglassesWitnesses({:.2f}, {:.2f}, {:.2f})".format(*weights))

    # Covered: the layer's odds, made those of an ordinary picture.
    asked = odds["covered_hint"] > t.COVERED_HINT
    covered, weights = weigh(odds["covered"][:, None], truth["covered"], repos)
    layers["covered"] = layers["covered"] * weights[0]
    layers["covered"][-1] += weights[1]
    report("covered, ordinary", truth["covered"], covered)
    report("where asked", truth["covered"], np.where(asked, covered, -9.0))
    bare = truth["covered"] == 0
    print(
        f"asked: {asked[bare].mean():.3f} of the bare; of the covered not {(~asked & (truth['covered'] == 1)).sum()}"
    )

    # Hands: the look, the surest hand that palms led to, hand or wrist near.
    looked = odds["hand_hint"] > t.HAND_HINT
    sought = looked & (odds["hand"] > t.HAND_UNLIKELY)
    near = np.where(sought, [k["near"] for k in known], [k["wrist"] for k in known]) < t.HAND_AT_HEAD
    surest = np.where(sought, [k["surest"] for k in known], -t.HAND_ODDS_MAX)
    look = np.where(looked, odds["hand"], t.HAND_LOOK_UNASKED)
    hand, weights = weigh(np.stack([look, surest, near], 1), truth["hand"], repos)
    report("hand at head", truth["hand"], hand)
    free = truth["hand"] == 0
    print(f"asked: {looked[free].mean():.3f} of those without, palms {sought[free].mean():.3f}")
    print("HandWitnesses({:.2f}, {:.2f}, {:.2f}, {:.2f})".format(*weights))

    # Turned: degrees and the look, which is asked where degrees leave doubt.
    yaw = np.array([k["yaw"] for k in known])
    low, high = t.YAW_IN_DOUBT
    doubtful = (low <= yaw) & (yaw <= high)
    turned, weights = weigh(np.stack([yaw, odds["turned"]], 1), truth["turned"], repos)
    by_degrees = weights[0] * yaw + weights[1] * np.where(yaw > high, 1, -1) * t.TURNED_LOOK_UNASKED
    turned = np.where(doubtful, turned, by_degrees + weights[2])
    report("yaw", truth["turned"], yaw)
    report("yaw and look", truth["turned"], turned)
    print(f"asked: {doubtful[truth['turned'] == 0].mean():.3f} of the frontal")
    print("TurnedWitnesses({:.3f}, {:.2f}, {:.2f})".format(*weights))

    np.savez_compressed(options.out, **layers)
    unseen: dict[str, dict[str, float]] = {}
    for n, each in enumerate(known):
        if not each["id"]:
            continue
        values = unseen[each["id"]] = {}
        if hinted[n]:
            values["sunglasses"] = probability(float(glasses[n]))
        if each["near_frontal"]:
            hint = float(odds["covered_hint"][n]) + t.COVERED_RARE
            values["covered"] = probability(float(covered[n]) if asked[n] else hint)
            values["hand_near_face"] = probability(float(hand[n]))
        values["not_frontal"] = probability(float(turned[n]))
    (options.work / "unseen.json").write_text(json.dumps(unseen))


if __name__ == "__main__":
    main()

"""Where BlazePose looks for a body's points: one linear layer over what MoveNet and the face say, in place of
BlazePose's own detector, which takes longer than the points.

    python training/poses/region.py --portraits FOLDER [FOLDER ...] [--out pose_region.npz]

The truth is the detector's region on every portrait in which it, MoveNet and the face detector each find somebody.
Prints how far regions are off by layers that had not seen the repository. Two minutes on two cores.
"""

from __future__ import annotations

import math
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import portraits
from common import networks

from screentest.detection import errors, pictures
from screentest.detection.evidence import Evidence
from screentest.detection.vision.poses import CLIP, region_features

STRENGTH = 10.0
FOLDS = 5


def examine(task: tuple[str, Path]) -> tuple[str, np.ndarray, list[float]] | None:
    """Repository, features, and the region: centre from the face's, in face sizes, logarithm of the side in face sizes,
    sine and cosine of the angle."""
    repo, path = task
    data = path.read_bytes()
    try:
        picture = pictures.decode(data, pictures.probe(data))
    except errors.UnreadablePicture:
        return None
    subject, detector = Evidence(picture, networks()).subject, networks().poses
    face, body = subject.face, subject.body
    if face is None or body is None:
        return None
    region = detector.detected(picture.image, body)
    if region is None:
        return None
    (x, y), side = face.centre, max(face.width, face.height)
    truth = [(region.x - x) / side, (region.y - y) / side, math.log(region.side / side)]
    truth += [math.sin(region.angle), math.cos(region.angle)]
    return repo, region_features(face.box, body, picture.size), truth


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("pose_region.npz"))
    options = parser.parse_args()
    tasks = [(record["repo"], path) for record, path in portraits.working(options.portraits)]
    with ProcessPoolExecutor() as pool:
        found = [each for each in pool.map(examine, tasks, chunksize=8) if each]
    repos = np.array([repo for repo, *_ in found])
    x, y = np.stack([f for _, f, _ in found]), np.array([truth for *_, truth in found])
    mean, scale = x.mean(0), x.std(0) + 1e-3
    seen, odds = np.clip((x - mean) / scale, -CLIP, CLIP), np.zeros_like(y)
    for train, test in GroupKFold(FOLDS).split(seen, groups=repos):
        odds[test] = Ridge(STRENGTH).fit(seen[train], y[train]).predict(seen[test])
    apart = np.hypot(*(odds[:, :2] - y[:, :2]).T) / np.exp(y[:, 2])
    turn = np.degrees(np.arctan2(odds[:, 3], odds[:, 4]) - np.arctan2(y[:, 3], y[:, 4]))
    for name, off in (
        ("centre, sides", apart),
        ("side, logarithm", np.abs(odds[:, 2] - y[:, 2])),
        ("angle, degrees", np.abs((turn + 180) % 360 - 180)),
    ):
        print(f"{len(y)} bodies, {name}: median {np.median(off):.3f}, 95 % {np.quantile(off, 0.95):.3f}")
    model = Ridge(STRENGTH).fit(seen, y)
    np.savez(
        options.out,
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        weights=model.coef_.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )


if __name__ == "__main__":
    main()

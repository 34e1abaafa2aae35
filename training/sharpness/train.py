"""How blurred a face is: sharp faces blurred by known amounts, and a small network that learns the amounts.

    python training/sharpness/train.py --portraits FOLDER [--out face_blur.npz]

Blur: Gaussian, defocus (a disk), motion, shrinking and enlarging by every filter, a median as denoisers use; then shown
in another size, sharpened, lit otherwise, noisy, compressed. The truth is the standard deviation in hundredths of the
face's width; what a picture of so many pixels cannot show counts as blur as well. No labelled blur is trained on: the
portraits labelled so are the test. Two minutes on two cores.
"""

from __future__ import annotations

import io
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import portraits
from common import networks

from screentest.detection import pictures
from screentest.detection.evidence import Evidence
from screentest.detection.evidence.head import luma
from screentest.detection.vision.blur import edges
from screentest.detection.vision.crops import cut
from screentest.detection.vision.mesh import FaceMesh

VARIANTS = 24
FACES = 1.5
"""Sides of a crop in face widths."""
SIDE = 256
SHARP_FROM = 300
"""Pixels that the crop must have had: shrunk to `SIDE` it is sharp, whatever the lens."""
CRISP = 75.0
SPOILT = {
    "blurred", "soft", "dark", "dim", "mask", "face_mask", "sunglasses", "object_covers_face", "hand_covers_face",
    "derived", "rendered_or_generated", "painting_or_illustration", "cartoon",
}  # fmt: skip
Filter = Image.Resampling
PIXEL = {
    Filter.NEAREST: 0.45,
    Filter.BILINEAR: 0.62,
    Filter.BICUBIC: 0.52,
    Filter.LANCZOS: 0.48,
    Filter.BOX: 0.45,
}
"""Standard deviation of what each filter makes of a pixel when it enlarges, in pixels."""


def examine(task: tuple[dict[str, Any], Path]) -> dict[str, Any] | None:
    """The levelled face of a portrait, its edges, and whether it may be a sharp one to start from."""
    record, path = task
    data = path.read_bytes()
    picture = pictures.decode(data, pictures.probe(data))
    evidence = Evidence(picture, networks())
    mesh = evidence.subject.mesh
    if mesh is None or not evidence.subject.visible or evidence.head.close_up is None:
        return None
    tags = set(record["tags"])
    region = FaceMesh.closer(mesh)
    reasons = record["emo_1x1"]["reason"] or ()
    blurred = bool(tags & {"blurred", "derived_blur", "derived_motionblur"})
    return {
        "id": record["id"],
        "repo": record["repo"],
        "crop": cut(picture.image, region, SIDE),
        "edges": edges(evidence.head.close_up[1]),
        "sharp": region.side >= SHARP_FROM
        and not tags & SPOILT
        and abs(mesh.pose.yaw) < 35
        and crisp(evidence.head.close_up[1]) > CRISP,
        "label": 1 if blurred and "InvalidFile.Value" in reasons else 0 if record["emo_1x1"]["pass"] else -1,
    }


def crisp(face: np.ndarray) -> float:
    """95th percentile of the second differences at 43 pixels a face, weaker axis, in % of the contrast: what rules
    version 2 called sharpness. Good enough to leave soft faces out of those to start from."""
    y = face.reshape(64, 2, 64, 2).mean((1, 3))[18:50, 13:51]
    across = np.abs(y[1:-1, :-2] + y[1:-1, 2:] - 2 * y[1:-1, 1:-1])
    down = np.abs(y[:-2, 1:-1] + y[2:, 1:-1] - 2 * y[1:-1, 1:-1])
    return float(100 * min(np.percentile(across, 95), np.percentile(down, 95)) / max(float(y.std()), 1.0))


def moved(image: Image.Image, length: float, angle: float) -> Image.Image:
    steps = np.linspace(-0.5, 0.5, max(1, int(np.ceil(length * 3))))
    return _averaged(image, [(length * s * np.cos(angle), length * s * np.sin(angle)) for s in steps])


def defocused(image: Image.Image, radius: float) -> Image.Image:
    rings = np.sqrt((np.arange(6) + 0.5) / 6) * radius
    return _averaged(
        image, [(r * np.cos(a), r * np.sin(a)) for r in rings for a in np.arange(8) * np.pi / 4 + r]
    )


def _averaged(image: Image.Image, shifts: list[tuple[float, float]]) -> Image.Image:
    total = np.zeros((*image.size[::-1], 3), np.float32)
    for x, y in shifts:
        total += np.asarray(
            image.transform(image.size, Image.Transform.AFFINE, (1, 0, x, 0, 1, y), Filter.BILINEAR)
        )
    return Image.fromarray(np.clip(total / len(shifts), 0, 255).astype(np.uint8))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def derive(crop: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Edges of a variant, and the logarithm of its blur."""
    side = round(float(np.exp(rng.uniform(np.log(36), np.log(170)))) * FACES)
    image = Image.fromarray(crop).resize((side, side), Filter.LANCZOS)
    face = side / FACES
    variance = (0.45 / face) ** 2
    amount = float(np.exp(rng.uniform(np.log(0.006), np.log(0.06))))
    kind = rng.choice(
        ["none", "gauss", "enlarge", "defocus", "motion", "median"], p=[0.2, 0.2, 0.28, 0.12, 0.12, 0.08]
    )
    if kind == "gauss":
        image, variance = image.filter(ImageFilter.GaussianBlur(amount * face)), variance + amount**2
    elif kind == "defocus":
        image, variance = defocused(image, 2 * amount * face), variance + amount**2
    elif kind == "motion":
        angle = rng.uniform(0, np.pi)
        image = moved(image, amount * np.sqrt(12) * face, angle)
        variance += amount**2 * max(np.cos(angle) ** 2, np.sin(angle) ** 2)
    elif kind == "median":
        size = 3 if rng.random() < 0.6 else 5
        image, variance = image.filter(ImageFilter.MedianFilter(size)), variance + (0.28 * size / face) ** 2
    elif kind == "enlarge":
        larger = list(PIXEL)[int(rng.integers(len(PIXEL)))]
        if PIXEL[larger] / amount < face:
            small = max(6, round(PIXEL[larger] / amount * FACES))
            smaller = list(PIXEL)[int(rng.integers(1, len(PIXEL)))]
            image = image.resize((small, small), smaller)
            if rng.random() < 0.5:
                image = compressed(image, int(rng.integers(60, 96)))
            image, variance = (
                image.resize((side, side), larger),
                variance + (PIXEL[larger] * FACES / small) ** 2,
            )
    if rng.random() < 0.3:
        shown = int(side * rng.uniform(1, 3))
        if shown < 700:
            image = image.resize((shown, shown), list(PIXEL)[int(rng.integers(1, 4))])
            variance += (0.3 / face) ** 2
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 2), int(rng.integers(50, 150)), 0))
    pixels = np.asarray(image, np.float32) * rng.uniform(0.5, 1.15) + rng.uniform(-10, 20)
    if rng.random() < 0.35:
        pixels += rng.normal(0, rng.uniform(0.5, 6), pixels.shape)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.6:
        image = compressed(image, int(rng.integers(45, 97)))
    # As `crops.cut` does, the mesh being off by a little.
    factor = max(1, image.width // 128)
    step = image.width / 128 / factor
    if factor > 1:
        image = image.reduce(factor)
    zoom, (x, y) = rng.uniform(0.94, 1.06), rng.uniform(-4, 4, 2)
    matrix = (step * zoom, 0, step * (64 - 64 * zoom + x), 0, step * zoom, step * (64 - 64 * zoom + y))
    image = image.transform((128, 128), Image.Transform.AFFINE, matrix, Filter.BILINEAR)
    return edges(luma(np.asarray(image))), float(np.log(100 * np.sqrt(variance) / zoom))


def variants(task: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(task[0])
    x, y = zip(*(derive(task[1], rng) for _ in range(VARIANTS)), strict=True)
    return np.array(x), np.array(y)


def network() -> Any:
    mlp = MLPRegressor(hidden_layer_sizes=(48,), alpha=3.0, max_iter=300, early_stopping=True, random_state=0)
    return make_pipeline(StandardScaler(), mlp)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("face_blur.npz"))
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        faces = [f for f in pool.map(examine, portraits.working(options.portraits), chunksize=8) if f]
        sharp = [f for f in faces if f["sharp"]]
        made = list(pool.map(variants, [(n, f["crop"]) for n, f in enumerate(sharp)], chunksize=4))
    x, y = np.concatenate([a for a, _ in made]), np.concatenate([b for _, b in made])
    repos = np.repeat([f["repo"] for f in sharp], VARIANTS)
    real, theirs = np.array([f["edges"] for f in faces]), np.array([f["repo"] for f in faces])
    labels = np.array([f["label"] for f in faces])
    # Each face is read by a network that saw none of its repository.
    read, guessed = np.zeros(len(real)), np.zeros(len(y))
    for seen, held in GroupKFold(5).split(x, groups=repos):
        model = network().fit(x[seen], y[seen])
        guessed[held] = model.predict(x[held])
        mine = np.isin(theirs, repos[held]) | ~np.isin(theirs, repos)
        read[mine] = model.predict(real[mine])
    print(f"{len(sharp)} sharp faces, {len(y)} variants: error {np.exp(np.abs(guessed - y).mean()) - 1:.0%}")
    print("labelled blurred:", np.exp(np.sort(read[labels == 1])).round(2))
    good = np.exp(np.sort(read[labels == 0]))
    names = np.array([f["id"] for f in faces])
    worst = np.where(labels == 0)[0][np.argsort(-read[labels == 0])[:4]]
    print("worst good ones:", *names[worst])
    print("good: median", np.median(good).round(2), "highest", good[-8:].round(2))
    scaler, mlp = (step for _, step in network().fit(x, y).steps)
    hidden = mlp.coefs_[0] / scaler.scale_[:, None]
    np.savez(
        options.out,
        hidden=hidden.astype(np.float32),
        hidden_bias=(mlp.intercepts_[0] - scaler.mean_ @ hidden).astype(np.float32),
        out=mlp.coefs_[1].astype(np.float32),
        out_bias=mlp.intercepts_[1].astype(np.float32),
    )


if __name__ == "__main__":
    main()

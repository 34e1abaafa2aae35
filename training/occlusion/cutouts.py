"""Step 2: hands cut out of pictures with a plain ground, and photographed masks with six points each.

    python training/occlusion/cutouts.py --mirror CLONES --work FOLDER

Writes `FOLDER/cutouts.pkl`: `hands` (RGBA pictures, wrist down, the forearm continued), `masks` (RGBA picture,
points) and `prints` (textures). Needs scipy besides the package's own requirements.
"""

from __future__ import annotations

import argparse
import io
import pickle
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))

from repositories import contents, files

HANDS = "ardamavi/Sign-Language-Digits-Dataset"
MASKS = "aqeelanwar/MaskTheFace"
SIDE = 150
FOREARM = 120


def cut_hand(image: Image.Image) -> Image.Image | None:
    """The hand without its ground, by its redness against the ground's (Otsu's threshold); None where that fails."""
    image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    chroma = np.asarray(image.convert("YCbCr"), np.float32)
    redness = ndimage.gaussian_filter(chroma[..., 2] - chroma[..., 1], 1.0)
    counts, edges = np.histogram(redness, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below, moment = np.cumsum(counts), np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] / below[-1] * below - moment) ** 2 / (below * (below[-1] - below))
    inside = ndimage.binary_opening(redness > middles[np.nanargmax(between[:-1])] - 2)
    pieces, count = ndimage.label(inside)
    if not count:
        return None
    inside = pieces == 1 + np.argmax(ndimage.sum(inside, pieces, range(1, count + 1)))
    if not 0.06 < inside.mean() < 0.55 or inside[0].mean() > 0.05:
        return None
    inside = ndimage.binary_closing(np.pad(inside, ((2, 8), (2, 2)), mode="edge"), iterations=2)[2:-8, 2:-2]
    inner = ndimage.binary_erosion(np.pad(inside, ((0, 3), (0, 0)), mode="edge"))[:-3]
    alpha = np.clip(ndimage.gaussian_filter(inner.astype(np.float32), 0.8) * 1.1, 0, 1)
    rgba = np.dstack([np.asarray(image), (alpha * 255).astype(np.uint8)])
    leaves = bool(inside[-1].any())
    if leaves:
        rgba = np.vstack([rgba[:-5], rgba[-6:-5].repeat(FOREARM, 0)])
    rows, columns = np.where(rgba[..., 3].any(1))[0], np.where(rgba[..., 3].any(0))[0]
    hand = rgba[rows[0] :, max(columns[0] - 2, 0) : columns[-1] + 3]
    # As much above as the forearm below, so that the picture's centre is the hand's.
    above = np.zeros((FOREARM - 5 if leaves else 0, hand.shape[1], 4), np.uint8)
    return Image.fromarray(np.vstack([above, hand]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    rows = files(options.mirror, HANDS, "Dataset/")
    pictures = (
        Image.open(io.BytesIO(d or b"")).convert("RGB")
        for d in contents(options.mirror, HANDS, [r[1] for r in rows])
    )
    hands = [hand for hand in map(cut_hand, pictures) if hand]
    blobs = dict(files(options.mirror, MASKS, "masks/", (".png", ".jpg", ".cfg")))

    def blob(path: str) -> bytes:
        return next(contents(options.mirror, MASKS, [blobs[path]])) or b""

    masks = []
    for block in blob("masks/masks.cfg").decode().split("[")[1:]:
        found = re.search(r"template:\s*(\S+)", block)
        if not found or block.split("]")[0].endswith(("left", "right")):
            continue
        marks = [re.search(rf"mask_{k}:\s*(\d+),\s*(\d+)", block) for k in "abcdef"]
        points = np.array([[int(m[1]), int(m[2])] for m in marks if m], float)
        image = Image.open(io.BytesIO(blob(found[1]))).convert("RGBA")
        scale = 260 / image.width
        masks.append((image.resize((260, round(image.height * scale))), points * scale))
    prints = [
        np.asarray(Image.open(io.BytesIO(blob(path))).convert("RGB").resize((288, 288)))
        for path in blobs
        if path.startswith("masks/textures")
    ]
    (options.work / "cutouts.pkl").write_bytes(
        pickle.dumps({"hands": hands, "masks": masks, "prints": prints})
    )
    print(len(hands), "hands", len(masks), "masks", len(prints), "prints")


if __name__ == "__main__":
    main()

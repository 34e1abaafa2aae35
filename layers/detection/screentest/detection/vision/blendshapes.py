"""Expression: 52 blendshape scores from 146 mesh points."""

from __future__ import annotations

import numpy as np

from screentest.detection.vision.mesh import Mesh
from screentest.detection.vision.runtime import Network

# Order of input points and output scores: as MediaPipe's face landmarker feeds and reads this network.
_POINTS = np.array(
    """
0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103 105
107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176 178 181
185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 311 312 314
317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 387 388 389 390
397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
""".split(),  # noqa: SIM905 - a list of numbers reads better as text
    np.intp,
)

NAMES = """
_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
""".split()  # noqa: SIM905 - a list of names reads better as text


class Blendshapes:
    """The network."""

    def __init__(self) -> None:
        self._network = Network("face_blendshapes.tflite")

    def __call__(self, mesh: Mesh) -> dict[str, float]:
        """Scores 0 to 1 by name."""
        scores = self._network(mesh.points[_POINTS, :2][None].astype(np.float32))[0]
        return dict(zip(NAMES, scores.ravel().tolist(), strict=True))

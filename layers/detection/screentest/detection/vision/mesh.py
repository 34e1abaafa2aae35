"""Face mesh: 478 points and the presence of a face, and the head's pose from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from screentest.detection.lazy import lazy
from screentest.detection.vision.crops import Points, Region, cut
from screentest.detection.vision.faces import LEFT_EYE, RIGHT_EYE
from screentest.detection.vision.runtime import Network, sigmoid, weights_file
from screentest.detection.vision.ssd import Detection

_SIZE = 256
_REACH = 1.5
"""Side of the region in detector boxes, as the mesh was trained."""

RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Degrees. Yaw + : nose towards the right of the image; pitch + : chin down; roll + : counter-clockwise."""

    yaw: float
    pitch: float
    roll: float
    residual: float
    """Mean weighted distance of the mesh from the canonical face, centimetres of that face."""


@dataclass(frozen=True)
class Mesh:
    """478 points `(x, y, z)` in pixels of the working frame (z towards the back), and the face's presence, 0 to 1."""

    points: Points
    presence: float
    region: Region

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounds of the points, pixels of the working frame."""
        (x1, y1), (x2, y2) = self.points[:468, :2].min(0), self.points[:468, :2].max(0)
        return float(x1), float(y1), float(x2), float(y2)

    @lazy
    def pose(self) -> HeadPose:
        """The head's pose by weighted Procrustes against the canonical face."""
        return _pose(self.points)


class FaceMesh:
    """The mesh network."""

    def __init__(self) -> None:
        self._network = Network("face_landmarks_detector.tflite")

    @staticmethod
    def region(face: Detection) -> Region:
        """Where the mesh looks for the points of a detected face."""
        x, y = face.centre
        dx, dy = face.points[LEFT_EYE] - face.points[RIGHT_EYE]
        return Region(x, y, _REACH * max(face.width, face.height), math.atan2(dy, dx))

    @staticmethod
    def closer(mesh: Mesh) -> Region:
        """The region around the points of a first look: better centred and levelled than the detector's box."""
        dx, dy = mesh.points[LEFT_EYE_CORNER, :2] - mesh.points[RIGHT_EYE_CORNER, :2]
        angle = math.atan2(dy, dx)
        c, s = math.cos(angle), math.sin(angle)
        flat = mesh.points[:468, :2] @ np.array([[c, -s], [s, c]], np.float32)
        low, high = flat.min(0), flat.max(0)
        x, y = (low + high) / 2
        return Region(c * x - s * y, s * x + c * y, _REACH * float(max(high - low)), angle)

    def __call__(self, image: Image.Image, region: Region) -> Mesh:
        """The mesh of the face in `region` of `image`."""
        pixels = cut(image, region, _SIZE)
        raw, logit = self._network(pixels[None].astype(np.float32) / np.float32(255), 0, 1)
        points = region.to_picture(raw.reshape(478, 3) / np.float32(_SIZE))
        points[:, 2] = raw.reshape(478, 3)[:, 2] / np.float32(_SIZE) * np.float32(region.side)
        return Mesh(points, float(sigmoid(logit).item()), region)


_VERTEX_TAG = b"\x1d"
"""Of a protocol buffer: field 3, 32 bits."""
_TAGGED = np.dtype([("tag", "S1"), ("value", "<f4")])

_Table = tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]
_canonical_cache: list[_Table] = []


def _canonical() -> _Table:
    """Indices, points (cm: x right in the image, y up, z to the viewer) and weights of the canonical face."""
    if not _canonical_cache:
        vertices, basis = _parse(weights_file("geometry_pipeline_metadata_landmarks.binarypb").read_bytes())
        indices = np.array(sorted(basis), np.intp)
        weights = np.array([basis[int(i)] for i in indices])
        _canonical_cache.append((indices, vertices[indices], weights / weights.sum()))
    return _canonical_cache[0]


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Field numbers and payloads of one protocol-buffer message; numbers as their little-endian bytes."""
    out, i = [], 0

    def varint() -> int:
        nonlocal i
        value = shift = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while i < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            payload = varint().to_bytes(8, "little")
        else:
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            payload = data[i : i + size]
            i += size
        out.append((key >> 3, payload))
    return out


def _parse(data: bytes) -> tuple[npt.NDArray[np.float64], dict[int, float]]:
    """Vertices `(468, 3)` and the weights of MediaPipe's geometry metadata: mesh in field 1, basis in field 2."""
    vertices, basis = np.zeros((468, 3)), {}
    for number, payload in _fields(data):
        if number == 1:
            # Thousands of numbers, each behind its tag; those that say what is connected to what come after them.
            numbers = np.frombuffer(payload, _TAGGED, 468 * 5, payload.index(_VERTEX_TAG))
            assert (numbers["tag"] == _VERTEX_TAG).all()
            vertices = numbers["value"].reshape(468, 5)[:, :3].astype(np.float64)
        elif number == 2:
            entry = dict(_fields(payload))
            basis[int.from_bytes(entry[1], "little")] = float(np.frombuffer(entry[2], "<f4")[0])
    return vertices, basis


def _pose(points: Points) -> HeadPose:
    indices, model, weights = _canonical()
    seen = points[indices].astype(np.float64) * (1, -1, -1)
    w = weights[:, None]
    a, b = model - (w * model).sum(0), seen - (w * seen).sum(0)
    u, singular, vt = np.linalg.svd((w * b).T @ a)
    d = np.sign(np.linalg.det(u @ vt))
    rotation = u @ np.diag([1, 1, d]) @ vt
    scale = float((singular * (1, 1, d)).sum() / (w * a * a).sum())
    residual = float((weights * np.linalg.norm(b / scale - a @ rotation.T, axis=1)).sum())
    forward, right = rotation[:, 2], rotation[:, 0]
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = math.degrees(math.atan2(-forward[1], math.hypot(forward[0], forward[2])))
    return HeadPose(yaw, pitch, math.degrees(math.atan2(right[1], right[0])), residual)

"""The main person's head: size, light, sharpness, pose, place in the frame, expression."""

from __future__ import annotations

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision import bodies
from screentest.detection.vision.crops import Pixels, Region, cut
from screentest.detection.vision.faces import LEFT_EAR, LEFT_EYE, RIGHT_EAR, RIGHT_EYE
from screentest.detection.vision.mesh import LEFT_EYE_CORNER, RIGHT_EYE_CORNER, FaceMesh, Mesh
from screentest.detection.vision.occlusion import OcclusionNet
from screentest.detection.vision.runtime import Array, probability
from screentest.detection.vision.ssd import Detection

# Mesh points.
_NOSE_TIP, _RIGHT_CHEEK, _LEFT_CHEEK = 1, 234, 454


def _nose_off(mesh: Mesh) -> float:
    """How far the tip of the nose is off the middle between the face's outer points, in parts of the way from one to
    the other along the line of the eyes."""
    points = mesh.points[:, :2]
    level = points[LEFT_EYE_CORNER] - points[RIGHT_EYE_CORNER]
    nose, right, left = points[[_NOSE_TIP, _RIGHT_CHEEK, _LEFT_CHEEK]] @ level
    return float(abs(nose - (right + left) / 2) / max(left - right, 1e-3 * float(level @ level)))


def _ears_apart(face: Detection) -> float:
    """How much further one ear is from its eye than the other, in distances of the eyes, along their line."""
    points = face.points
    level = points[LEFT_EYE] - points[RIGHT_EYE]
    right = (points[RIGHT_EYE] - points[RIGHT_EAR]) @ level
    left = (points[LEFT_EAR] - points[LEFT_EYE]) @ level
    return float(abs(right - left) / max(float(level @ level), 1e-6))


def luma(pixels: Pixels) -> Array:
    """Luma of RGB pixels, 0 to 255."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(pixels.astype(np.float32) @ weights, np.float32)


class Head(Room):
    """The main face. Where there is none, what is about it is `None`."""

    @measured("of the shorter side", frame="picture")
    def face_share(self) -> float | None:
        """Longer side of the face box."""
        face = self.subject.face
        return None if face is None else max(face.width, face.height) / min(self.picture.size)

    @lazy
    def close_up(self) -> tuple[Region, Array] | None:
        """The main face levelled, with its region: luma, 128 x 128, 85 pixels a face."""
        subject = self.subject
        if subject.face is None or subject.mesh is None:
            return None
        region = FaceMesh.closer(subject.mesh) if subject.visible else FaceMesh.region(subject.face)
        return region, luma(cut(self.picture.image, region, 128))

    @measured("of 255", frame="levelled face, or the picture where no face is visible")
    def brightness(self) -> float:
        """Mean luma of the face."""
        if self.close_up is None or not self.subject.visible:
            return float(luma(np.asarray(self.picture.small)).mean())
        return float(self.close_up[1][21:107, 21:107].mean())

    @measured("% of face width", frame="levelled face, 85 pixels wide")
    def blur(self) -> float | None:
        """Standard deviation of the face's blur, whatever made it, by our own network (docs/training.md).

        In parts of the face, not in pixels: an enlarged small face reads as what it is, a sharp small one as sharp.
        """
        # In the dark, edges drown in rounding.
        if self.close_up is None or self.brightness < t.BRIGHTNESS_MIN:
            return None
        value = self.networks.blur(self.close_up[1])
        # What is no face by its mesh may still be one that blur has wiped out, but only strong blur does.
        return value if self.subject.visible or value > t.BLUR_WIPES_OUT else None

    @measured("degrees", frame="camera's axis")
    def yaw(self) -> float | None:
        """Turn of the head to either side: the mesh's pose, how far its nose is off the middle of the face, and
        how much further one ear is from its eye than the other to the face detector, weighed together; from 25 on also
        how far MoveNet's nose is off the middle of the eyes.

        On small heads the mesh stays behind.
        """
        mesh, face, body = self.subject.mesh, self.subject.face, self.subject.body
        if mesh is None or face is None:
            return None
        w = t.YAW_WITNESSES
        yaw = w.pose * min(abs(mesh.pose.yaw), t.YAW_POSE_MAX)
        yaw += w.nose * min(_nose_off(mesh), t.YAW_NOSE_MAX) + w.ears * min(_ears_apart(face), t.YAW_EARS_MAX)
        features = [bodies.NOSE, bodies.LEFT_EYE, bodies.RIGHT_EYE]
        if yaw < t.YAW_DOUBTFUL or body is None or body.scores[features].min() < t.KEYPOINT_MIN:
            return yaw
        nose, left, right = body.points[features]
        between = left - right
        shift = abs(float((nose - (left + right) / 2) @ between)) / max(float(between @ between), 1.0)
        return max(yaw, t.YAW_MAX * shift / t.NOSE_SHIFT_MAX)

    def _appearance(self, scale: float) -> Array:
        assert self.subject.mesh is not None
        region = OcclusionNet.region(self.subject.mesh)
        region = Region(region.x, region.y, scale * region.side, region.angle)
        return self.networks.appearance(self.picture.image, region)

    @lazy
    def look(self) -> Array:
        """How the face looks to a network that names things, in the occlusion network's region; only with a face."""
        return self._appearance(1.0)

    @lazy
    def look_around(self) -> Array:
        """How the head looks with what is about it; only with a face."""
        return self._appearance(t.AROUND_FACE)

    @measured(frame="camera's axis")
    def not_frontal(self) -> float | None:
        """Probability that the head is turned by more than 35 degrees, against less than 20: `yaw` and, where that
        leaves doubt, how the face looks to a network that names things, weighed together."""
        yaw = self.yaw
        if yaw is None:
            return None
        low, high = t.YAW_IN_DOUBT
        look = t.TURNED_LOOK_UNASKED * (1 if yaw > high else -1)
        if low <= yaw <= high:
            look = self.networks.face_heads.turned(self.look)
        w = t.TURNED_WITNESSES
        return probability(w.yaw * yaw + w.look * look + w.bias)

    @measured("degrees", frame="upright picture")
    def roll(self) -> float | None:
        """Tilt of the head to either side by the mesh."""
        return None if self.subject.mesh is None else abs(self.subject.mesh.pose.roll)

    @measured("degrees", frame="camera's axis")
    def pitch(self) -> float | None:
        """Nod of the head, up or down, by the mesh, against the usual 4 degrees."""
        return None if self.subject.mesh is None else abs(self.subject.mesh.pose.pitch - t.PITCH_NEUTRAL)

    @measured(frame="camera's axis")
    def near_frontal(self) -> bool:
        """Whether the head is turned and tilted so little that the mesh can be trusted in detail."""
        if self.yaw is None or self.roll is None:
            return False
        return self.yaw < t.YAW_MAX and self.roll < t.ROLL_MAX

    @measured("face heights", frame="edges of the picture")
    def head_margin(self) -> float | None:
        """Smallest distance of the mesh to an edge, sideways in face widths, the top from just above the forehead;
        negative outside."""
        mesh = self.subject.mesh
        if mesh is None:
            return None
        x1, y1, x2, y2 = mesh.box
        width, height = self.picture.size
        w, h = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
        return min(y1 / h - t.FOREHEAD_ROOM, x1 / w, (width - x2) / w, (height - y2) / h)

    @measured(frame="levelled face")
    def expression(self) -> float | None:
        """How exaggerated, 0.5 at the limit: the strongest of mouth height to width, and the blendshapes jaw open, lip
        down, mouth stretched and both eyes shut, each against what it may be with as much of a smile."""
        mesh = self.subject.mesh
        if mesh is None:
            return None
        b = self.networks.blendshapes(mesh)
        p = mesh.points
        mouth = float(np.linalg.norm(p[13] - p[14]) / max(float(np.linalg.norm(p[61] - p[291])), 1.0))
        signs = (
            (mouth, t.MOUTH_OPEN),
            (b["jawOpen"], t.JAW_OPEN),
            (max(b["mouthLowerDownLeft"], b["mouthLowerDownRight"]), t.LIP_DOWN),
            (max(b["mouthStretchLeft"], b["mouthStretchRight"]), t.MOUTH_STRETCHED),
            ((b["eyeBlinkLeft"] + b["eyeBlinkRight"]) / 2, t.EYES_SHUT),
        )
        smile = min((b["mouthSmileLeft"] + b["mouthSmileRight"]) / 2 / t.SMILE_FULL, 1.0)
        return 0.5 * max(value / (calm + smile * (smiling - calm)) for value, (calm, smiling) in signs)

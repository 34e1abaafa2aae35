"""Evidence about one picture, each figure computed when first asked for.

Frames: boxes and points are in pixels of the working frame unless a name says `share` (parts of the picture's shorter
side). Angles are degrees, signs as in `vision.mesh`.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from PIL import Image

from detection import thresholds as t
from detection.pictures import Picture
from detection.vision import bodies, poses
from detection.vision.blendshapes import Blendshapes
from detection.vision.bodies import BodyDetector, Person
from detection.vision.crops import Region
from detection.vision.faces import FaceDetector
from detection.vision.hands import Hand, HandDetector
from detection.vision.mesh import FaceMesh, Mesh
from detection.vision.poses import Pose, PoseDetector
from detection.vision.runtime import Array
from detection.vision.segmentation import Segmentation
from detection.vision.ssd import Detection


class Networks:
    """The networks, each opened when first used. For one thread at a time."""

    @cached_property
    def faces(self) -> FaceDetector:
        """Face detector."""
        return FaceDetector()

    @cached_property
    def mesh(self) -> FaceMesh:
        """Face mesh."""
        return FaceMesh()

    @cached_property
    def blendshapes(self) -> Blendshapes:
        """Expression."""
        return Blendshapes()

    @cached_property
    def bodies(self) -> BodyDetector:
        """Persons."""
        return BodyDetector()

    @cached_property
    def poses(self) -> PoseDetector:
        """Body pose."""
        return PoseDetector()

    @cached_property
    def hands(self) -> HandDetector:
        """Hands."""
        return HandDetector()

    @cached_property
    def segmentation(self) -> Segmentation:
        """Person mask."""
        return Segmentation()


class Measurements:
    """Everything that the rules may ask about one picture."""

    def __init__(self, picture: Picture, networks: Networks) -> None:
        self.picture = picture
        self._networks = networks

    @property
    def _image(self) -> Image.Image:
        return self.picture.image

    @cached_property
    def short_side(self) -> int:
        """Shorter side of the working frame, pixels."""
        return min(self.picture.size)

    @cached_property
    def faces(self) -> list[Detection]:
        """Faces, best first."""
        return self._networks.faces(self._image, t.FACE_SCORE_MIN)

    @cached_property
    def persons(self) -> list[Person]:
        """Bodies, best first."""
        return self._networks.bodies(self._image, t.PERSON_SCORE_MIN)

    @cached_property
    def face(self) -> Detection | None:
        """The main face: the largest of those found."""
        return max(self.faces, key=lambda f: f.width, default=None)

    @cached_property
    def mesh(self) -> Mesh | None:
        """The main face's mesh, looked at twice: in the detector's box, then around the points of the first look."""
        if self.face is None:
            return None
        first = self._networks.mesh(self._image, FaceMesh.region(self.face))
        if first.presence < t.PRESENCE_MIN:
            return first
        second = self._networks.mesh(self._image, FaceMesh.closer(first))
        return second if second.presence >= first.presence - 0.1 else first

    @cached_property
    def presence(self) -> float:
        """That the main face is a face seen from the front half, 0 to 1; 0 without a face."""
        return self.mesh.presence if self.mesh else 0.0

    @cached_property
    def people(self) -> int:
        """How many persons: bodies, and faces that belong to none of them."""
        persons = list(self.persons)
        if (
            len(persons) == 1
            and persons[0].score < t.WEAK_PERSON_SCORE
            and self.presence < t.PRESENCE_OF_WEAK_PERSON
        ):
            persons = []
        tallest = max((p.box[3] - p.box[1] for p in persons), default=0.0)
        count = sum(p.box[3] - p.box[1] >= t.OTHER_PERSON_SIZE_MIN * tallest for p in persons)
        widest = max((f.width for f in self.faces), default=0.0)
        for face in self.faces:
            if face.score < t.FACE_SCORE_COUNTED or face.width < t.OTHER_FACE_SIZE_MIN * widest:
                continue
            if not any(math.dist(face.centre, p.head) < face.width for p in persons):
                count += 1
        return count

    @cached_property
    def body(self) -> Person | None:
        """The body that the main face belongs to, else the best."""
        if self.face is None:
            return self.persons[0] if self.persons else None
        face = self.face
        near = [p for p in self.persons if math.dist(face.centre, p.head) < 1.5 * face.width]
        return max(near, key=lambda p: p.score, default=None)

    @cached_property
    def face_share(self) -> float | None:
        """Longer side of the face box in shorter sides of the picture."""
        if self.face is None:
            return None
        return max(self.face.width, self.face.height) / self.short_side

    @cached_property
    def face_luma(self) -> Array | None:
        """Luma of the face, 128 × 128, box grown by a fifth."""
        if self.face is None:
            return None
        x, y = self.face.centre
        half = 0.6 * max(self.face.width, self.face.height)
        box = (
            max(x - half, 0),
            max(y - half, 0),
            min(x + half, self._image.width),
            min(y + half, self._image.height),
        )
        if box[2] - box[0] < 2 or box[3] - box[1] < 2:
            return None
        small = self._image.resize((128, 128), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        return np.asarray(small.convert("L"), np.float32)

    @cached_property
    def luma(self) -> float:
        """Mean luma, 0 to 255, of the face, or of the picture where there is none."""
        if self.face_luma is None:
            return float(np.asarray(self.picture.small.convert("L"), np.float32).mean())
        return float(self.face_luma.mean())

    @cached_property
    def sharpness(self) -> float | None:
        """1000 × variance of the Laplacian ÷ variance of the luma, on the face at 128 × 128."""
        y = self.face_luma
        if y is None:
            return None
        laplacian = y[1:-1, :-2] + y[1:-1, 2:] + y[:-2, 1:-1] + y[2:, 1:-1] - 4 * y[1:-1, 1:-1]
        return float(1000 * laplacian.var() / max(float(y.var()), 1.0))

    @cached_property
    def yaw(self) -> float | None:
        """Absolute yaw, degrees."""
        return None if self.mesh is None else abs(self.mesh.pose.yaw)

    @cached_property
    def roll(self) -> float | None:
        """Absolute roll, degrees."""
        return None if self.mesh is None else abs(self.mesh.pose.roll)

    @cached_property
    def pitch(self) -> float | None:
        """Absolute pitch about the usual one, degrees."""
        return None if self.mesh is None else abs(self.mesh.pose.pitch - t.PITCH_NEUTRAL)

    @cached_property
    def shoulders_swapped(self) -> bool:
        """The left shoulder is left in the image: the back is seen."""
        p = self.body
        if p is None:
            return False
        left, right = bodies.LEFT_SHOULDER, bodies.RIGHT_SHOULDER
        if min(p.scores[left], p.scores[right]) < t.KEYPOINT_MIN:
            return False
        return bool(p.points[left, 0] < p.points[right, 0])

    @cached_property
    def forehead_room(self) -> float | None:
        """From the mesh's highest forehead point to the top edge, in face heights."""
        if self.mesh is None:
            return None
        x1, y1, x2, y2 = self.mesh.box
        return y1 / max(y2 - y1, 1.0)

    @cached_property
    def hips_line(self) -> float | None:
        """y of the lower hip that is seen inside the frame, pixels."""
        p = self.body
        if p is None:
            return None
        hips = [i for i in (bodies.LEFT_HIP, bodies.RIGHT_HIP) if p.scores[i] > t.KEYPOINT_MIN]
        inside = [float(p.points[i, 1]) for i in hips if p.points[i, 1] < self.picture.size[1]]
        return max(inside, default=None)

    @cached_property
    def occlusion(self) -> float | None:
        """How much the mouth or eye points move between three crops, in units of the limit of each."""
        if self.mesh is None or self.face is None:
            return None
        base = FaceMesh.region(self.face)
        width = self.face.width
        runs = [self._networks.mesh(self._image, base)]
        for shift, scale in ((0.06, 1.10), (-0.06, 0.92)):
            region = Region(base.x + shift * width, base.y, base.side * scale, base.angle)
            runs.append(self._networks.mesh(self._image, region))
        spread = np.stack([r.points[:, :2] for r in runs]).std(0).mean(1) / self.mesh.eye_distance
        mouth = float(spread[[0, 13, 14, 17, 61, 291, 199]].mean())
        eyes = float(spread[[33, 133, 159, 145, 263, 362, 386, 374]].mean())
        return 0.5 * max(mouth / 0.0125, eyes / 0.009)

    @cached_property
    def hand(self) -> Hand | None:
        """The most certain hand near the head."""
        if self.face is None:
            return None
        x, y = self.face.centre
        region = Region(x, y, 2.6 * max(self.face.width, self.face.height))
        palms = self._networks.hands.palms(self._image, region, t.PALM_SCORE_MIN)[:2]
        hands = [self._networks.hands(self._image, palm) for palm in palms]
        return max(hands, key=lambda h: h.presence, default=None)

    @cached_property
    def hand_near_face(self) -> float | None:
        """Presence of a hand of which a point lies in the face box grown by 40 %; 0 without one."""
        if self.face is None:
            return None
        if self.hand is None:
            return 0.0
        x, y = self.face.centre
        reach = 0.7 * max(self.face.width, self.face.height)
        inside = np.abs(self.hand.points - (x, y)).max(1) < reach
        return self.hand.presence if inside.any() else 0.0

    @cached_property
    def expression(self) -> float | None:
        """How exaggerated, 0.5 at the limit."""
        if self.mesh is None:
            return None
        b = self._networks.blendshapes(self.mesh)
        p = self.mesh.points
        mouth = float(np.linalg.norm(p[13] - p[14]) / max(float(np.linalg.norm(p[61] - p[291])), 1.0))
        return 0.5 * max(
            mouth / 0.32,
            b["jawOpen"] / 0.25,
            max(b["mouthLowerDownLeft"], b["mouthLowerDownRight"]) / 0.4,
            max(b["mouthStretchLeft"], b["mouthStretchRight"]) / 0.4,
        )

    @cached_property
    def pose(self) -> Pose | None:
        """BlazePose of the main body."""
        found = self._networks.poses.find(self._image, 0.5)
        if not found:
            return None
        return self._networks.poses(self._image, PoseDetector.region(found[0]))

    @cached_property
    def body_yaw(self) -> float | None:
        """Turn of the shoulders, degrees, 0 frontal, 180 from behind."""
        p = self.pose
        if p is None:
            return None
        d = p.world[poses.LEFT_SHOULDER] - p.world[poses.RIGHT_SHOULDER]
        return abs(math.degrees(math.atan2(float(d[2]), float(d[0]))))

    def _inside(self, i: int) -> bool:
        p = self.pose
        if p is None:
            return False
        x, y = p.points[i]
        return bool(
            p.visibility[i] > t.VISIBILITY_MIN
            and 0 <= x < self.picture.size[0]
            and 0 <= y < self.picture.size[1]
        )

    @cached_property
    def ankles(self) -> int:
        """Ankles seen inside the frame."""
        return sum(self._inside(i) for i in (poses.LEFT_ANKLE, poses.RIGHT_ANKLE))

    @cached_property
    def knees(self) -> int:
        """Knees seen inside the frame."""
        return sum(self._inside(i) for i in (poses.LEFT_KNEE, poses.RIGHT_KNEE))

    @cached_property
    def seated(self) -> float | None:
        """Smallest angle between torso and thigh, degrees; only where knees are seen."""
        p = self.pose
        if p is None or not self.knees:
            return None
        angles = []
        for shoulder, hip, knee in ((11, 23, 25), (12, 24, 26)):
            a, b = p.world[shoulder] - p.world[hip], p.world[knee] - p.world[hip]
            cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))
            angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
        return min(angles)

    @cached_property
    def body_style(self) -> str:
        """`full`, `half`, or empty where too little or an awkward part of the body is seen."""
        p = self.body
        if self.ankles:
            return "full"
        if self.knees:
            return ""
        if p is None or self.face is None:
            return ""
        shoulders = p.points[[bodies.LEFT_SHOULDER, bodies.RIGHT_SHOULDER], 1].mean()
        room = (self.picture.size[1] - shoulders) / max(self.face.height, 1.0)
        return "half" if room > 2.0 else ""

"""Evidence about one picture, each figure computed when first asked for.

Frames: boxes and points are in pixels of the working frame unless a name says `share` (parts of the picture's shorter
side). Angles are degrees, signs as in `vision.mesh`.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from screentest.detection import thresholds as t
from screentest.detection.pictures import Picture
from screentest.detection.vision import bodies, poses
from screentest.detection.vision.blendshapes import Blendshapes
from screentest.detection.vision.bodies import BodyDetector, Person
from screentest.detection.vision.crops import Pixels, Points, Region, cut
from screentest.detection.vision.faces import FaceDetector
from screentest.detection.vision.hands import Hand, HandDetector
from screentest.detection.vision.mesh import FaceMesh, Mesh
from screentest.detection.vision.occlusion import Occlusion, OcclusionNet
from screentest.detection.vision.poses import Pose, PoseDetector
from screentest.detection.vision.runtime import Array
from screentest.detection.vision.ssd import Detection

# Mesh points: outline of the face, rings about the subject's right and left eye, and of the cheeks below them.
_OUTLINE: tuple[int, ...] = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_EYES = ((33, 159, 133, 145), (263, 386, 362, 374))
_MOUTH = (61, 291, 13, 14, 0, 17)
_CHEEKS = ((50, 101, 205, 187), (280, 330, 425, 411))

_KNEES = [bodies.LEFT_KNEE, bodies.RIGHT_KNEE]
_POSE_KNEES = [poses.LEFT_KNEE, poses.RIGHT_KNEE]
_POSE_HIPS = [poses.LEFT_HIP, poses.RIGHT_HIP]


def _patch(values: Array, centre: Points, half: float) -> Array:
    """The values in a square about `centre` `(x, y)`, at least one."""
    height, width = values.shape
    x1, y1 = (int(min(max(v, 0), side - 1)) for v, side in zip(centre - half, (width, height), strict=True))
    x2, y2 = (int(min(max(v + 1, 1), side)) for v, side in zip(centre + half, (width, height), strict=True))
    return values[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].ravel()


def _inside(outline: Points, points: Points) -> npt.NDArray[np.bool_]:
    """Which `points` lie within the polygon `outline`: even-odd rule."""
    x, y = points[:, 0, None], points[:, 1, None]
    (ax, ay), (bx, by) = outline.T, np.roll(outline, 1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return np.asarray(crossing.sum(1) % 2 == 1)


def luma(pixels: Pixels) -> Array:
    """Luma of RGB pixels, 0 to 255."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(pixels.astype(np.float32) @ weights, np.float32)


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
    def occlusion(self) -> OcclusionNet:
        """What covers a face."""
        return OcclusionNet()


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
    def _first_look(self) -> list[Detection]:
        return self._networks.faces(self._image, t.FACE_CANDIDATE_MIN)

    def _look(self, region: Region, least: float = t.FACE_SCORE_MIN) -> list[Detection]:
        return self._networks.faces(self._image, least, region)

    @cached_property
    def faces(self) -> list[Detection]:
        """Faces, best first: of the whole picture, small and doubtful ones looked at again from near."""
        long = max(self.picture.size)
        found: list[Detection] = []
        for face in self._first_look[: t.FACE_CANDIDATES]:
            sure = face.score >= t.FACE_SCORE_MIN
            if sure and face.width >= t.SMALL_FACE * long:
                found.append(face)
                continue
            near = self._look(Region(*face.centre, t.NEAR_REGION * face.width))
            near = [f for f in near if math.dist(f.centre, face.centre) < face.width]
            found.extend(near[:1] if near or not sure else [face])
        if not found:
            return self._other_looks()
        # One small face without a body is often the one of a row of people that was large enough to be seen.
        sure = any(person.score >= t.PERSON_SCORE_SURE for person in self._bodies)
        if len(found) == 1 and found[0].width < t.SMALL_FACE * long and not sure:
            found.extend(
                f for f in self._in_squares() if math.dist(f.centre, found[0].centre) > found[0].width
            )
        return found

    def _other_looks(self) -> list[Detection]:
        """Where the first look saw no face: at the heads of bodies, from further off, in parts, and turned."""
        for person in self.persons[:2]:
            found = self._look(self._head_region(person))
            if found:
                return found
        width, height = self.picture.size
        far = Region(width / 2, height / 2, t.FAR_REGION * max(width, height))
        return self._look(far) or self._in_squares() or self._turned_face()

    def _in_squares(self) -> list[Detection]:
        """Faces in overlapping squares along a long picture; none of a picture that is not long."""
        width, height = self.picture.size
        long, short = float(max(width, height)), float(min(width, height))
        if long <= t.LONG_PICTURE * short:
            return []
        found: list[Detection] = []
        count = min(math.ceil(2 * long / short) - 1, t.SQUARES)
        for step in np.linspace(short / 2, long - short / 2, count):
            x, y = (float(step), height / 2) if width > height else (width / 2, float(step))
            found.extend(self._look(Region(x, y, short)))
        return found

    def _turned_face(self) -> list[Detection]:
        """A face that lies on its side or stands on its head, confirmed by its mesh."""
        width, height = self.picture.size
        for angle in (math.pi / 2, -math.pi / 2, math.pi):
            region = Region(width / 2, height / 2, float(max(width, height)), angle)
            for face in self._look(region, t.TURNED_FACE_SCORE_MIN)[:1]:
                mesh = self._networks.mesh(self._image, FaceMesh.region(face))
                if mesh.presence > t.PRESENCE_MIN and mesh.pose.residual < t.RESIDUAL_MAX:
                    return [face]
        return []

    def _head_region(self, person: Person) -> Region:
        x, y = person.head
        shoulders = person.points[[bodies.LEFT_SHOULDER, bodies.RIGHT_SHOULDER]]
        span = float(np.linalg.norm(shoulders[0] - shoulders[1]))
        height = person.box[3] - person.box[1]
        return Region(x, y, max(t.HEAD_IN_SHOULDERS * span, t.HEAD_IN_HEIGHT * height))

    @cached_property
    def _bodies(self) -> list[Person]:
        return self._networks.bodies(self._image, t.PERSON_SCORE_FAINT)

    @cached_property
    def persons(self) -> list[Person]:
        """Bodies, best first, each head once."""
        people: list[Person] = []
        for person in self._bodies:
            if people:
                if person.score < t.OTHER_PERSON_SCORE_MIN or person.head_score < t.OTHER_HEAD_SCORE_MIN:
                    continue
            elif person.score < t.PERSON_SCORE_MIN:
                continue
            size = 0.12 * (person.box[3] - person.box[1])
            near = [f.width for f in self._first_look if math.dist(f.centre, person.head) < f.width]
            apart = 0.7 * max([*near, size])
            if all(math.dist(person.head, other.head) > apart for other in people):
                people.append(person)
        return people

    @cached_property
    def face(self) -> Detection | None:
        """The main face: the largest, doubtful ones counting less."""
        return max(self.faces, key=lambda f: f.width * f.score, default=None)

    @cached_property
    def mesh(self) -> Mesh | None:
        """The main face's mesh; where it shows none, or fits badly, a face on its side or head is looked for."""
        if self.face is None:
            return None
        mesh = self._mesh_of(self.face)
        if mesh.presence >= t.PRESENCE_MIN:
            return self._upside_down(self.face, mesh) or mesh
        for face in self._turned_face():
            self.face = face
            return self._mesh_of(face)
        return mesh

    def _upside_down(self, face: Detection, mesh: Mesh) -> Mesh | None:
        """The mesh of a face that stands on its head, where an upright one clings to it: eyes on eyes, the mouth on the
        hairline. Detector and mesh must both like the face better turned.

        A body whose shoulders lie below the face is upright: MoveNet never turned one over for such a face.
        """
        doubtful = face.score < t.UPRIGHT_SCORE_SURE and mesh.pose.residual > t.RESIDUAL_SURE
        if not doubtful or abs(mesh.pose.roll) > t.UPRIGHT_ROLL_MAX:
            return None
        shoulders = [bodies.LEFT_SHOULDER, bodies.RIGHT_SHOULDER]
        if self.body is not None and self.body.points[shoulders, 1].mean() > face.box[3]:
            return None
        side = t.UPRIGHT_REGION * face.width
        upright = self._look(Region(*face.centre, side), t.FACE_CANDIDATE_MIN)
        turned = self._look(Region(*face.centre, side, math.pi), t.FACE_CANDIDATE_MIN)
        least = (upright[0].score if upright else 0.0) + t.UPSIDE_DOWN_LEAD
        if not turned or turned[0].score < least:
            return None
        other = self._mesh_of(turned[0])
        fits = other.presence >= t.PRESENCE_MIN and other.pose.residual < mesh.pose.residual
        if not fits or abs(other.pose.roll) < 180 - t.UPRIGHT_ROLL_MAX:
            return None
        self.face = turned[0]
        return other

    def _mesh_of(self, face: Detection) -> Mesh:
        """Looked at in the detector's box, and again around the points of the first look where that is elsewhere."""
        first = self._networks.mesh(self._image, FaceMesh.region(face))
        if first.presence < t.PRESENCE_MIN:
            return first
        closer = FaceMesh.closer(first)
        if closer.near(first.region):
            return first
        second = self._networks.mesh(self._image, closer)
        return second if second.presence >= first.presence - 0.1 else first

    @cached_property
    def presence(self) -> float:
        """That the main face is a face seen from the front half, 0 to 1; 0 without a face."""
        return self.mesh.presence if self.mesh else 0.0

    @property
    def visible(self) -> bool:
        """Whether the main face can be seen."""
        return self.presence >= t.PRESENCE_MIN

    @cached_property
    def facing_away(self) -> bool:
        """Whether the back is seen: no face, and the left shoulder left in the image."""
        return not self.visible and self.shoulders_swapped

    @cached_property
    def body_score(self) -> float:
        """Score of BlazePose's body detector, 0 without."""
        return max((d.score for d in self._networks.poses.find(self._image, 0.3)), default=0.0)

    @cached_property
    def somebody(self) -> bool:
        """Whether there is a human with a head at all: a face by its mesh, or a body whose head is seen.

        Weak evidence needs a second witness. Garments and headless bodies are nobody: to the documents, no face is
        no human.
        """
        residual = (
            self.mesh.pose.residual if self.mesh is not None and self.presence >= t.PRESENCE_MIN else math.inf
        )
        if residual < t.RESIDUAL_SURE:
            return True
        best = max(self._bodies, key=lambda p: p.score, default=None)
        body, head = (best.score, best.head_score) if best else (0.0, 0.0)
        if body >= t.PERSON_SCORE_SURE and head >= t.KEYPOINT_MIN:
            return True
        if residual < t.RESIDUAL_MAX and (body >= t.PERSON_SCORE_MIN or self.body_score > t.BODY_SCORE_MIN):
            return True
        face = self.face.score if self.face else 0.0
        if body >= t.PERSON_SCORE_MIN and head >= t.KEYPOINT_MIN:
            return face >= t.FACE_SCORE_MIN or self.body_score >= t.BODY_SCORE_SURE
        if face >= t.FACE_SCORE_SURE:
            return self.body_score > t.BODY_SCORE_MIN
        three = face >= t.FACE_SCORE_COUNTED and body >= t.PERSON_SCORE_FAINT
        return three and self.body_score >= t.BODY_SCORE_SURE

    @cached_property
    def people(self) -> int:
        """How many persons: bodies, and faces that belong to none of them."""
        if not self.somebody:
            return 0
        persons = self.persons
        tallest = max((p.box[3] - p.box[1] for p in persons), default=0.0)
        # Of two close heads MoveNet may see one as a strip: a face belongs to bodies that count, or counts itself.
        counted = [p for p in persons if p.box[3] - p.box[1] >= t.OTHER_PERSON_SIZE_MIN * tallest]
        count = len(counted)
        widest = self.face.width if self.face else 0.0
        lonely = [f for f in self.faces if all(math.dist(f.centre, p.head) >= f.width for p in counted)]
        for face in lonely:
            if face is self.face and not count:
                count += 1
            elif face.width >= t.OTHER_FACE_SIZE_MIN * widest and face.score >= t.FACE_SCORE_COUNTED:
                mesh = self._networks.mesh(self._image, FaceMesh.region(face))
                count += mesh.presence >= t.PRESENCE_MIN
        return max(count, 1)

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
    def _close_up(self) -> tuple[Region, Array] | None:
        """The main face levelled, with its region: luma, 128 x 128, 85 pixels a face."""
        if self.face is None or self.mesh is None:
            return None
        region = FaceMesh.closer(self.mesh) if self.visible else FaceMesh.region(self.face)
        return region, luma(cut(self._image, region, 128))

    @cached_property
    def brightness(self) -> float:
        """Mean luma, 0 to 255, of the face; of the whole picture where no face is visible."""
        if self._close_up is None or not self.visible:
            return float(luma(np.asarray(self.picture.small)).mean())
        return float(self._close_up[1][21:107, 21:107].mean())

    @cached_property
    def sharpness(self) -> float | None:
        """Strength of the finest edges between brows and mouth against the contrast there, across the weaker axis.

        95th percentile of the absolute second difference of the luma at 43 pixels a face, in hundredths of the
        standard deviation. So coarse a grid that a sharp face of 30 pixels still counts as sharp; the weaker of the
        two axes, so that motion blur counts.
        """
        if self._close_up is None:
            return None
        y = self._close_up[1].reshape(64, 2, 64, 2).mean((1, 3))[18:50, 13:51]
        across = np.abs(y[1:-1, :-2] + y[1:-1, 2:] - 2 * y[1:-1, 1:-1])
        down = np.abs(y[:-2, 1:-1] + y[2:, 1:-1] - 2 * y[1:-1, 1:-1])
        edges = min(float(np.percentile(across, 95)), float(np.percentile(down, 95)))
        value = 100 * edges / max(float(y.std()), 1.0)
        # What is no face by its mesh may still be one that blur has wiped out, but only strong blur does.
        return value if self.visible or value < t.SHARPNESS_WIPED_OUT else None

    @cached_property
    def yaw(self) -> float | None:
        """Absolute yaw, degrees: of the mesh; of a head that it sees half turned also by where MoveNet puts the nose.

        On small heads the mesh stays behind.
        """
        if self.mesh is None:
            return None
        yaw = abs(self.mesh.pose.yaw)
        body = self.body
        features = [bodies.NOSE, bodies.LEFT_EYE, bodies.RIGHT_EYE]
        if yaw < t.YAW_DOUBTFUL or body is None or body.scores[features].min() < t.KEYPOINT_MIN:
            return yaw
        nose, left, right = body.points[features]
        between = left - right
        shift = abs(float((nose - (left + right) / 2) @ between)) / max(float(between @ between), 1.0)
        return max(yaw, t.YAW_MAX * shift / t.NOSE_SHIFT_MAX)

    @cached_property
    def roll(self) -> float | None:
        """Absolute roll, degrees."""
        return None if self.mesh is None else abs(self.mesh.pose.roll)

    @cached_property
    def pitch(self) -> float | None:
        """Absolute pitch about the usual one, degrees."""
        return None if self.mesh is None else abs(self.mesh.pose.pitch - t.PITCH_NEUTRAL)

    @cached_property
    def posed(self) -> bool:
        """Whether the head is near enough to frontal for the mesh to be trusted in detail."""
        if self.yaw is None or self.roll is None:
            return False
        return self.yaw < t.YAW_MAX and self.roll < t.ROLL_MAX

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
    def head_margin(self) -> float | None:
        """Smallest distance of the mesh from an edge of the frame, in its own heights (widths); negative outside.

        The top counts from just above the forehead, so that hair is not asked for.
        """
        if self.mesh is None:
            return None
        x1, y1, x2, y2 = self.mesh.box
        width, height = self.picture.size
        w, h = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
        return min(y1 / h - t.FOREHEAD_ROOM, x1 / w, (width - x2) / w, (height - y2) / h)

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
    def occlusion(self) -> Occlusion | None:
        """What covers the main face, by our own network; only near frontal."""
        if self.mesh is None or not self.posed:
            return None
        return self._networks.occlusion(self._image, OcclusionNet.region(self.mesh))

    @cached_property
    def eye_shade(self) -> float | None:
        """Median luma below the eyes in parts of the cheeks': dark glasses reach there, shadow seldom does."""
        if self.mesh is None or self._close_up is None or not self.posed:
            return None
        region, y = self._close_up
        points = region.from_picture(self.mesh.points) * 128
        cheeks = np.concatenate([_patch(y, points[list(ring)].mean(0), 0.09 * 128) for ring in _CHEEKS])
        shades = []
        for ring in _EYES:
            eye = points[list(ring)]
            centre, width = eye.mean(0), float(np.ptp(eye[:, 0]))
            shades.append(float(np.median(_patch(y, np.add(centre, (0, 0.25 * width)), 0.3 * width))))
        return float(np.mean(shades)) / max(float(np.median(cheeks)), 1.0)

    @cached_property
    def blank(self) -> float | None:
        """How much is to be seen at the emptiest of eyes and mouth: spread of the luma there in parts of the face's.

        A bar or a sticker of one colour is nothing that the network was shown.
        """
        if self.mesh is None or self._close_up is None or not self.posed:
            return None
        region, y = self._close_up
        points = region.from_picture(self.mesh.points) * 128
        spreads = []
        for ring, reach in (*((ring, 0.35) for ring in _EYES), (_MOUTH, 0.3)):
            place = points[list(ring)]
            spreads.append(float(_patch(y, place.mean(0), reach * float(np.ptp(place[:, 0]))).std()))
        return min(spreads) / max(float(y[21:107, 21:107].std()), 1.0)

    @cached_property
    def object(self) -> float | None:
        """That something other than a mask or sunglasses is before the face, 0 to 1: the network's probability, or 1
        where nothing is to be seen."""
        if self.occlusion is None or self.blank is None or self.sunglasses is None:
            return None
        named = self.occlusion.mask > t.MASK_MAX or self.sunglasses > t.SUNGLASSES_MAX
        return 1.0 if self.blank < t.BLANK_MAX and not named else self.occlusion.object

    @cached_property
    def sunglasses(self) -> float | None:
        """The network's probability, held down where it is not dark below the eyes; 0 to 1."""
        if self.occlusion is None or self.eye_shade is None:
            return None
        dark, light = t.EYE_SHADE
        shade = min(max((light - self.eye_shade) / (light - dark), 0.0), 1.0)
        return self.occlusion.sunglasses * (t.UNSHADED_WEIGHT + (1 - t.UNSHADED_WEIGHT) * shade)

    @cached_property
    def _hand_distance(self) -> float:
        """From the face's centre to the nearer wrist in face widths, however doubtful; 0 where no body is found."""
        if self.face is None or self.body is None:
            return 0.0
        wrists = self.body.points[[bodies.LEFT_WRIST, bodies.RIGHT_WRIST]]
        near = min(math.dist(wrist, self.face.centre) for wrist in wrists)
        return near / max(self.face.width, self.face.height)

    @cached_property
    def hands(self) -> list[Hand]:
        """Hands about the head, found by their palms."""
        if self.face is None:
            return []
        x, y = self.face.centre
        region = Region(x, y, t.HAND_REGION * max(self.face.width, self.face.height))
        palms = self._networks.hands.palms(self._image, region, t.PALM_SCORE_MIN)[: t.PALMS]
        hands = [self._networks.hands(self._image, palm) for palm in palms]
        return [hand for hand in hands if hand.presence >= t.HAND_PRESENCE_MIN]

    @cached_property
    def hand_over_face(self) -> float:
        """The better of two witnesses, 0 to 1: our network, and how much of a hand lies within the face's outline."""
        if self.mesh is None:
            return 0.0
        outline = self.mesh.points[list(_OUTLINE), :2]
        seen, near = (self.occlusion.hand, self.occlusion.hand_near) if self.occlusion else (0.0, 1.0)
        # Palms cost more than all else about a face: they are looked for where the network sees a hint of a hand.
        hands = self.hands if max(seen, near) >= t.HAND_HINT else []
        points = max((int(_inside(outline, hand.points).sum()) for hand in hands), default=0)
        return max(seen, min(1.0, points / t.HAND_POINTS_FULL))

    @cached_property
    def hand_distance(self) -> float | None:
        """From the face's centre to the nearest point of a hand, or to a wrist that is surely one, in face widths."""
        if self.face is None:
            return None
        x, y = self.face.centre
        size = max(self.face.width, self.face.height)
        hinted = self.occlusion is None or self.occlusion.hand_near >= t.HAND_HINT
        hands = self.hands if hinted or self._hand_distance <= t.WRIST_FAR else []
        distances = [float(np.abs(hand.points - (x, y)).max(1).min()) / size for hand in hands]
        if self.body is not None:
            for wrist in (bodies.LEFT_WRIST, bodies.RIGHT_WRIST):
                if self.body.scores[wrist] >= t.KEYPOINT_MIN:
                    distances.append(math.dist(self.body.points[wrist], (x, y)) / size)
        if self.occlusion is not None and self.occlusion.hand_near >= t.HAND_NEAR_SURE:
            distances.append(t.HAND_NEAR_DISTANCE)
        return min(distances, default=t.NO_HAND_DISTANCE)

    @cached_property
    def expression(self) -> float | None:
        """How exaggerated, 0.5 at the limit: the strongest of a mouth wide open, lips drawn apart, eyes screwed up."""
        if self.mesh is None:
            return None
        b = self._networks.blendshapes(self.mesh)
        p = self.mesh.points
        mouth = float(np.linalg.norm(p[13] - p[14]) / max(float(np.linalg.norm(p[61] - p[291])), 1.0))
        return 0.5 * max(
            mouth / t.MOUTH_OPEN,
            b["jawOpen"] / t.JAW_OPEN,
            max(b["mouthLowerDownLeft"], b["mouthLowerDownRight"]) / t.LIP_DOWN,
            max(b["mouthStretchLeft"], b["mouthStretchRight"]) / t.MOUTH_STRETCHED,
            (b["eyeBlinkLeft"] + b["eyeBlinkRight"]) / 2 / t.EYES_SHUT,
        )

    @cached_property
    def pose(self) -> Pose | None:
        """BlazePose of the main body; a small one is looked for from near."""
        found = self._networks.poses.find(self._image, 0.5)
        body = self.body
        if not found and body is not None:
            x1, y1, x2, y2 = body.box
            region = Region((x1 + x2) / 2, (y1 + y2) / 2, 1.4 * max(x2 - x1, y2 - y1))
            found = self._networks.poses.find(self._image, 0.5, region)
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

    def _seen(self, *points: int) -> list[int]:
        """Those points of the pose that are visible inside the frame."""
        p = self.pose
        if p is None:
            return []
        width, height = self.picture.size
        inside = [i for i in points if 0 <= p.points[i, 0] < width and 0 <= p.points[i, 1] < height]
        return [i for i in inside if p.visibility[i] >= t.VISIBILITY_MIN]

    @cached_property
    def legs_agreed(self) -> bool:
        """Whether the two networks see one pair of hips. On portraits down to the waist BlazePose may invent a seated
        body whose hips lie well above those that MoveNet sees: then its legs are invented as well."""
        p, body, face = self.pose, self.body, self.face
        if p is None:
            return False
        hips = [bodies.LEFT_HIP, bodies.RIGHT_HIP]
        if body is None or face is None or float(body.scores[hips].max()) < t.HIPS_FAINT:
            return True
        invented = float(p.points[_POSE_HIPS, 1].mean())
        above = float(body.points[hips, 1].mean()) - invented
        return above / max(face.width, face.height) < t.HIPS_APART_MAX

    @cached_property
    def ankles(self) -> int:
        """Ankles seen inside the frame: surely, or with room for a foot below."""
        p = self.pose
        if p is None or not self.legs_agreed:
            return 0
        lowest = self.picture.size[1] - t.FOOT_ROOM * self._thigh(p)
        seen = self._seen(poses.LEFT_ANKLE, poses.RIGHT_ANKLE)
        return sum(p.visibility[i] >= t.ANKLE_SURE or p.points[i, 1] < lowest for i in seen)

    @cached_property
    def torso_thigh_angle(self) -> float | None:
        """Smallest angle between torso and thigh, degrees; only where either network sees a knee in the frame."""
        p = self.pose
        if p is None or not self.legs_agreed:
            return None
        if not self._sure_knees and not self._knee_in_frame:
            return None
        angles = []
        for shoulder, hip, knee in ((11, 23, 25), (12, 24, 26)):
            a, b = p.world[shoulder] - p.world[hip], p.world[knee] - p.world[hip]
            cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))
            angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
        return min(angles)

    @cached_property
    def shin_share(self) -> float | None:
        """How much of the shins is seen although no ankle is, in lengths of the thigh; only where knees are seen.

        MoveNet places knees that it sees better than BlazePose, which follows its idea of a whole body.
        """
        p, body = self.pose, self.body
        if p is None or body is None:
            return None
        if self.ankles:
            return 0.0
        score = float(body.scores[_KNEES].mean())
        if score >= t.KNEES_SEEN:
            share = self._below(body.points[_KNEES, 1], p)
        elif score >= t.KNEES_DOUBTFUL and self.legs_agreed and self._sure_knees == 2:
            # Under a coat, robe or skirt MoveNet doubts the knees. BlazePose's lie a little too high.
            share = max(0.0, self._below(p.points[_POSE_KNEES, 1], p) - t.KNEES_TOO_HIGH)
        else:
            return None
        # Below so much of legs the frame does not end above the ankles: a hem or shoes hide them.
        return share if share < t.WHOLE_SHINS else 0.0

    @property
    def _sure_knees(self) -> int:
        return len(self._seen(*_POSE_KNEES))

    @property
    def _knee_in_frame(self) -> bool:
        """By MoveNet."""
        body = self.body
        if body is None:
            return False
        return any(
            body.scores[i] >= t.KNEES_SEEN and body.points[i, 1] < self.picture.size[1] for i in _KNEES
        )

    @cached_property
    def depth(self) -> float:
        """How far the frame reaches below the face box, in face sizes; 0 without a face."""
        if self.face is None:
            return 0.0
        return max(0.0, self.picture.size[1] - self.face.box[3]) / max(self.face.width, self.face.height)

    @cached_property
    def hips_depth(self) -> float:
        """`depth` where the body has at least faint hips, else 0: an empty wall below a bust is no body."""
        p = self.body
        if p is None or float(p.scores[[bodies.LEFT_HIP, bodies.RIGHT_HIP]].max()) < t.HIPS_FAINT:
            return 0.0
        return self.depth

    @cached_property
    def torso_share(self) -> float:
        """How much of the way from shoulders to hips the frame shows, 0 to 1: by the pose, or if more by `depth`.

        The pose extrapolates hips that are outside; where it sees little of a body it makes the torso too long.
        """
        by_depth = min(1.0, self.depth / t.TORSO_DEPTH)
        p = self.pose
        if p is None:
            return 0.0 if self.body is None else by_depth
        shoulders = float(p.points[[poses.LEFT_SHOULDER, poses.RIGHT_SHOULDER], 1].mean())
        hips = float(p.points[_POSE_HIPS, 1].mean())
        by_pose = min(1.0, max(0.0, (self.picture.size[1] - shoulders) / max(hips - shoulders, 1.0)))
        return max(by_pose, by_depth)

    @property
    def body_style(self) -> str:
        """`full` with an ankle in the frame, or room for one below the knees; else `half`."""
        room = self.pose is not None and self._room_for_ankles()
        return "full" if self.ankles or room else "half"

    def _room_for_ankles(self) -> bool:
        body, p = self.body, self.pose
        if body is None or p is None or float(body.scores[_KNEES].mean()) < t.KNEES_SEEN:
            return False
        return self._below(body.points[_KNEES, 1], p) >= t.WHOLE_SHINS

    def _thigh(self, p: Pose) -> float:
        """Length of the longer thigh, pixels."""
        thigh = p.points[_POSE_KNEES] - p.points[_POSE_HIPS]
        return max(float(np.linalg.norm(thigh, axis=1).max()), 1.0)

    def _below(self, heights: Points, p: Pose) -> float:
        """From the mean of these heights to the lower edge of the frame, in thigh lengths."""
        return max(0.0, (self.picture.size[1] - float(heights.mean())) / self._thigh(p))

"""Who is judged: the faces and bodies of a picture, and which of them are the main person's. Settled once.

Frame: pixels of the working frame (`Picture.size`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.lazy import lazy
from screentest.detection.pictures import Picture
from screentest.detection.vision.bodies import LEFT_SHOULDER, RIGHT_SHOULDER, Person, Scene
from screentest.detection.vision.crops import Region
from screentest.detection.vision.mesh import FaceMesh, Mesh
from screentest.detection.vision.networks import Networks
from screentest.detection.vision.runtime import Array
from screentest.detection.vision.ssd import Detection


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What was found.

    Attributes:
        faces: best first, in all looks together; of a face that was seen better turned, as it was seen first.
        candidates: bodies of any score from `PERSON_SCORE_FAINT`, best first.
        persons: those of the candidates that count as persons, best first, each head once.
        face: the main face: the largest, doubtful ones counting less; turned, if it lies or stands on its head.
        mesh: the mesh of `face`, however little of a face it shows; `None` without a face.
        body: the body that the main face belongs to; the best one where there is no face.
        features: what MoveNet's backbone saw of the picture as a whole, `(2560,)`.
    """

    faces: tuple[Detection, ...]
    candidates: tuple[Person, ...]
    persons: tuple[Person, ...]
    face: Detection | None
    mesh: Mesh | None
    body: Person | None
    features: Array

    @property
    def presence(self) -> float:
        """That the main face is a face seen from the front half, 0 to 1; 0 without a face."""
        return 0.0 if self.mesh is None else self.mesh.presence

    @property
    def visible(self) -> bool:
        """Whether the main face can be seen."""
        return self.presence >= t.PRESENCE_MIN


def settle(picture: Picture, networks: Networks) -> Subject:
    """Find faces and bodies in `picture`, and decide whom the measurements are about."""
    search = _Search(picture, networks)
    faces, candidates, persons = tuple(search.faces()), tuple(search.candidates), tuple(search.persons)
    face = max(faces, key=lambda f: f.width * f.score, default=None)
    if face is None:
        return Subject(
            faces, candidates, persons, None, None, persons[0] if persons else None, search.scene.features
        )
    mesh = search.mesh(face)
    if mesh.presence < t.PRESENCE_MIN:
        # No face from the front half as it stands: one that lies or stands on its head is looked for.
        turned = search.turned_face()
        if turned is not None:
            face, mesh = turned, search.mesh(turned)
        return Subject(faces, candidates, persons, face, mesh, _body_of(face, persons), search.scene.features)
    body = _body_of(face, persons)
    face, mesh = search.upside_down(face, mesh, body) or (face, mesh)
    return Subject(faces, candidates, persons, face, mesh, body, search.scene.features)


def _body_of(face: Detection, persons: tuple[Person, ...]) -> Person | None:
    near = [p for p in persons if math.dist(face.centre, p.head) < 1.5 * face.width]
    return max(near, key=lambda p: p.score, default=None)


class _Search:
    """Looks at one picture, as often as it takes."""

    def __init__(self, picture: Picture, networks: Networks) -> None:
        self._image = picture.image
        self._size = picture.size
        self._networks = networks

    @lazy
    def _first_look(self) -> list[Detection]:
        return self._networks.faces(self._image, t.FACE_CANDIDATE_MIN)

    def _look(self, region: Region, min_score: float = t.FACE_SCORE_MIN) -> list[Detection]:
        return self._networks.faces(self._image, min_score, region)

    @lazy
    def scene(self) -> Scene:
        """Bodies, best first, faint ones included, and the features of the picture as a whole."""
        return self._networks.bodies(self._image, t.PERSON_SCORE_FAINT)

    @property
    def candidates(self) -> list[Person]:
        """Bodies, best first, faint ones included."""
        return self.scene.persons

    @lazy
    def persons(self) -> list[Person]:
        """Bodies that count, best first, each head once."""
        persons: list[Person] = []
        for person in self.candidates:
            if persons:
                if person.score < t.OTHER_PERSON_SCORE_MIN or person.head_score < t.OTHER_HEAD_SCORE_MIN:
                    continue
            elif person.score < t.PERSON_SCORE_MIN:
                continue
            size = 0.12 * person.height
            near = [f.width for f in self._first_look if math.dist(f.centre, person.head) < f.width]
            apart = 0.7 * max([*near, size])
            if all(math.dist(person.head, other.head) > apart for other in persons):
                persons.append(person)
        return persons

    def faces(self) -> list[Detection]:
        """Faces, best first: of the whole picture, small and doubtful ones looked at again from near."""
        long = max(self._size)
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
        sure = any(person.score >= t.PERSON_SCORE_SURE for person in self.candidates)
        if len(found) == 1 and found[0].width < t.SMALL_FACE * long and not sure:
            found.extend(
                f for f in self._in_squares() if math.dist(f.centre, found[0].centre) > found[0].width
            )
        return found

    def _other_looks(self) -> list[Detection]:
        """Where the first look saw no face: at the heads of bodies, from further off, in parts, and turned."""
        for person in self.persons[:2]:
            found = self._look(_head_region(person))
            if found:
                return found
        width, height = self._size
        far = Region(width / 2, height / 2, t.FAR_REGION * max(width, height))
        found = self._look(far) or self._in_squares()
        if found:
            return found
        turned = self.turned_face()
        return [] if turned is None else [turned]

    def _in_squares(self) -> list[Detection]:
        """Faces in overlapping squares along a long picture; none of a picture that is not long."""
        width, height = self._size
        long, short = float(max(width, height)), float(min(width, height))
        if long <= t.LONG_PICTURE * short:
            return []
        found: list[Detection] = []
        count = min(math.ceil(2 * long / short) - 1, t.SQUARES)
        for step in np.linspace(short / 2, long - short / 2, count):
            x, y = (float(step), height / 2) if width > height else (width / 2, float(step))
            found.extend(self._look(Region(x, y, short)))
        return found

    def turned_face(self) -> Detection | None:
        """A face that lies on its side or stands on its head, confirmed by its mesh."""
        width, height = self._size
        for angle in (math.pi / 2, -math.pi / 2, math.pi):
            region = Region(width / 2, height / 2, float(max(width, height)), angle)
            for face in self._look(region, t.TURNED_FACE_SCORE_MIN)[:1]:
                mesh = self._networks.mesh(self._image, FaceMesh.region(face))
                if mesh.presence > t.PRESENCE_MIN and mesh.pose.residual < t.RESIDUAL_MAX:
                    return face
        return None

    def upside_down(self, face: Detection, mesh: Mesh, body: Person | None) -> tuple[Detection, Mesh] | None:
        """Face and mesh of one that stands on its head, where an upright mesh clings to it: eyes on eyes, the mouth on
        the hairline. Detector and mesh must both like the face better turned.

        A body whose shoulders lie below the face is upright: MoveNet never turned one over for such a face.
        """
        doubtful = face.score < t.UPRIGHT_SCORE_SURE and mesh.pose.residual > t.RESIDUAL_SURE
        if not doubtful or abs(mesh.pose.roll) > t.UPRIGHT_ROLL_MAX:
            return None
        if body is not None and body.points[[LEFT_SHOULDER, RIGHT_SHOULDER], 1].mean() > face.box[3]:
            return None
        side = t.UPRIGHT_REGION * face.width
        upright = self._look(Region(*face.centre, side), t.FACE_CANDIDATE_MIN)
        turned = self._look(Region(*face.centre, side, math.pi), t.FACE_CANDIDATE_MIN)
        min_score = (upright[0].score if upright else 0.0) + t.UPSIDE_DOWN_LEAD
        if not turned or turned[0].score < min_score:
            return None
        other = self.mesh(turned[0])
        fits = other.presence >= t.PRESENCE_MIN and other.pose.residual < mesh.pose.residual
        if not fits or abs(other.pose.roll) < 180 - t.UPRIGHT_ROLL_MAX:
            return None
        return turned[0], other

    def mesh(self, face: Detection) -> Mesh:
        """Looked at in the detector's box, and again around the points of the first look where that is elsewhere."""
        first = self._networks.mesh(self._image, FaceMesh.region(face))
        if first.presence < t.PRESENCE_MIN:
            return first
        closer = FaceMesh.closer(first)
        if closer.near(first.region):
            return first
        second = self._networks.mesh(self._image, closer)
        return second if second.presence >= first.presence - 0.1 else first


def _head_region(person: Person) -> Region:
    x, y = person.head
    left, right = person.points[[LEFT_SHOULDER, RIGHT_SHOULDER]]
    span = float(np.linalg.norm(left - right))
    return Region(x, y, max(t.HEAD_IN_SHOULDERS * span, t.HEAD_IN_HEIGHT * person.height))

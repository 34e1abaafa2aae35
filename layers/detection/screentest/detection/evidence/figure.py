"""The main person's figure: how much of it is in the frame, and how it stands."""

from __future__ import annotations

import math

import numpy as np

from screentest.detection import thresholds as t
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.evidence.subject import Subject
from screentest.detection.lazy import lazy
from screentest.detection.vision import bodies, poses
from screentest.detection.vision.crops import Points, Region
from screentest.detection.vision.poses import Pose
from screentest.detection.vision.runtime import probability
from screentest.detection.vision.scene import SceneOdds

_HIPS = [bodies.LEFT_HIP, bodies.RIGHT_HIP]
_WRISTS = [bodies.LEFT_WRIST, bodies.RIGHT_WRIST]
_KNEES = [bodies.LEFT_KNEE, bodies.RIGHT_KNEE]
_POSE_KNEES = [poses.LEFT_KNEE, poses.RIGHT_KNEE]
_POSE_HIPS = [poses.LEFT_HIP, poses.RIGHT_HIP]


def person_region(subject: Subject, size: tuple[int, int]) -> Region:
    """The smallest square about the main person's face and what MoveNet sees of the body, and a little more; the whole
    picture where there is neither."""
    face, body = subject.face, subject.body
    corners = [] if body is None else [*body.points[body.scores > t.KEYPOINT_FAINT]]
    if face is not None:
        x, (_, top, _, bottom) = face.centre[0], face.box
        side = max(face.width, face.height)
        corners += [(x - 1.6 * side, top - 0.6 * side), (x + 1.6 * side, bottom + 0.5 * side)]
    if len(corners) < 2:
        return Region(size[0] / 2, size[1] / 2, float(max(size)))
    points = np.clip(np.array(corners), 0, size)
    low, high = points.min(0), points.max(0)
    x, y = (low + high) / 2
    return Region(float(x), float(y), t.PERSON_REGION * max(float((high - low).max()), 1.0))


def torso_region(subject: Subject, size: tuple[int, int]) -> Region:
    """A square of five face sizes below the main face, moved up where the frame ends above its middle."""
    face, body = subject.face, subject.body
    if face is None:
        person = person_region(subject, size)
        return Region(person.x, person.y, t.TORSO_IN_PERSON * person.side)
    side = max(face.width, face.height)
    x, y = face.centre[0], face.box[3] + t.TORSO_BELOW * side
    if body is not None:
        shoulders = float(body.points[[bodies.LEFT_SHOULDER, bodies.RIGHT_SHOULDER], 0].mean())
        x += min(max(shoulders - x, -side), side) / 2
    return Region(x, min(y, size[1] - t.TORSO_SHOWN * t.TORSO_REGION * side), t.TORSO_REGION * side)


def hands_region(subject: Subject, size: tuple[int, int]) -> Region:
    """A square about both hands as far as MoveNet sees wrists, a forearm's third beyond them; the middle of the torso
    where it sees none."""
    face, body = subject.face, subject.body
    torso = torso_region(subject, size)
    wrists = [] if body is None else [n for n in _WRISTS if body.scores[n] > t.WRIST_FAINT]
    if face is None or body is None or not wrists:
        return Region(torso.x, torso.y, t.HANDS_IN_TORSO * torso.side)
    side = max(face.width, face.height)
    # Elbows come two before wrists.
    beyond = [body.points[n] + t.HAND_BEYOND_WRIST * (body.points[n] - body.points[n - 2]) for n in wrists]
    hands = np.clip(np.stack(beyond), 0, size)
    apart = float((hands.max(0) - hands.min(0)).max())
    low, high = t.HANDS_REGION
    x, y = hands.mean(0)
    return Region(float(x), float(y), min(max(apart + t.HANDS_ROOM * side, low * side), high * side))


class Figure(Room):
    """Torso, hips and legs."""

    @measured(frame="main person")
    def held(self) -> float:
        """Probability that something large is held (an instrument, a ball, a bag): how the hands look and, where that
        does not rule it out, how the whole person and the torso do."""
        image, size, head = self.picture.image, self.picture.size, self.networks.held
        odds = head.by_hands(self.networks.appearance(image, hands_region(self.subject, size)))
        if odds > t.HELD_UNLIKELY:
            person = self.networks.appearance(image, person_region(self.subject, size))
            torso = self.networks.appearance(image, torso_region(self.subject, size))
            odds += head.by_body(person, torso)
        return probability(odds)

    @lazy
    def pose(self) -> Pose | None:
        """BlazePose of the main body: where face and MoveNet's body say, else where its own detector finds one."""
        image, face, body = self.picture.image, self.subject.face, self.subject.body
        if face is None or body is None:
            region = self.networks.poses.detected(image, body)
            return self.networks.poses(image, region) if region else None
        pose = self.networks.poses(image, self.networks.poses.expected(face.box, body, image.size))
        return pose if pose.presence > t.POSE_PRESENCE_MIN else None

    @measured("pixels of the working frame", frame="upper edge of the picture")
    def hips_line(self) -> float | None:
        """Height of the lower hip that MoveNet sees inside the frame."""
        body = self.subject.body
        if body is None:
            return None
        heights = [float(body.points[i, 1]) for i in _HIPS if body.scores[i] > t.KEYPOINT_MIN]
        return max((y for y in heights if y < self.picture.size[1]), default=None)

    @measured("face sizes", frame="lower edge of the picture")
    def room_below_face(self) -> float:
        """How far the frame reaches below the face box; 0 without a face."""
        face = self.subject.face
        if face is None:
            return 0.0
        return max(0.0, self.picture.size[1] - face.box[3]) / max(face.width, face.height)

    @measured("face sizes", frame="lower edge of the picture")
    def hips_depth(self) -> float:
        """How far the frame reaches below the face where MoveNet sees hips, however faintly, or BlazePose sees both
        inside the frame; else 0.

        An empty wall below a bust is no body. Who sits on the floor or lies hides hips from MoveNet.
        """
        body = self.subject.body
        guessed = body is not None and float(body.scores[_HIPS].max()) >= t.HIPS_GUESSED
        return self.room_below_face if guessed or self._hips_by_pose() else 0.0

    def _hips_by_pose(self) -> bool:
        if (pose := self.pose) is None or pose.presence <= t.POSE_PRESENCE_MIN:
            return False
        inside = pose.points[_POSE_HIPS, 1].max() < self.picture.size[1]
        return bool(inside and pose.visibility[_POSE_HIPS].min() > t.VISIBILITY_MIN)

    @measured("degrees", frame="BlazePose's space, the camera's axis")
    def body_yaw(self) -> float | None:
        """Turn of the shoulders: 0 frontal, 180 from behind."""
        if self.pose is None:
            return None
        d = self.pose.world[poses.LEFT_SHOULDER] - self.pose.world[poses.RIGHT_SHOULDER]
        return abs(math.degrees(math.atan2(float(d[2]), float(d[0]))))

    @lazy
    def _scene(self) -> SceneOdds:
        return self.networks.scene(self.subject.features)

    @measured(frame="camera's axis")
    def side_on(self) -> float | None:
        """Probability that the body is seen from the side: the scene and the turn of the shoulders, weighed."""
        w = t.SIDE_WITNESSES
        low, high = t.SIDE_YAW
        yaw = t.SIDE_YAW_UNKNOWN if self.body_yaw is None else min(max(self.body_yaw, low), high)
        return probability(w.scene * self._scene.side + w.yaw * yaw / 10 + w.bias)

    @measured(frame="main person")
    def seated(self) -> float | None:
        """Probability of sitting, squatting or lying: the scene and the angle at the hips, weighed together; `None`
        where no hip is seen."""
        angle, body = self.torso_thigh_angle, self.subject.body
        if angle is None and (body is None or float(body.scores[_HIPS].max()) < t.HIPS_FAINT):
            return None
        w = t.SEATED_WITNESSES
        low, high = t.SEATED_BENT
        bent = 0.0 if angle is None else min(max((t.STANDING_ANGLE - angle) / 10, low), high)
        return probability(w.scene * self._scene.seated + w.bent * bent + w.bias)

    @measured(frame="main body")
    def legs_agreed(self) -> bool:
        """Whether BlazePose's hips are not well above those that MoveNet sees.

        On portraits down to the waist BlazePose may invent a seated body: then its legs are invented as well.
        """
        pose, body, face = self.pose, self.subject.body, self.subject.face
        if pose is None:
            return False
        if body is None or face is None or float(body.scores[_HIPS].max()) < t.HIPS_FAINT:
            return True
        invented = float(pose.points[_POSE_HIPS, 1].mean())
        above = float(body.points[_HIPS, 1].mean()) - invented
        return above / max(face.width, face.height) < t.HIPS_APART_MAX

    @measured("ankles", frame="picture")
    def ankles(self) -> int:
        """Ankles that BlazePose sees inside the frame: surely, or with room for a foot below."""
        pose = self.pose
        if pose is None or not self.legs_agreed:
            return 0
        lowest = self.picture.size[1] - t.FOOT_ROOM * _thigh(pose)
        seen = self._seen(poses.LEFT_ANKLE, poses.RIGHT_ANKLE)
        return sum(pose.visibility[i] >= t.ANKLE_SURE or pose.points[i, 1] < lowest for i in seen)

    @measured("degrees", frame="BlazePose's space")
    def torso_thigh_angle(self) -> float | None:
        """Smaller angle between torso and thigh, where a knee is seen in the frame and BlazePose's hips are not well
        above those that MoveNet sees."""
        pose = self.pose
        if pose is None or not self.legs_agreed:
            return None
        if not self._sure_knees and not self._knee_in_frame:
            return None
        angles = []
        for shoulder, hip, knee in ((11, 23, 25), (12, 24, 26)):
            a, b = pose.world[shoulder] - pose.world[hip], pose.world[knee] - pose.world[hip]
            cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6))
            angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
        return min(angles)

    @measured("thigh lengths", frame="lower edge of the picture")
    def shin_share(self) -> float | None:
        """How much of the shins is seen without an ankle that is sure or has room for a foot; under coats and skirts by
        BlazePose's knees.

        MoveNet places knees that it sees better than BlazePose, which follows its idea of a whole body.
        """
        pose, body = self.pose, self.subject.body
        if pose is None or body is None:
            return None
        if self.ankles:
            return 0.0
        score = float(body.scores[_KNEES].mean())
        if score >= t.KNEES_SEEN:
            share = self._below(body.points[_KNEES, 1], pose)
        elif score >= t.KNEES_DOUBTFUL and self.legs_agreed and self._sure_knees == 2:
            # Under a coat, robe or skirt MoveNet doubts the knees. BlazePose's lie a little too high.
            share = max(0.0, self._below(pose.points[_POSE_KNEES, 1], pose) - t.KNEES_TOO_HIGH)
        else:
            return None
        # Below so much of legs the frame does not end above the ankles: a hem or shoes hide them.
        return share if share < t.WHOLE_SHINS else 0.0

    @measured("of the torso", frame="lower edge of the picture")
    def torso_share(self) -> float:
        """How much of the way from shoulders to hips the frame shows, by the pose or by the room below the face.

        The pose extrapolates hips that are outside; where it sees little of a body it makes the torso too long.
        """
        by_depth = min(1.0, self.room_below_face / t.TORSO_DEPTH)
        pose = self.pose
        if pose is None:
            return 0.0 if self.subject.body is None else by_depth
        shoulders = float(pose.points[[poses.LEFT_SHOULDER, poses.RIGHT_SHOULDER], 1].mean())
        hips = float(pose.points[_POSE_HIPS, 1].mean())
        by_pose = min(1.0, max(0.0, (self.picture.size[1] - shoulders) / max(hips - shoulders, 1.0)))
        return max(by_pose, by_depth)

    @measured(frame="picture")
    def whole(self) -> bool:
        """Whether an ankle is in the frame, or room for a shin below the knees or for a figure below the face (a long
        dress hides them)."""
        return bool(self.ankles) or self.room_below_face >= t.FIGURE_DEPTH or self._room_for_ankles()

    def _room_for_ankles(self) -> bool:
        body, pose = self.subject.body, self.pose
        if body is None or pose is None or float(body.scores[_KNEES].mean()) < t.KNEES_SEEN:
            return False
        return self._below(body.points[_KNEES, 1], pose) >= t.WHOLE_SHINS

    def _seen(self, *points: int) -> list[int]:
        """Those points of the pose that are visible inside the frame."""
        pose = self.pose
        if pose is None:
            return []
        width, height = self.picture.size
        inside = [i for i in points if 0 <= pose.points[i, 0] < width and 0 <= pose.points[i, 1] < height]
        return [i for i in inside if pose.visibility[i] >= t.VISIBILITY_MIN]

    @property
    def _sure_knees(self) -> int:
        return len(self._seen(*_POSE_KNEES))

    @property
    def _knee_in_frame(self) -> bool:
        """By MoveNet."""
        body = self.subject.body
        if body is None:
            return False
        height = self.picture.size[1]
        return any(body.scores[i] >= t.KNEES_SEEN and body.points[i, 1] < height for i in _KNEES)

    def _below(self, heights: Points, pose: Pose) -> float:
        """From the mean of these heights to the lower edge of the frame, in thigh lengths."""
        return max(0.0, (self.picture.size[1] - float(heights.mean())) / _thigh(pose))


def _thigh(pose: Pose) -> float:
    """Length of the longer thigh, pixels."""
    thigh = pose.points[_POSE_KNEES] - pose.points[_POSE_HIPS]
    return max(float(np.linalg.norm(thigh, axis=1).max()), 1.0)

"""Who is there."""

from __future__ import annotations

import math

from screentest.detection import thresholds as t
from screentest.detection.evidence.measurement import Room, measured
from screentest.detection.lazy import lazy
from screentest.detection.vision.appearance import whole
from screentest.detection.vision.bodies import LEFT_SHOULDER, RIGHT_SHOULDER
from screentest.detection.vision.mesh import FaceMesh
from screentest.detection.vision.runtime import log_odds, probability
from screentest.detection.vision.scene import SceneOdds


class People(Room):
    """Whether there is a person, how many, and from which side the main one is seen."""

    @measured(frame="main face")
    def face_presence(self) -> float:
        """Presence of a face seen from the front half by the mesh, 0 to 1, looked for upright, lying and upside down;
        0 without a face."""
        return self.subject.presence

    @lazy
    def scene(self) -> SceneOdds:
        """What the picture shows as a whole."""
        return self.networks.scene(self.subject.features)

    @lazy
    def plain(self) -> bool:
        """Whether face or body leave no doubt that there is a human: a face that the mesh fits well, or a body with a
        head."""
        subject = self.subject
        if subject.mesh is not None and subject.visible and subject.mesh.pose.residual < t.RESIDUAL_SURE:
            return True
        best = max(subject.candidates, key=lambda p: p.score, default=None)
        return best is not None and best.score >= t.PERSON_SCORE_SURE and best.head_score >= t.KEYPOINT_MIN

    @measured(frame="picture")
    def nobody_in_scene(self) -> float:
        """Probability that nobody is in the picture, by the scene alone."""
        return probability(self.scene.nobody)

    @measured(frame="picture")
    def nobody(self) -> float:
        """Probability that nobody is in the picture: 0 where a face or a body is plain, else the scene and how the
        picture looks to a network that names things, weighed together.

        Masks and things before a face hide it from whatever looks for faces, and animals have some; how the whole
        picture looks tells both.
        """
        if self.plain:
            return 0.0
        w, image = t.NOBODY_WITNESSES, self.picture.image
        look = self.networks.people.nobody(self.networks.appearance(image, whole(image)))
        return probability(w.scene * log_odds(self.nobody_in_scene) + w.look * look + w.bias)

    @measured(frame="picture")
    def has_person(self) -> bool:
        """Whether there is a human, however much of one is seen."""
        return self.nobody <= t.NOBODY_MAX

    @lazy
    def bodies_counted(self) -> int:
        """Bodies with heads of their own, and confirmed faces that belong to none of them; at least a third of the
        main person's size."""
        subject = self.subject
        tallest = max((p.height for p in subject.persons), default=0.0)
        # Of two close heads MoveNet may see one as a strip: a face belongs to bodies that count, or counts itself.
        counted = [p for p in subject.persons if p.height >= t.OTHER_PERSON_SIZE_MIN * tallest]
        count = len(counted)
        widest = subject.face.width if subject.face else 0.0
        bodiless = [f for f in subject.faces if all(math.dist(f.centre, p.head) >= f.width for p in counted)]
        for face in bodiless:
            if face is subject.face and not count:
                count += 1
            elif face.width >= t.OTHER_FACE_SIZE_MIN * widest and face.score >= t.FACE_SCORE_COUNTED:
                mesh = self.networks.mesh(self.picture.image, FaceMesh.region(face))
                count += mesh.presence >= t.PRESENCE_MIN
        return max(count, 1)

    @lazy
    def second_person(self) -> float:
        """Score of the surest other face or body with a head away from the main person's, however doubtful, of at
        least a third of the size."""
        subject, best = self.subject, 0.0
        main = subject.face
        if main is None:
            return 0.0
        for face in subject.faces:
            apart = math.dist(face.centre, main.centre) > t.HEADS_APART * main.width
            if apart and face.width >= t.OTHER_FACE_SIZE_MIN * main.width:
                best = max(best, face.score)
        body = subject.body
        for person in subject.candidates if body is not None else ():
            apart = math.dist(person.head, main.centre) > t.HEADS_APART * main.width
            smallest = t.OTHER_PERSON_SIZE_MIN * body.height if body is not None else math.inf
            if person is not body and apart and person.height >= smallest:
                best = max(best, person.score)
        return best

    @measured(frame="picture")
    def several_people(self) -> float:
        """Probability of several people: the scene, the surest other face or body, and whether several are counted,
        weighed together."""
        w = t.SEVERAL_WITNESSES
        counted = self.bodies_counted > 1
        return probability(
            w.scene * self.scene.several + w.second * self.second_person + w.counted * counted + w.bias
        )

    @measured("persons", frame="picture")
    def people_in_view(self) -> int:
        """Of `person_count` those in plain view: one where the surest second face or body is doubtful, as people in the
        background are."""
        count = self.person_count
        return count if count < 2 or self.second_person >= t.SECOND_PERSON_PLAIN else 1

    @measured("persons", frame="picture")
    def person_count(self) -> int:
        """One, or where `several_people` is likely the bodies with heads of their own and the confirmed faces that
        belong to none of them, at least a third of the main person's size, and two at least."""
        if not self.has_person:
            return 0
        return max(self.bodies_counted, 2) if self.several_people > t.SEVERAL_MAX else 1

    @measured(frame="main body")
    def shoulders_swapped(self) -> bool:
        """Whether the left shoulder is left in the image: the back is seen."""
        body = self.subject.body
        if body is None or min(body.scores[[LEFT_SHOULDER, RIGHT_SHOULDER]]) < t.KEYPOINT_MIN:
            return False
        return bool(body.points[LEFT_SHOULDER, 0] < body.points[RIGHT_SHOULDER, 0])

    @measured(frame="main person")
    def facing_away(self) -> bool:
        """Whether the person is seen from behind: no face by the mesh, and the left shoulder left in the image or a
        back by the scene."""
        return not self.subject.visible and (
            self.shoulders_swapped or probability(self.scene.back) > t.BACK_SURE
        )

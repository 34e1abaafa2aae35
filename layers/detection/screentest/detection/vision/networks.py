"""The networks of one detector."""

from __future__ import annotations

from screentest.detection.lazy import lazy
from screentest.detection.vision.appearance import Appearance, FaceHeads, HeldHead, PeopleHead
from screentest.detection.vision.blendshapes import Blendshapes
from screentest.detection.vision.blur import BlurNet
from screentest.detection.vision.bodies import BodyDetector
from screentest.detection.vision.faces import FaceDetector
from screentest.detection.vision.hands import HandDetector
from screentest.detection.vision.mesh import FaceMesh
from screentest.detection.vision.occlusion import OcclusionNet
from screentest.detection.vision.poses import PoseDetector
from screentest.detection.vision.scene import SceneHeads


class Networks:
    """Each opened when first used. For one thread at a time."""

    faces = lazy(lambda _: FaceDetector())
    mesh = lazy(lambda _: FaceMesh())
    blendshapes = lazy(lambda _: Blendshapes())
    bodies = lazy(lambda _: BodyDetector())
    poses = lazy(lambda _: PoseDetector())
    hands = lazy(lambda _: HandDetector())
    occlusion = lazy(lambda _: OcclusionNet())
    scene = lazy(lambda _: SceneHeads())
    appearance = lazy(lambda _: Appearance())
    people = lazy(lambda _: PeopleHead())
    held = lazy(lambda _: HeldHead())
    face_heads = lazy(lambda _: FaceHeads())
    blur = lazy(lambda _: BlurNet())

    def open(self) -> None:
        """Open every network now.

        Raises:
            WeightsMissing: the installation is incomplete.
        """
        for name, attribute in vars(Networks).items():
            if isinstance(attribute, lazy):
                getattr(self, name)
        self.bodies.open()
        self.poses.open()

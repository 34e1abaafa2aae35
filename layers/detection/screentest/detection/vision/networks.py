"""The networks of one detector."""

from __future__ import annotations

from screentest.detection.lazy import lazy
from screentest.detection.vision.appearance import Appearance, GlassesHead, HeldHead
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

    @lazy
    def faces(self) -> FaceDetector:
        """Face detector."""
        return FaceDetector()

    @lazy
    def mesh(self) -> FaceMesh:
        """Face mesh."""
        return FaceMesh()

    @lazy
    def blendshapes(self) -> Blendshapes:
        """Expression."""
        return Blendshapes()

    @lazy
    def bodies(self) -> BodyDetector:
        """Persons."""
        return BodyDetector()

    @lazy
    def poses(self) -> PoseDetector:
        """Body pose."""
        return PoseDetector()

    @lazy
    def hands(self) -> HandDetector:
        """Hands."""
        return HandDetector()

    @lazy
    def occlusion(self) -> OcclusionNet:
        """What covers a face."""
        return OcclusionNet()

    @lazy
    def scene(self) -> SceneHeads:
        """What the picture shows as a whole."""
        return SceneHeads()

    @lazy
    def appearance(self) -> Appearance:
        """How a part of a picture looks."""
        return Appearance()

    @lazy
    def held(self) -> HeldHead:
        """Whether something large is held, by the appearance of a person."""
        return HeldHead()

    @lazy
    def glasses(self) -> GlassesHead:
        """Whether glasses are opaque, by the appearance of a face."""
        return GlassesHead()

    @lazy
    def blur(self) -> BlurNet:
        """How blurred a face is."""
        return BlurNet()

    def open(self) -> None:
        """Open every network now.

        Raises:
            WeightsMissing: the installation is incomplete.
        """
        for name, attribute in vars(Networks).items():
            if isinstance(attribute, lazy):
                getattr(self, name)
        self.bodies.open()

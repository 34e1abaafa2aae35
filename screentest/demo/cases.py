"""What the demo uploads, and what a person expects of each picture, written down before any detector saw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from screentest.screening.routes import Routes

EMO, EMOJI, ANIMATE_ANYONE = "emo-detect-v1", "emoji-detect-v1", "animate-anyone-detect-gen2"
LIVEPORTRAIT, WAN_S2V = "liveportrait-detect", "wan2.2-s2v-detect"

PREFIXES: dict[tuple[str, str | None], str] = {
    (screening.model, screening.ratio): route.prefix
    for route in Routes.DEFAULT.rules
    for screening in route.screenings
}
"""Where to put a picture for one screening."""
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Case:
    """One upload.

    Attributes:
        picture: a name of `screentest.demo.pictures`, or the path of a file.
        model: the detector.
        ratio: `1:1` or `3:4` for EMO, else None.
        expected: `pass`, or the code of the rejection; None without an expectation.
        because: the reason that a person would give.
    """

    picture: str
    model: str
    ratio: str | None
    expected: str | None = None
    because: str = ""

    @property
    def name(self) -> str:
        """What the picture is called, without its folder."""
        return Path(self.picture).name

    @property
    def key(self) -> str:
        """The object key under which it is uploaded."""
        name = self.name if Path(self.picture).suffix else f"{self.name}.jpg"
        return PREFIXES[self.model, self.ratio] + name


CASES = (
    Case(
        "waist_up",
        EMO,
        "1:1",
        "pass",
        "One man, sharp and bright, faces the camera with nothing before his face.",
    ),
    Case("waist_up", EMO, "3:4", "pass", "The same, and he is in view down to the hips."),
    Case(
        "astronaut",
        EMO,
        "1:1",
        "pass",
        "One woman faces the camera; helmet and model rocket hide nothing of her.",
    ),
    Case(
        "calm_face",
        EMO,
        "1:1",
        "pass",
        "One man's whole head, turned a little, eyes and mouth in plain view.",
    ),
    Case("astronaut", EMOJI, None, "pass", "A whole face, straight to the camera, smiling as people do."),
    Case("waist_up", ANIMATE_ANYONE, None, "pass", "One man upright from head to hips: a half body."),
    Case(
        "standing",
        ANIMATE_ANYONE,
        None,
        "pass",
        "One man stands and faces the camera; the thighs are in view: a half body.",
    ),
    Case("calm_face", LIVEPORTRAIT, None, "pass", "A man's whole bare face, seen from the front half."),
    Case("standing", WAN_S2V, None, "pass", "One man from the front, sharp and lit; any framing will do."),
    Case("cat", EMO, "1:1", "InvalidFile.NoHuman", "A cat is not a person."),
    Case("two_people", EMO, "1:1", "InvalidFile.MultiHuman", "Two men, side by side and equally large."),
    Case("too_dark", EMO, "1:1", "InvalidFile.Value", "Nearly black: nobody could recognise the man."),
    Case("tilted", EMO, "1:1", "InvalidFile.FacePose", "The head lies fifty degrees to the side."),
    Case("too_small", EMO, "1:1", "InvalidFile.Resolution", "300 pixels high; 400 are asked for."),
    Case("far_away", EMO, "1:1", "InvalidFile.BodyProportion", "A small figure at the foot of a large wall."),
    Case("masked", EMO, "1:1", "InvalidFile.FullFace", "A cloth covers mouth and nose."),
    Case(
        "shoulders_up",
        EMO,
        "3:4",
        "InvalidFile.FullBody",
        "For 3:4 the body must be in view to the hips.",
    ),
    Case("tilted", EMOJI, None, "InvalidFile.FacePose", "The same head; Emoji wants it upright too."),
    Case("two_people", ANIMATE_ANYONE, None, "InvalidFile.Content", "Two men; one person is asked for."),
    Case(
        "shoulders_up",
        ANIMATE_ANYONE,
        None,
        "InvalidFile.BodyPose",
        "There is no body to animate, only a head.",
    ),
    Case("cat", LIVEPORTRAIT, None, "InvalidFile.NoHuman", "A cat has no human face."),
    Case("two_people", WAN_S2V, None, "InvalidFile.MultiHuman", "Two men; one person is asked for."),
    Case("not_a_picture", EMO, "1:1", "InvalidURL", "A text file by the name of .jpg."),
)


def cases_of(folder: Path) -> Iterator[Case]:
    """Every picture of `folder`, once for each route, with nothing expected."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            for model, ratio in PREFIXES:
                yield Case(str(path), model, ratio)

"""What can go wrong before a picture can be judged."""

from __future__ import annotations

from pathlib import Path


class DetectionError(Exception):
    """Base of everything that this package raises on purpose."""


class UnreadablePicture(DetectionError, ValueError):
    """The bytes are no JPEG, PNG, BMP or WebP picture, or a broken one. On the wire: `InvalidURL`."""


class PictureTooLarge(UnreadablePicture):
    """The header promises more pixels than any detector takes; nothing was decoded."""


class UndecodablePicture(UnreadablePicture):
    """Decoding it took more memory or time than it may, or ended the process that decodes (`confined`)."""


class DecoderUnavailable(DetectionError):
    """The process that decodes does not start; no picture is to blame."""


class InvalidRatio(DetectionError, ValueError):
    """`ratio` is not one that the model offers. On the wire: `InvalidParameter.Ratio`."""


class UnknownModel(DetectionError, ValueError):
    """There is no such detector. On the wire: `ModelNotFound`."""


class WeightsMissing(DetectionError):
    """A network's file is not where it belongs; the message names the remedy."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the weights {path.name} are missing from {path.parent}: run `make weights` "
            "(or layers/detection/fetch_weights.py) once"
        )
        self.path = path


class ProfileError(DetectionError, ValueError):
    """A profile cannot be used; the sentence names file, line and key."""

    def __init__(self, file: str, line: int | None, key: str, problem: str) -> None:
        place = ", ".join(part for part in (file, f"line {line}" if line else "", key) if part)
        super().__init__(f"{place}: {problem}")
        self.line = line
        self.key = key

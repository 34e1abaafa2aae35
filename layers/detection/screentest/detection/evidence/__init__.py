"""Evidence about one picture, in rooms by what they look at; each figure is computed when first read.

The subject is settled before any figure is: whatever the order in which figures are read, each is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from screentest.detection.evidence.covering import Covering
from screentest.detection.evidence.figure import Figure
from screentest.detection.evidence.hands import Hands
from screentest.detection.evidence.head import Head
from screentest.detection.evidence.measurement import Measurement
from screentest.detection.evidence.people import People
from screentest.detection.evidence.subject import Subject, settle
from screentest.detection.lazy import lazy
from screentest.detection.pictures import Picture
from screentest.detection.vision.networks import Networks


class Evidence:
    """Everything that can be asked about one picture. For the thread that holds its networks."""

    def __init__(self, picture: Picture, networks: Networks) -> None:
        self.picture = picture
        self._networks = networks

    @lazy
    def subject(self) -> Subject:
        """Whose faces and bodies are in the picture, and whom the measurements are about."""
        return settle(self.picture, self._networks)

    @lazy
    def people(self) -> People:
        """Who is there."""
        return People(self.picture, self.subject, self._networks)

    @lazy
    def head(self) -> Head:
        """The main person's head."""
        return Head(self.picture, self.subject, self._networks)

    @lazy
    def covering(self) -> Covering:
        """What covers the main face."""
        return Covering(self.picture, self.subject, self._networks, self.head)

    @lazy
    def hands(self) -> Hands:
        """Hands at the main face."""
        return Hands(self.picture, self.subject, self._networks, self.covering)

    @lazy
    def figure(self) -> Figure:
        """The main person's figure."""
        return Figure(self.picture, self.subject, self._networks)

    def read(self, measurement: str) -> float | None:
        """The value of a measurement by its name in `MEASUREMENTS`; `None` where there is nothing to measure."""
        value = getattr(getattr(self, _ROOM_OF[measurement]), measurement)
        return None if value is None else float(value)

    def assume(self, measurement: str, value: float) -> None:
        """Take `value` for a measurement instead of measuring it."""
        vars(getattr(self, _ROOM_OF[measurement]))[measurement] = value

    def taken(self, room: str, attribute: str) -> Any:
        """What was read so far of a room; `None` where it was not."""
        entered = vars(self).get(room)
        return None if entered is None else vars(entered).get(attribute)

    def measurements_taken(self) -> dict[str, float]:
        """The measurements that were read so far, by name."""
        values = ((name, self.taken(room, name)) for name, room in _ROOM_OF.items())
        return {name: float(value) for name, value in values if value is not None}


_ROOMS = {"people": People, "head": Head, "covering": Covering, "hands": Hands, "figure": Figure}
_REGISTERED = {
    name: (room, attribute)
    for room, kind in _ROOMS.items()
    for name, attribute in vars(kind).items()
    if isinstance(attribute, Measurement)
}
_ROOM_OF = {name: room for name, (room, _) in _REGISTERED.items()}

MEASUREMENTS: Mapping[str, Measurement[Any]] = MappingProxyType(
    {name: measurement for name, (_, measurement) in _REGISTERED.items()}
)
"""What is public, by name."""

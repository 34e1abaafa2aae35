"""What the page offers to screen with: the routes of the stack, one choice a rule."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from screentest.screening.models import Screening
from screentest.screening.routes import Routes

FOLDER = "page/"
"""Below the route's prefix, so that what the page uploaded can be told from everything else, and removed."""

NAME_LENGTH = 100
"""Characters of a file's name that are kept in its key; S3 allows 1,024 bytes for the whole key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One route: keys that begin with `prefix` and end with `suffix` get `screenings`."""

    prefix: str
    suffix: str
    screenings: tuple[Screening, ...]

    def key(self, name: str) -> str:
        """A new key for a file of that name, which may hold anything."""
        kept = re.sub(r"[\x00-\x1f\x7f/\\]+", "_", name)[-NAME_LENGTH:] or "picture"
        kept = kept.encode("utf-8", "replace").decode()
        ending = "" if kept.lower().endswith(self.suffix.lower()) else self.suffix
        return f"{self.prefix}{FOLDER}{uuid.uuid4().hex[:12]}/{kept}{ending}"


def offered(routes: Routes) -> tuple[Choice, ...]:
    """The routes that a new key can reach; a rule that an earlier one hides is left out."""
    found = (Choice(rule.prefix, rule.suffix, rule.screenings) for rule in routes.rules)
    return tuple(choice for choice in found if routes.screenings(choice.key("picture")) == choice.screenings)

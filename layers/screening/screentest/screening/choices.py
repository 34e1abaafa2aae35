"""What uploaders can choose from: the routes of the stack, one choice a rule, and keys that reach them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from screentest.screening.models import Screening
from screentest.screening.routes import Routes

NAME_LENGTH = 100
"""Characters of a file's name that are kept in its key; S3 allows 1,024 bytes for the whole key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One route: keys that begin with `prefix` and end with `suffix` get `screenings`."""

    prefix: str
    suffix: str
    screenings: tuple[Screening, ...]

    def takes(self, name: str) -> bool:
        """Whether a file of that name ends as the route wants; case is ignored, as routes do."""
        return name.lower().endswith(self.suffix.lower())

    def key(self, folder: str, name: str) -> str:
        """A new key that cannot be guessed, for a file of that name, which may hold anything.

        Args:
            folder: below the route's prefix, ends with a slash; tells these uploads from all others.
        """
        kept = re.sub(r"[\x00-\x1f\x7f/\\]+", "_", name)[-NAME_LENGTH:] or "picture"
        kept = kept.encode("utf-8", "replace").decode()
        ending = "" if self.takes(kept) else self.suffix
        return f"{self.prefix}{folder}{uuid.uuid4().hex}/{kept}{ending}"


def offered(routes: Routes, folder: str) -> tuple[Choice, ...]:
    """The routes that a new key below `folder` can reach; a rule that an earlier one hides is left out."""
    found = (Choice(rule.prefix, rule.suffix, rule.screenings) for rule in routes.rules)
    return tuple(
        choice for choice in found if routes.screenings(choice.key(folder, "picture")) == choice.screenings
    )

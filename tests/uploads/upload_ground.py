"""What the tests of the upload API stand on."""

from __future__ import annotations

from dataclasses import dataclass

from screentest.stack import LocalStack


@dataclass(frozen=True)
class Uploads:
    """The API, its key, and where a page of the right and one of a wrong origin is."""

    stack: LocalStack
    url: str
    key: str
    page: str
    elsewhere: str

"""The detection API inside another process: one picture at a time, without a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.api.service import DetectionApi
from screentest.detection.api.wsgi import application
from screentest.detection.detector import DetectorPool
from screentest.detection.models import offered

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def embedded(profiles: Sequence[str], private_hosts: Iterable[tuple[str, int]]) -> WSGIApplication:
    """The API as a WSGI application.

    Args:
        profiles: names of profiles to offer besides the built-in models.
        private_hosts: hosts and ports that pictures may come from although their addresses are private.
    """
    api = DetectionApi(
        DetectorPool(1).detect, HttpFetcher(allowed_hosts=private_hosts), models=offered(profiles)
    )
    return application(api)

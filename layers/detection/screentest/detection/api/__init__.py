"""The detection API: the retired service's wire contract around the detectors.

`service.DetectionApi` is pure of any framework: a request in, a response out. `wsgi.application` puts it behind any
WSGI server or `httpx.WSGITransport`; `fetch.Fetcher` is how it gets at pictures. `httpx` and `httpcore` are needed for
fetching alone.
"""

from __future__ import annotations

from screentest.detection.api.service import DetectionApi, Request, Response
from screentest.detection.api.throttle import Limits

__all__ = ["DetectionApi", "Limits", "Request", "Response"]

"""Where the API answers besides the paths of the models."""

from __future__ import annotations

HEALTH = "/healthz"
OPENAPI = "/openapi.json"

PICTURES = "/v1/pictures"
"""Not of the retired service: takes the picture itself."""
PAGE = ""
"""A page to try it on: the path `/`."""

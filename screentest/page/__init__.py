"""The page of the local stack: drop a picture, watch it travel, see why.

A small server on loopback that talks to S3 and to the verdict table, like everyone else. The browser uploads straight
to S3 by presigned POST.
"""

from __future__ import annotations

from screentest.page.app import Page
from screentest.page.server import PageServer, serve

__all__ = ["Page", "PageServer", "serve"]

"""What people look at: boxes and measurements drawn on pictures, and self-contained contact sheets.

`check --report`, `demo`, `report` and the local page share this package. Coordinates are pixels of the
upright picture, boxes `(x1, y1, x2, y2)`.
"""

from __future__ import annotations

from screentest.reports.drawing import Thumbnail, annotate, thumbnail
from screentest.reports.entry import ReportEntry
from screentest.reports.sheet import ContactSheet

__all__ = ["ContactSheet", "ReportEntry", "Thumbnail", "annotate", "thumbnail"]

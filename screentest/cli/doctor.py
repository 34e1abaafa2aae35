"""`screentest doctor`: is everything in place for uploads to be screened?"""

from __future__ import annotations

import typer

app = typer.Typer(help="Check a deployed stack: identity, outputs, events, permissions, detector, alarms.")

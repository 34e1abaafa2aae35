"""`screentest serve`: the detection API server."""

from __future__ import annotations

import typer

from screentest.cli.options import settings_command
from screentest.serving import ServeError, ServeSettings, run

app = typer.Typer(add_completion=False)


@settings_command(
    app,
    ServeSettings,
    ServeError,
    epilog="Exit status: 0 ended by a signal, 2 it could not be started.",
)
def serve(settings: ServeSettings) -> None:
    """Serve the detection API until Ctrl-C; requests in progress are finished first."""
    run(settings, announce=typer.echo)

"""`screentest demo`: real pictures through the whole local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screentest.cli.options import exit_on_errors

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Exit status: 0 every verdict came, each as expected; 1 one did not; 2 it could not be run."
)
def demo(
    photos: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Screen the pictures of this folder instead, by every model."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for annotated pictures and index.html.")] = Path(
        "build/demo"
    ),
) -> None:
    """Screen real pictures on the local stack and show the verdicts."""
    from screentest.demo import DemoError, run
    from screentest.stack import StackError

    with exit_on_errors((StackError, DemoError)):
        raise typer.Exit(0 if run(photos=photos, out=out) else 1)

"""`screentest up`: the local stack until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.cli.options import exit_on_errors

app = typer.Typer(add_completion=False)


@app.command(epilog="Exit status: 0 ended by Ctrl-C, 2 it could not be started, or ended by itself.")
def up(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the local AWS.", show_default="a free one")
    ] = 0,
    page_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page.", show_default="a free one")
    ] = 0,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            show_default="port 8080 of localhost",
            help="An origin whose pages may use the upload API. May be repeated.",
        ),
    ] = None,
) -> None:
    """Run the local stack until Ctrl-C."""
    from screentest.stack import StackError
    from screentest.stack.up import ORIGINS, run

    with exit_on_errors(StackError):
        run(port=port, page_port=page_port, origins=cors_origin or ORIGINS)

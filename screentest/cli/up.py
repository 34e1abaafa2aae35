"""`screentest up`: the local stack until Ctrl-C."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)


@app.command()
def up() -> None:
    """Run the local stack until Ctrl-C."""
    from screentest.stack import StackError
    from screentest.stack.up import run

    try:
        run()
    except StackError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error

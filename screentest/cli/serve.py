"""`screentest serve`: the detection API server."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from screentest.cli.options import DecodeLimit, DetectorProfile

app = typer.Typer(add_completion=False)


class VerdictStatus(StrEnum):
    """HTTP status of a rejection."""

    OK = "200"
    BAD_REQUEST = "400"


@app.command(epilog="Exit status: 0 ended by a signal, 2 it could not be started.")
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than loopback needs a key.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="SCREENTEST_API_KEY",
            show_default=False,
            help="Bearer key that requests must carry. Without one: loopback only, any key or none.",
        ),
    ] = None,
    allow_private_urls: Annotated[
        bool,
        typer.Option("--allow-private-urls", help="Fetch pictures from private and loopback addresses too."),
    ] = False,
    verdict_status: Annotated[
        VerdictStatus, typer.Option(help="Answer a rejection as HTTP 200 with `output`, or as HTTP 400.")
    ] = VerdictStatus.OK,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add every measurement beside its threshold as `output.explain`."),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, show_default="one a core", help="Pictures judged at the same time.", metavar="N"
        ),
    ] = os.cpu_count() or 1,
    decode_limit: DecodeLimit = None,
    profile: DetectorProfile = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODEL", help="Another name for a model, such as that of a private deployment."
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            show_default="none",
            help="An origin, such as https://example.com, whose pages may ask and read answers. May be repeated.",
        ),
    ] = None,
) -> None:
    """Serve the detection API until Ctrl-C; requests in progress are finished first."""
    from screentest.serving import ServeError, ServeSettings, run

    try:
        settings = ServeSettings(
            host=host,
            port=port,
            given_key=api_key,
            allow_private_urls=allow_private_urls,
            verdict_status=200 if verdict_status is VerdictStatus.OK else 400,
            explain=explain,
            workers=workers,
            other_names=alias or (),
            profiles=profile or (),
            decode_limit=decode_limit,
            cors_origins=cors_origin or (),
        )
        run(settings, announce=typer.echo)
    except ServeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error

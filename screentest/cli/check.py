"""`screentest check`: decides files, folders or URLs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from screentest.cli.options import DecodeLimit, DetectorProfile, Lang

app = typer.Typer(add_completion=False)


EXAMPLES = """
Examples:

  screentest check photo.jpg --model emo                   one picture, in words

  screentest check photos/ --model emoji --report sheet    a folder, and a sheet to look at

  screentest check photos/ --model emo --json > lines      for a program

  curl -s https://example.com/a.jpg | screentest check - --model emo

Exit status: 0 all pass, 1 some rejected, 2 something could not be judged, or the options are wrong.
"""


def _models() -> list[str]:
    from screentest.detection.models import BUILT_IN

    return [*(model.short for model in BUILT_IN), *(model.name for model in BUILT_IN)]


@app.command(epilog=EXAMPLES)
def check(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Picture files, folders of them, URLs, s3://BUCKET/KEY, or - for standard input.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="emo, emoji, animate-anyone, liveportrait, wan2.2-s2v, or a name as the API has it.",
            show_default="that of the profile",
            autocompletion=_models,
        ),
    ] = None,
    profile: DetectorProfile = None,
    ratio: Annotated[
        str | None,
        typer.Option(
            metavar="1:1|3:4",
            help="Head or half body (EMO).",
            show_default="1:1",
            autocompletion=lambda: ["1:1", "3:4"],
        ),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line a picture on standard output, and nothing else.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every measurement beside its threshold, and what decided.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write annotated pictures and a contact sheet here.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML too, for build servers.")
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the rejections as SARIF 2.1.0 too, for code hosts."),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Ask this server instead; its key from SCREENTEST_API_KEY or DASHSCOPE_API_KEY. URLs only.",
        ),
    ] = None,
    allow_private_urls: Annotated[
        bool, typer.Option("--allow-private-urls", help="Fetch URLs from private and loopback addresses too.")
    ] = False,
    lang: Annotated[
        Lang | None,
        typer.Option(help="Language of reasons and advice.", show_default="en; the browser's in a report"),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", show_default="one a core", help="Pictures at a time.")
    ] = os.cpu_count() or 1,
    decode_limit: DecodeLimit = None,
) -> None:
    """Decide pictures: can they drive the video, and if not, why."""
    from screentest.checking import CheckError, CheckSettings, detector_key, run

    try:
        settings = CheckSettings(
            paths=paths,
            asked=model,
            profiles=profile or (),
            ratio=ratio,
            json_lines=json_lines,
            explain=explain,
            report=report,
            junit=junit,
            sarif=sarif,
            detector=detector,
            api_key=detector_key(),
            allow_private_urls=allow_private_urls,
            workers=workers,
            lang=lang.value if lang else None,
            decode_limit=decode_limit,
        )
        status = run(settings)
    except CheckError as error:
        typer.echo(f"error: {error}", err=True)
        status = 2
    except BrokenPipeError:
        # Whoever reads our output has seen enough; closing it now keeps the interpreter from complaining.
        sys.stderr.close()
        status = 2
    raise typer.Exit(status)

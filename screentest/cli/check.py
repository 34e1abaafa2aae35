"""`screentest check`: decides files, folders or URLs."""

from __future__ import annotations

import typer

from screentest.checking.settings import CheckError, CheckSettings
from screentest.cli.options import settings_command

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest check photo.jpg --model emo                  one picture

  screentest check photos/ --model emoji --report sheet   a folder, on a sheet

  screentest check photos/ --model emo --json > lines     for a program

  curl -s https://example.com/a.jpg | screentest check - --model emo

Exit status: 0 all pass, 1 some rejected, 2 something could not be judged, or the options are wrong.
"""


@settings_command(app, CheckSettings, CheckError, epilog=EXAMPLES)
def check(settings: CheckSettings) -> int:
    """Decide pictures: can they drive the video, and if not, why."""
    from screentest.checking.run import run

    return run(settings)

"""`screentest rules`: what the detectors ask of a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screentest.cli.options import DETECTOR_PROFILE, Json, exit_on_errors

if TYPE_CHECKING:
    from screentest.detection.rules.rule import Rule

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest rules                           every rule, as it usually is

  screentest rules --model emoji             those of Emoji, in its order

  screentest rules --profile my.toml         a profile's, and what is not seen

  screentest rules --schema > profile.json   for an editor of profiles

Exit status: 0 listed, 2 no such model, ratio or profile.
"""


@app.command(epilog=EXAMPLES)
def rules(
    model: Annotated[
        str | None, typer.Option(help="Of this detector, in its order.", show_default="every rule")
    ] = None,
    ratio: Annotated[
        str | None, typer.Option(metavar="1:1|3:4", help="Of this framing.", show_default="1:1")
    ] = None,
    profile: Annotated[list[str] | None, DETECTOR_PROFILE] = None,
    json_output: Json = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of profiles instead.")
    ] = False,
) -> None:
    """List rules: what a picture must be, how it is measured, the limit and its reason, and the code."""
    from screentest.detection.errors import DetectionError

    if (ratio and not model) or (model and profile):
        raise typer.BadParameter("--ratio goes with --model, and --model or --profile goes alone")
    with exit_on_errors(DetectionError):
        if schema:
            from screentest.detection import profiles

            typer.echo(json.dumps(profiles.schema(), indent=2))
            return
        listed, unseen = _chosen(model, ratio, profile)
        if json_output:
            typer.echo(json.dumps([_as_dict(rule) for rule in listed], indent=2))
            return
        for rule in listed:
            typer.echo(_as_text(rule))
        for requirement in unseen:
            typer.echo(f"not measured: {requirement}")


def _chosen(model: str | None, ratio: str | None, profile: list[str] | None) -> tuple[list[Rule], list[str]]:
    """The rules that are asked for, and what a profile says that it cannot see.

    Raises:
        DetectionError: no such model, ratio or profile.
    """
    from screentest.detection import models
    from screentest.detection.rules.catalogue import RULES

    if profile:
        from screentest.detection import profiles

        # One profile is shown; check and serve take several.
        said, spec = profiles.load(profile[0])
        return list(spec.framings[0].rules), said.not_measured
    if model:
        spec = models.find(models.full_name(model))
        return list(spec.framing(ratio or spec.ratios[0]).rules), []
    return list(RULES.values()), []


def _as_dict(rule: Rule) -> dict[str, Any]:
    from screentest.detection.evidence import MEASUREMENTS

    measurement = MEASUREMENTS[rule.measurement]
    return {
        "rule": rule.name,
        "requirement": rule.requirement,
        "measurement": rule.measurement,
        "measures": measurement.description,
        "unit": rule.unit,
        "frame": measurement.frame,
        "at_least": rule.at_least,
        "at_most": rule.at_most,
        "applies": rule.applies.words,
        "reason": rule.reason,
        "code": str(rule.code),
    }


def _as_text(rule: Rule) -> str:
    from screentest.detection.evidence import MEASUREMENTS

    measurement = MEASUREMENTS[rule.measurement]
    return (
        f"{rule.name}: {rule.requirement}\n"
        f"  {rule.measurement} {rule.bound}, {rule.applies.words}; else {rule.code}\n"
        f"  measured: {measurement.description}\n"
        f"  why: {rule.reason}\n"
    )

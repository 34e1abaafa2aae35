"""The backfill function: composition root, built once at import. Objects that were in the bucket before, verdicts out.

They come as messages of the backfill queue, or one by one as tasks of S3 Batch Operations. A schedule asks now and then
for what is pending although its message is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from screentest.screening import backfill, bootstrap
from screentest.screening.batch import Pipeline
from screentest.screening.settings import SELF_HOSTED, Settings


def build() -> Callable[[Any, Any], dict[str, Any]]:
    """The function as the environment says."""
    settings = Settings.read()
    if settings.detector != SELF_HOSTED:
        return handler_of(bootstrap.pipeline(settings))

    from screentest.detection import RULES_VERSION, VERSION
    from screentest.detection.api.embedded import embedded

    api = embedded(settings.profiles, bootstrap.private_hosts(settings))
    return handler_of(bootstrap.self_hosted(settings, api.application, api.kernels, VERSION, RULES_VERSION))


def handler_of(pipeline: Pipeline) -> Callable[[Any, Any], dict[str, Any]]:
    """Tasks to `Tasks`, the schedule to `OverdueCheck`, all else to the pipeline, over the same screener."""
    tasks = backfill.Tasks(pipeline.screener, pipeline.telemetry)
    overdue = backfill.OverdueCheck(pipeline.screener, pipeline.telemetry)

    def handler(event: Any, context: Any) -> dict[str, Any]:
        part = tasks if backfill.is_task(event) else overdue if backfill.is_overdue_check(event) else pipeline
        return part(event, context)

    return handler


try:
    handler = build()
except Exception as error:  # noqa: BLE001 - whatever it is, it must not lose a message
    handler = bootstrap.failing(error)

"""The upload API behind a function URL: composition root, built once at import."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from screentest.screening import bootstrap
from screentest.screening.bearer import BearerKey
from screentest.screening.errors import ScreeningError
from screentest.screening.forms import UploadStore
from screentest.screening.settings import UploadSettings
from screentest.screening.table import VerdictTable
from screentest.screening.uploads import UploadApi

settings = UploadSettings.read()
logger = Logger(level=settings.log_level)


def failed(error: Exception) -> None:
    """Say why a request could not be answered, and count it for the alarm."""
    if isinstance(error, ScreeningError):
        logger.error("upload API failed", code=error.code, reason=error.message)
    else:
        logger.error("upload API failed", code="Defect", exc_info=error)
    with single_metric("UploadApiFailed", MetricUnit.Count, 1) as metric:
        metric.add_dimension("service", logger.service)


def build() -> UploadApi:
    """The API as the environment says."""
    aws = bootstrap.Aws(settings, bootstrap.QUICK)
    table = VerdictTable(aws.dynamodb(), settings.verdict_table_name)
    return UploadApi(
        UploadStore(aws.s3(), table, settings.upload_bucket_name),
        settings.routes,
        BearerKey(bootstrap.secret(settings.upload_api_key_secret_arn, settings, bootstrap.QUICK)),
        failed=failed,
    )


api = build()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One request to the function URL. Of its address the path alone is logged: the rest may hold a token."""
    start = time.perf_counter()
    result = api(event)
    http = event["requestContext"]["http"]
    logger.info(
        "request",
        method=http["method"],
        path=event.get("rawPath"),
        status=result["statusCode"],
        milliseconds=round((time.perf_counter() - start) * 1000),
    )
    return result

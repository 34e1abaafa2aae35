"""The detection API behind a function URL: composition root, built once and kept in a snapshot (SnapStart)."""

from __future__ import annotations

import json
import logging
import os
import random
from typing import Any

from snapshot_restore_py import register_after_restore, register_before_snapshot
from url import UrlApi

from screentest.detection.api import DetectionApi
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.detector import Detector
from screentest.detection.models import offered
from screentest.detection.vision.runtime import Kernels
from screentest.screening import bootstrap
from screentest.screening.bearer import BearerKey
from screentest.screening.settings import AwsSettings

logger = logging.getLogger(__name__)
logging.getLogger().setLevel(os.environ.get("LOG_LEVEL", "INFO"))

detector = Detector()
models = offered(list(filter(None, os.environ.get("PROFILES", "").split(","))))


def serve(key: str | None) -> DetectionApi:
    """The service behind one bearer key; public addresses only, because strangers name the pictures."""
    return DetectionApi(detector.detect, HttpFetcher(), api_key=key, models=models)


def build() -> UrlApi:
    """The API as the environment says.

    Raises:
        RuntimeError: it does not say who may call.
    """
    mode, arn = os.environ.get("DETECTION_API"), os.environ.get("DETECTION_API_KEY_SECRET_ARN")
    if mode == "iam":
        return UrlApi(serve, None)
    if mode == "key" and arn:
        return UrlApi(serve, lambda: BearerKey(bootstrap.secret(arn, AwsSettings.read(), bootstrap.QUICK)))
    raise RuntimeError("DETECTION_API must be 'iam', or 'key' with DETECTION_API_KEY_SECRET_ARN")


api = build()


@register_before_snapshot  # type: ignore[untyped-decorator, unused-ignore] # it keeps the signature
def open_networks() -> None:
    """What a snapshot should hold: every network, ready to run."""
    detector.open()
    logger.info(json.dumps({"message": "started", "kernels": detector.kernels}))


@register_after_restore  # type: ignore[untyped-decorator, unused-ignore] # it keeps the signature
def renew() -> None:
    """What must not come out of a snapshot that many environments start from: keys, connections, random numbers."""
    api.forget()
    random.seed()


def tell_slow_kernels() -> None:
    """The metric that the alarm on slow kernels watches, as the screen function writes it."""
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric("SlowKernels", MetricUnit.Count, 1) as metric:
        metric.add_dimension("service", os.environ["POWERTOOLS_SERVICE_NAME"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One request to the function URL."""
    if detector.kernels is Kernels.PLAIN:
        tell_slow_kernels()
    return api.handle(event)

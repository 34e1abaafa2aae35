"""The screen function: composition root, built once at import. Messages or an event in, verdicts out."""

from __future__ import annotations

import gc

# Nothing that is imported here is ever given back: looking for garbage in it is a tenth of the start, and later a
# part of every full collection (docs/performance.md).
gc.disable()

from screentest.screening import bootstrap  # noqa: E402
from screentest.screening.batch import Pipeline  # noqa: E402
from screentest.screening.settings import SELF_HOSTED, Settings  # noqa: E402


def build() -> Pipeline:
    """The pipeline as the environment says."""
    settings = Settings.read()
    if settings.detector != SELF_HOSTED:
        return bootstrap.pipeline(settings)

    from screentest.detection import RULES_VERSION, VERSION
    from screentest.detection.api.embedded import embedded

    api = embedded(settings.profiles, bootstrap.private_hosts(settings))
    return bootstrap.self_hosted(settings, api.application, api.kernels, VERSION, RULES_VERSION)


try:
    handler = build()
except Exception as error:  # noqa: BLE001 - whatever it is, it must not lose a message
    handler = bootstrap.failing(error)  # type: ignore[assignment] # both are called alike

gc.freeze()
gc.enable()

"""What several test folders share: the local stack, started once, and how tests are spread over processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from screentest.stack import ARTEFACTS, LocalStack

# Each of these starts something large once a session: all its tests go to one worker.
GROUPS = ("stack", "artefact", "browser")


# A busy machine is no failure: nothing here depends on how fast examples are drawn or run.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a group in one worker process."""
    for item in items:
        for group in GROUPS:
            if item.get_closest_marker(group) and not item.get_closest_marker("xdist_group"):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _no_log_to_the_output_of_an_earlier_test() -> None:
    """A command that logs to standard error does so until its process ends, which here is that of other tests too: what
    was captured is closed, and a log line to it would print a traceback into theirs."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler and getattr(handler.stream, "closed", False):
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The stack with its default parameters, roles enforced; shared, so use keys of your own."""
    if not (ARTEFACTS / "template.yaml").exists():
        pytest.fail("nothing to deploy: run `make build HOST=1`, or the tests by `make test`")
    with LocalStack() as running:
        yield running


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server: another implementation of AWS than the local stack's, for single services."""
    from moto.server import ThreadedMotoServer

    # Else it writes each request to the standard error of whichever test started it.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()

"""A built function under AWS's own runtime interface emulator, as Lambda would start it, without a container.

The emulator comes in the aws-sam-cli wheel. The interpreter is that of `.lambda`, which holds what the Lambda runtime
carries and nothing else, so a package that the artefact forgot is missing here too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from screentest.stack import ACCESS_KEY, ARTEFACTS, REGION, REPOSITORY, SECRET_KEY, StackError
from screentest.stack.deployment import read_template
from screentest.stack.guardian import __file__ as guardian
from screentest.stack.server import PORT_ATTEMPTS, ProcessOutput, free_port

INVOKE_PATH = "/2015-03-31/functions/function/invocations"
START_SECONDS = 15.0
MARGIN_SECONDS = 30.0  # what a call may take beyond the function's own time-out


class EmulatorFailed(StackError):
    """The runtime interface emulator did not start or has ended."""


@dataclass(frozen=True)
class Reply:
    """What an invocation answered.

    Attributes:
        payload: the function's return value, or the error object that Lambda makes of an exception.
        error_type: of that error; None when the function returned.
    """

    payload: Any
    error_type: str | None = None


def emulator_binary() -> Path:
    """The emulator of this machine's processor in the aws-sam-cli wheel."""
    spec = importlib.util.find_spec("samcli")
    assert spec
    assert spec.origin
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return Path(spec.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def interpreter() -> Path:
    """The Python of `.lambda`."""
    return (REPOSITORY / ".lambda" / "bin" / "python").absolute()


@dataclass(frozen=True)
class Machine:
    """Where the emulator runs; by default here.

    Attributes:
        enter: a command that runs the one that follows it, in a sandbox.
        emulator: path of the emulator in there.
        python: the command that starts Python in there.
        environment: variables that are others in there.
    """

    enter: tuple[str, ...] = ()
    emulator: str = field(default_factory=lambda: str(emulator_binary()))
    python: tuple[str, ...] = field(default_factory=lambda: (str(interpreter()),))
    environment: Mapping[str, str] = field(default_factory=dict)


class Emulator:
    """One execution environment of a built function, as a context manager.

    The function starts at the first invocation, as on Lambda. One invocation at a time.
    """

    def __init__(
        self,
        function: str = "ScreenFunction",
        *,
        environment: Mapping[str, str],
        layers: tuple[str, ...] = ("ScreeningLayer", "DetectionLayer"),
        timeout: int | None = None,
        handler: str | None = None,
        code: Path | None = None,
        artefacts: Path = ARTEFACTS,
        machine: Machine | None = None,
    ) -> None:
        """Prepare an environment; nothing starts before the `with` block.

        Args:
            function: its logical id in the template.
            environment: the function's variables, with `AWS_ENDPOINT_URL` for a local AWS.
            layers: logical ids of the layers, in the template's order.
            timeout: in seconds, by default the template's.
            handler: `module.function`, by default the template's.
            code: the function's folder, by default the built one.
            artefacts: what `make build HOST=1` made.
            machine: where it runs, by default here under the Python of `.lambda`.
        """
        properties = read_template(artefacts)["Resources"][function]["Properties"]
        self._name = function
        self._code = code or (artefacts / function).resolve()
        self._handler = handler or str(properties["Handler"])
        self._timeout = timeout or int(properties["Timeout"])
        self._layers = [(artefacts / layer / "python").resolve() for layer in layers]
        self._machine = machine or Machine()
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = ProcessOutput()
        self._folder = Path()
        self._port = 0

    def __enter__(self) -> Self:
        try:
            for _ in range(PORT_ATTEMPTS):
                self._start()
                if self._listens():
                    return self
                said = self.log()
                self.stop()
                if "address already in use" not in said:
                    break
        except BaseException:
            self.stop()
            raise
        raise EmulatorFailed(f"the runtime interface emulator did not start; it said:\n{said[-2000:]}")

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="screentest-lambda-"))
        self._port, runtime_port = free_port(), free_port()
        standard = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(self._code),
            "_HANDLER": self._handler,
            "AWS_LAMBDA_FUNCTION_NAME": self._name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._timeout),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            # Layers and code are mounted read-only on Lambda: nothing that a run compiles is kept.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (self._code, *self._layers))),
        }
        command = [
            *self._machine.enter,
            self._machine.emulator,
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{self._port}",
            "--runtime-api-address",
            f"127.0.0.1:{runtime_port}",
            "--log-level",
            "warn",
            *self._machine.python,
            "-m",
            "awslambdaric",
            self._handler,
        ]
        self._log = ProcessOutput()
        self._process = subprocess.Popen(  # noqa: S603 - the pinned wheel's binary
            [str(interpreter()), guardian, str(self._folder), *command],
            cwd=self._code,
            stdin=subprocess.PIPE,
            stdout=self._log.file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=standard | dict(self._machine.environment) | self._environment,
        )

    def _listens(self) -> bool:
        assert self._process
        until = time.monotonic() + START_SECONDS
        with httpx.Client(trust_env=False) as probe:
            while time.monotonic() < until and self._process.poll() is None:
                try:
                    probe.get(f"http://127.0.0.1:{self._port}/")
                except httpx.TransportError:
                    time.sleep(0.005)
                else:
                    return self._process.poll() is None
        return False

    def invoke(self, event: Any) -> Reply:
        """Send one event and wait for the answer.

        Args:
            event: JSON-able.

        Raises:
            EmulatorFailed: the emulator has ended, or did not answer long after the function's time-out.
        """
        try:
            with httpx.Client(trust_env=False, timeout=self._timeout + MARGIN_SECONDS) as client:
                answer = client.post(f"http://127.0.0.1:{self._port}{INVOKE_PATH}", json=event)
        except httpx.TransportError as error:
            raise EmulatorFailed(
                f"the emulator did not answer ({error}); it said:\n{self.log()[-2000:]}"
            ) from error
        text = answer.text
        if text.startswith("Task timed out"):
            return Reply({"errorMessage": text}, "Sandbox.Timedout")
        try:
            payload = json.loads(text) if text else None
        except ValueError:
            return Reply({"errorMessage": text}, "Runtime.InvalidResponse")
        failure = payload.get("errorType") if isinstance(payload, dict) else None
        return Reply(payload, failure)

    def log(self) -> str:
        """What function and emulator have printed so far."""
        return self._log.text()

    def stop(self) -> None:
        """End the environment; returns when it is gone."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin
            process.stdin.close()
            process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

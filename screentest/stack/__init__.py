"""The local stack: `template.yaml` itself, deployed to a local AWS that ends with this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from screentest.stack.deployment import ARTEFACTS, Deployment, Template, deploy
from screentest.stack.errors import DeploymentFailed, NoRoom, NotBuilt, ServerFailed, StackError
from screentest.stack.server import (
    ACCESS_KEY,
    REGION,
    REPOSITORY,
    ROOM_BYTES,
    SECRET_KEY,
    LocalAws,
    free_bytes,
)

# What suits one machine: two functions at a time fill two processors, and the local AWS has no event bus to pipe to.
LOCAL_PARAMETERS = {"MaximumConcurrency": "2", "BackfillConcurrency": "2", "VerdictEvents": "false"}

__all__ = [
    "ACCESS_KEY",
    "ARTEFACTS",
    "LOCAL_PARAMETERS",
    "REGION",
    "REPOSITORY",
    "SECRET_KEY",
    "Deployment",
    "DeploymentFailed",
    "LocalAws",
    "LocalStack",
    "NoRoom",
    "NotBuilt",
    "ServerFailed",
    "StackError",
    "deploy",
]


class LocalStack:
    """A local AWS with the stack deployed, as a context manager.

    Attributes:
        aws: the server.
        deployment: the stack on it; set inside the `with` block.
    """

    deployment: Deployment

    def __init__(
        self,
        *,
        parameters: Mapping[str, str] | None = None,
        artefacts: Path = ARTEFACTS,
        alter: Callable[[Template], Template] | None = None,
        enforce_roles: bool = True,
        port: int = 0,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """Prepare a stack; nothing starts before the `with` block.

        Args:
            parameters: of the template, where neither `LOCAL_PARAMETERS` nor its defaults.
            artefacts: what `make build HOST=1` made.
            alter: changes the built template before it is deployed.
            enforce_roles: check signatures and the functions' role policies, as AWS does.
            port: of the server; 0 lets the system choose.
            free: bytes that can still be written to a folder.
        """
        self._free = free
        self.aws = (
            LocalAws(enforce_roles=enforce_roles, find_port=lambda: port)
            if port
            else LocalAws(enforce_roles=enforce_roles)
        )
        self._parameters = LOCAL_PARAMETERS | dict(parameters or {})
        self._artefacts = artefacts
        self._alter = alter

    def __enter__(self) -> Self:
        self.aws.__enter__()
        try:
            self.check_room(ROOM_BYTES)
            self.deploy(self._parameters)
        except BaseException:
            self.aws.stop()
            raise
        return self

    def deploy(self, parameters: Mapping[str, str]) -> Deployment:
        """Create or update the stack with these parameters and the template's defaults.

        Raises:
            NotBuilt: there is no artefact.
            DeploymentFailed: CloudFormation refused or rolled back.
        """
        self.deployment = deploy(
            self.aws, parameters=parameters, artefacts=self._artefacts, alter=self._alter
        )
        return self.deployment

    def check_room(self, needed: int) -> None:
        """Whether the functions have room for their layers: without it each fails before it says a word.

        Raises:
            NoRoom: less than `needed` bytes are free.
        """
        folder = self.aws.folder.parent
        if (free := self._free(self.aws.folder)) < needed:
            raise NoRoom(
                f"{folder} has {free >> 20:,} MB free, and the functions unpack their layers there: without "
                f"{needed >> 20:,} MB nothing is screened. Free some, or name another folder with TMPDIR"
            )

    @property
    def endpoint_url(self) -> str:
        """Where every AWS client finds the local AWS."""
        return self.aws.endpoint_url

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, as `DescribeStacks` gives them."""
        return self.deployment.outputs

    @property
    def upload_api_url(self) -> str:
        """Where the upload API is on this machine: the local AWS takes the id of a function URL as a path."""
        url_id = self.outputs["UploadApiUrl"].removeprefix("https://").partition(".")[0]
        return f"{self.endpoint_url}/_aws/lambda-url/{url_id}"

    def client(self, service: str, **credentials: str) -> Any:
        """A boto3 client of the local AWS; see `LocalAws.client`."""
        return self.aws.client(service, **credentials)

    def logs(self, function: str | None = None) -> Iterator[str]:
        """Every line that a function, by default the screen function, has logged so far."""
        return self.deployment.logs(function or self.outputs["ScreenFunctionName"])

    def stop(self) -> None:
        """End the local AWS and everything it started."""
        self.aws.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

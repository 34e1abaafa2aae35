"""The local AWS: ministack as a subprocess on loopback, ended with this process whatever ends it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.config
import httpx

from screentest.stack import guardian
from screentest.stack.errors import ServerFailed

_PARENT = Path(__file__).resolve().parents[2]
REPOSITORY = _PARENT if (_PARENT / "template.yaml").is_file() else Path.cwd()
"""The checkout that is deployed: the one that this file belongs to, or for a wheel the one that it is run in."""

REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"  # noqa: S105 - the local AWS's published root key
START_SECONDS = 60
# More than all event sources of the stack together: a batch that is throttled here stays hidden for its queue's six
# minutes, where AWS's own poller would try again at once.
CONCURRENCY = 16
SCRATCH_BYTES = 4 << 30  # eight functions at a time, with room for others
ROOM_BYTES = 1 << 30  # layers and pictures of the few functions that run at a time on one machine
PORT_ATTEMPTS = 5  # between asking the kernel for a free port and binding it, another process may take it


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scratch() -> str | None:
    """Where the functions unpack their layers, a few hundred MB each: memory where it is plenty and may hold code."""
    memory = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it, mode 700
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return None
    executable = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    return str(memory) if executable and free_bytes(memory) > SCRATCH_BYTES else None


def free_bytes(folder: Path) -> int:
    """What can still be written there."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


class ProcessOutput:
    """What a process prints, in a nameless file that outlives the process and its folder.

    Attributes:
        file: to be given as the process's standard output.
    """

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object

    def text(self) -> str:
        """Everything printed so far."""
        return os.pread(self.file.fileno(), os.fstat(self.file.fileno()).st_size, 0).decode(errors="replace")


class LocalAws:
    """The local AWS server, as a context manager.

    Attributes:
        endpoint_url: where every AWS client finds it, `http://127.0.0.1:PORT`.
        folder: its scratch folder, removed with it.
    """

    def __init__(
        self,
        *,
        interpreter: Path | None = None,
        enforce_roles: bool = True,
        concurrency: int | None = None,
        settings: dict[str, str] | None = None,
        find_port: Callable[[], int] = free_port,
    ) -> None:
        """Prepare a server; nothing starts before the `with` block.

        Args:
            interpreter: the Python that has ministack, by default that of `.localaws`.
            enforce_roles: check signatures and the functions' role policies, as AWS does.
            concurrency: how many functions may run at a time.
            settings: further environment of the server.
            find_port: names the port to try next.
        """
        self._interpreter = interpreter or REPOSITORY / ".localaws" / "bin" / "python"
        self._concurrency = concurrency or CONCURRENCY
        self._enforce_roles = enforce_roles
        self._settings = settings or {}
        self._find_port = find_port
        self._process: subprocess.Popen[bytes] | None = None
        self._log = ProcessOutput()
        self._session = boto3.session.Session(region_name=REGION)
        self._clients: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}
        self._client_lock = threading.Lock()
        self.endpoint_url = ""
        self.folder = Path()

    def __enter__(self) -> Self:
        if not (REPOSITORY / "template.yaml").is_file():
            raise ServerFailed(
                f"{REPOSITORY} is no checkout of Screentest, and that is what is deployed: clone it, then `make up`"
            )
        if not self._interpreter.exists():
            raise ServerFailed(f"{self._interpreter} is missing: run `make setup` first")
        try:
            for _ in range(PORT_ATTEMPTS):
                port = self._find_port()
                self._start(port)
                if self._answers(port):
                    return self
                said = self.log()
                self.stop()
                if "in use" not in said.lower():
                    break
        except BaseException:
            self.stop()
            raise
        raise ServerFailed(f"the local AWS did not start within {START_SECONDS} s; it said:\n{said[-2000:]}")

    def _start(self, port: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="screentest-aws-", dir=scratch()))
        (self.folder / "tmp").mkdir()
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._clients.clear()
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "HOME") if name in os.environ}
        environment = kept | {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(self._concurrency),
            "AUTH": "true" if self._enforce_roles else "false",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "S3_DATA_DIR": str(self.folder / "s3"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LOG_LEVEL": "WARNING",
        }
        server = [str(self._interpreter), "-m", "ministack"]
        self._log = ProcessOutput()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [str(self._interpreter), guardian.__file__, str(self.folder), *server],
            stdin=subprocess.PIPE,
            stdout=self._log.file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment | self._settings,
        )

    def _answers(self, port: int) -> bool:
        assert self._process
        until = time.monotonic() + START_SECONDS
        with httpx.Client(trust_env=False) as probe:
            while time.monotonic() < until and self._process.poll() is None:
                try:
                    if probe.get(f"http://127.0.0.1:{port}/_ministack/health").is_success:
                        # A port that another process took answers too: our own must still be running.
                        return self._process.poll() is None
                except httpx.TransportError:
                    time.sleep(0.05)
        return False

    def log(self) -> str:
        """What the server has printed so far."""
        return self._log.text()

    @property
    def running(self) -> bool:
        """Whether the server process is there."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Make sure that the server runs.

        Raises:
            ServerFailed: it has ended; the message shows its last words.
        """
        if not self.running:
            raise ServerFailed(f"the local AWS has ended; it said:\n{self.log()[-2000:]}")

    def client(self, service: str, **credentials: str) -> Any:
        """A boto3 client of this server, the same for the same arguments; safe in any thread.

        Args:
            service: as boto3 names it.
            credentials: other keys than the root's, as boto3's arguments name them.
        """
        wanted = (service, tuple(sorted(credentials.items())))
        with self._client_lock:
            if wanted not in self._clients:
                self._clients[wanted] = self._make_client(service, credentials)
            return self._clients[wanted]

    def _make_client(self, service: str, credentials: dict[str, str]) -> Any:
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY} | credentials
        config = botocore.config.Config(
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path"},
            retries={"mode": "standard"},
            inject_host_prefix=False,
            request_checksum_calculation="when_required",  # loopback corrupts nothing, and artefacts are large
        )
        return self._session.client(service, endpoint_url=self.endpoint_url, config=config, **keys)  # type: ignore[call-overload]

    def stop(self) -> None:
        """End the server and everything it started; returns when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin
        process.stdin.close()
        process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

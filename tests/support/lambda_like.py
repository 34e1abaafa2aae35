"""Lambda's limits around a built function, without a container: a root of Debian's Python 3.13 with what the Lambda
runtime carries, read-only; `/tmp` of 512 MB; no `/dev/shm`; an unprivileged user; the function's memory; loopback only.

For arm64 everything but the emulator runs under qemu, on the processor that `CPUINFO` describes, with
`/sys/devices/system/cpu` masked as it is reported of Lambda.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from screentest.artefact import Machine
from screentest.artefact.emulator import emulator_binary
from screentest.stack import REPOSITORY

ARTEFACTS = {"x86_64": REPOSITORY / ".aws-sam" / "build", "arm64": REPOSITORY / ".aws-sam" / "arm64"}
TMP_BYTES = 512 << 20
PROBE = """
import errno, os, resource, socket

def trial(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except MemoryError:
        return "MemoryError"
    return "done"

def fill():
    try:
        with open("/tmp/full", "wb") as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
    finally:
        os.remove("/tmp/full")

def handler(event, context):
    if event == "memory":
        return len(b"x" * (2_000 << 20))
    return {
        "user": os.getuid(),
        "task": trial(lambda: open("/var/task/new", "w")),
        "layer": trial(lambda: open("/opt/new", "w")),
        "root": trial(lambda: open("/new", "w")),
        "tmp": trial(lambda: open("/tmp/new", "w")),
        "full": trial(fill),
        "shm": os.path.exists("/dev/shm"),
        "elsewhere": trial(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
        "home": os.path.exists(event["repository"]),
        "possible": os.path.exists("/sys/devices/system/cpu/possible"),
        "machine": os.uname().machine,
    }
"""
"""A function that tries what Lambda forbids, and says what came of it."""

CPUINFO = "".join(
    f"""processor	: {number}
BogoMIPS	: 243.75
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1

"""
    for number in range(2)
)
"""What a two-processor Neoverse N1, Lambda's arm64, says of itself."""

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP


class Unavailable(Exception):
    """This machine has not got what it takes; says what."""


@contextmanager
def loopback_only() -> Iterator[None]:
    """This thread, and every process and thread that it starts in here, in a network of nothing but loopback.

    Raises:
        Unavailable: the kernel does not allow it.
    """
    if sys.platform != "linux":
        raise Unavailable("network namespaces are Linux's")
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEW_NETWORK):
            raise Unavailable(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH", b"lo", _UP))
            yield
        finally:
            assert libc.setns(home, _NEW_NETWORK) == 0
    finally:
        os.close(home)


def needs(architecture: str) -> None:
    """Nothing, where all is there.

    Raises:
        Unavailable: something is missing.
    """
    for program in ("bwrap", *(["qemu-aarch64-static"] if architecture == "arm64" else [])):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    for path in (root(architecture) / "var" / "runtime" / "boto3", ARTEFACTS[architecture] / "template.yaml"):
        if not path.exists():
            raise Unavailable(f"{path} is missing: run `make cage`, as root on Debian")
    command = [*_cage("x86_64"), "/usr/bin/python3.13", "-c", ""]
    trial = subprocess.run(command, check=False, capture_output=True, text=True)
    if trial.returncode:
        raise Unavailable(f"no namespaces: {trial.stderr.strip()}")


def root(architecture: str) -> Path:
    """The root file system for a processor."""
    return REPOSITORY / f".lambda-{architecture}" / "root"


def _cage(architecture: str) -> list[str]:
    words = [
        "bwrap",
        "--die-with-parent",
        "--unshare-user",
        "--uid",
        "993",
        "--gid",
        "990",
        "--cap-drop",
        "ALL",
    ]
    words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--ro-bind", str(root(architecture)), "/"]
    words += ["--proc", "/proc", "--ro-bind", "/sys", "/sys", "--tmpfs", "/sys/devices/system/cpu"]
    words += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--tmpfs", "/dev"]
    for name in ("null", "zero", "full", "random", "urandom"):
        words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*words, "--symlink", "/proc/self/fd", "/dev/fd", "--remount-ro", "/dev"]


@dataclass(frozen=True)
class MemoryGroup:
    """A control group; what enters it shares its limit."""

    folder: Path

    @property
    def peak(self) -> int:
        """The most that was used, bytes."""
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            if (self.folder / name).exists():
                return int((self.folder / name).read_text())
        raise Unavailable("this kernel does not keep the peak of a control group")


@contextmanager
def memory_of(megabytes: int) -> Iterator[MemoryGroup]:
    """A control group, of either version, that kills what takes more.

    Raises:
        Unavailable: none can be made.
    """
    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = parent / f"screentest-{os.getpid()}-{megabytes}"
        try:
            folder.mkdir()
            if (folder / limit).exists():
                (folder / limit).write_text(str(megabytes << 20))
                break
            folder.rmdir()
        except OSError:
            continue
    else:
        raise Unavailable("no control group for memory can be made")
    try:
        yield MemoryGroup(folder)
    finally:
        # What was in it has been killed, and goes in its own time.
        until = time.monotonic() + 30
        while (folder / "cgroup.procs").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        folder.rmdir()


@contextmanager
def lambda_like(
    architecture: str,
    code: Path,
    layers: list[Path],
    folder: Path,
    group: MemoryGroup,
    without: str = "nothing",
) -> Iterator[Machine]:
    """Where the emulator runs a function as Lambda would.

    Args:
        architecture: `x86_64` or `arm64`.
        code: the function's folder.
        layers: their folders, in order, mounted as one.
        folder: empty, for what is mounted.
        group: that the function runs in.
        without: a folder of the layers that is left out.
    """
    merged = folder / "opt"
    for layer in layers:
        left_out = shutil.ignore_patterns(without)
        shutil.copytree(layer, merged, dirs_exist_ok=True, copy_function=os.link, ignore=left_out)
    merged.mkdir(exist_ok=True)
    words = [*_cage(architecture), "--ro-bind", str(code), "/var/task", "--ro-bind", str(merged), "/opt"]
    words += ["--ro-bind", str(emulator_binary()), "/emulator", "--chdir", "/var/task"]
    python = ["/usr/bin/python3.13"]
    if architecture == "arm64":
        (folder / "cpuinfo").write_text(CPUINFO)
        words += ["--ro-bind", str(folder / "cpuinfo"), "/proc/cpuinfo"]
        words += ["--ro-bind", str(shutil.which("qemu-aarch64-static")), "/qemu"]
        # Its usual processor has SME, which Lambda's has not and which qemu emulates wrongly (its issue 3186):
        # networks in eight bits see nothing there.
        python[0:0] = ["/qemu", "-cpu", "neoverse-n1"]
    enter = ["sh", "-c", f'echo $$ >{group.folder}/cgroup.procs && exec "$@"', "sh", *words]
    yield Machine(
        enter=tuple(enter),
        emulator="/emulator",
        python=tuple(python),
        environment={
            "PATH": "/usr/bin",
            "HOME": "/tmp",
            "TMPDIR": "/tmp",
            "LAMBDA_TASK_ROOT": "/var/task",
            "PYTHONPATH": "/var/task:/opt/python:/var/runtime",
        },
    )

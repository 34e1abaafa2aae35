"""The built functions under the runtime interface emulator, without Docker."""

from __future__ import annotations

from screentest.artefact.emulator import Emulator, EmulatorFailed, Machine, Reply
from screentest.artefact.invoke import emulator_on, invoke, read_event
from screentest.artefact.objects import Store, with_objects

__all__ = [
    "Emulator",
    "EmulatorFailed",
    "Machine",
    "Reply",
    "Store",
    "emulator_on",
    "invoke",
    "read_event",
    "with_objects",
]

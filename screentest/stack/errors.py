"""What can go wrong with the local stack, each with what to do next."""

from __future__ import annotations


class StackError(Exception):
    """The local stack could not be started, deployed or used."""


class ServerFailed(StackError):
    """The local AWS did not start or has ended."""


class NoRoom(StackError):
    """The folder where functions are unpacked is full."""


class NotBuilt(StackError):
    """There is no artefact to deploy."""


class DeploymentFailed(StackError):
    """CloudFormation refused the template or rolled it back; the message holds its reasons."""

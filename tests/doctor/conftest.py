"""The template's stack without our code is all that the doctor needs."""

from __future__ import annotations

from template.conftest import empty_artefacts

__all__ = ["empty_artefacts"]

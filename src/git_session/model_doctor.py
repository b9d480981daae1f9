"""What users hold of a doctor's visit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from git_session.model import Model


class DoctorLine(Model):
    """Holds one thing that was looked at, and the command that mends it."""

    name: str
    status: Literal["ok", "warning", "failing"]
    message: str
    command: str | None
    is_mended: bool = Field(description="--fix has mended it since.")


class DoctorReport(Model):
    """Holds all that was looked at."""

    lines: list[DoctorLine]
    is_well: bool = Field(description="Every line is ok, or was mended.")

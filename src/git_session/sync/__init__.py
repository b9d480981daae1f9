"""Brings clones and remotes to one log. How long and how often it tries is set here."""

from typing import Final

DEFAULT_TIMEOUT_S: Final = 120.0
FIRST_PAUSE_S: Final = 0.03
LONGEST_PAUSE_S: Final = 2.0
"""Bounds of the random pause between two rounds: each is twice the one before, up to this."""

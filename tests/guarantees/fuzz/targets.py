"""What is fuzzed: each reader of bytes that somebody else may have made.

A target takes any bytes. It may raise nothing, so whatever gets out of it is a finding: an error
of the wrong kind as well as two readers, or a reader and a writer, that do not agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.guarantees.fuzz import file_targets, git_targets, log_targets

Target = Callable[[bytes], None]

TARGETS: Final[dict[str, Target]] = {
    name.removeprefix("fuzz_"): value
    for module in (log_targets, git_targets, file_targets)
    for name, value in vars(module).items()
    if name.startswith("fuzz_")
}

"""Fuzzes one target until libFuzzer's limits: `python -m tests.guarantees.fuzz.one TARGET FOLDER`.

With a file instead of a folder it runs that input once, which shows a finding again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["git_session"]):
    from tests.guarantees.fuzz.targets import TARGETS


def main() -> None:
    """Runs the fuzzer, which ends the process by itself."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

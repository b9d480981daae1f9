"""Makes a repository with a large grite log: `python benchmarks/make_store.py PATH --events N`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# The maker lives with the tests, which is no installed package: found from this file's place.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.stores import make_log


def main() -> None:
    """Reads the command line, makes the log and says what it holds."""
    parser = argparse.ArgumentParser(description="Make a repository with a large grite log.")
    parser.add_argument("path", type=Path, help="repository to write to; created if missing")
    parser.add_argument("--events", type=int, default=10_200, help="how many events (%(default)s)")
    parser.add_argument("--sessions", type=int, default=400, help="of how many (%(default)s)")
    parser.add_argument("--per-commit", type=int, default=1, help="events a commit (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another log")
    parser.add_argument("--loose", action="store_true", help="loose objects instead of one pack")
    wanted = parser.parse_args()
    try:
        made = make_log(
            wanted.path,
            wanted.events,
            wanted.sessions,
            per_commit=wanted.per_commit,
            loose=wanted.loose,
            seed=wanted.seed,
        )
    except (ValueError, RuntimeError) as error:
        parser.error(str(error))
    print(
        f"{made.events} events in {made.commits} commits, {made.issues} issues, "
        f"{len(made.sessions)} sessions, head {made.head}"
    )


if __name__ == "__main__":
    main()

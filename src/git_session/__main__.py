"""The entry of `git session`, `git-session` and `python -m git_session`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and exits with its code."""
    try:
        from git_session.cli.boundary import run_command_line

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # while the first modules were still being loaded
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()

"""`git session init`: a repository made ready."""

from __future__ import annotations

from git_session.cli.opening import find_here
from git_session.cli.options import Settings, command
from git_session.cli.ui.output import print_data, print_line


@command("init", "git session init", "git session -C ../other init --json")
def init_command(settings: Settings) -> None:
    """Prepare this repository for sessions.

    It creates an actor to write as, and an ignore rule for output logs. It keeps what grite or an
    earlier init created.
    """
    from git_session.log.setup import make_ready

    report = make_ready(find_here())
    if settings.is_json:
        print_data(report)
        return
    for sentence in report["done"]:
        print_line(sentence)
    for sentence in report["kept"]:
        print_line(f"kept {sentence}")
    if not report["done"]:
        print_line("nothing to do: the repository is ready")

"""Write the reference of all commands, docs/commands.md and man/*.1, from the commands themselves.

Run it after a change of a command, an option or a help text: `python tools/reference.py`.
A test fails until then.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from git_session import __version__
from git_session.cli import SECTIONS, group
from git_session.cli.options import Settings, shared_options

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND_TO_RUN: Final = "python tools/reference.py"

_SHARED: Final = "Every command takes -C PATH, --json, --debug and -h. Others:"

Pairs = Sequence[tuple[str, str]]

SETTINGS: Final[Pairs] = (
    (
        "session.remote",
        "Remote to sync with; repeatable; default: the upstream's remote, else origin.",
    ),
    (
        "session.autoSync",
        "Sync in the background after each transition; default: false.",
    ),
    (
        "session.pushTimeout",
        "Seconds that git push may spend on pushing the log; 0 turns that off; default: 10.",
    ),
    (
        "session.beatInterval",
        "Minimum time between heartbeats in the log, such as 15m or 1h; default: 15m.",
    ),
    (
        "session.fsync",
        "Flush each record to disk at once; default: follow git's core.fsync.",
    ),
    (
        "session.committer",
        "Author and committer of new log and snapshot commits; default: grite <grit@local>.",
    ),
    (
        "session.secrets",
        "Action on credentials in text to record or push: warn, refuse or off; default: warn.",
    ),
    (
        "session.secretsAllow",
        "Regular expression of lines that the scan skips; repeatable.",
    ),
    ("session.task", "Task of agents that report through their hooks."),
    ("session.repo", "Other repository that list --everywhere shows; repeatable."),
    ("session.trustedKey", "Trusted key, as `ACTOR ed25519 KEY [LABEL]`; repeatable."),
    (
        "session.trustedKeysBlob",
        "REF:PATH of a committed file of trusted keys, like git's mailmap.blob.",
    ),
)
"""git's configuration that the program reads."""

VARIABLES: Final[Pairs] = (
    ("GIT_SESSION_ID", "The default session; `none` opts out."),
    (
        "GIT_SESSION_TASK",
        "The task of an agent that reports through its hooks; run sets both variables.",
    ),
    (
        "GRITE_HOME",
        "The actor's directory, as in grite; default: the repository's actor.",
    ),
    ("GIT_PAGER, PAGER", "The pager for a long log, as in git."),
    ("NO_COLOR", "Turn colours off, with any value; colour is never the only cue."),
)

EXIT_CODES: Final[Pairs] = (
    ("0", "Done."),
    ("1", "Any other failure."),
    ("2", "Wrong usage, or an ambiguous id."),
    ("3", "Task, session, actor or remote not found."),
    ("4", "A conflict: a refused transition, a lock, or a ref that kept moving."),
    ("5", "The environment: no repository, unreadable settings, no permission."),
    ("124", "Timed out."),
    ("130", "Ctrl-C."),
)


@dataclass(frozen=True, slots=True)
class Section:
    """Holds one part of a page: a title, then text, or terms with what they mean, or lines."""

    title: str
    paragraphs: Sequence[str] = ()
    terms: Pairs = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Holds what there is to say of one command, or of the program itself."""

    words: str
    summary: str
    usage: str
    sections: list[Section] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Gives the name under which git and man look for the page."""
        return "-".join(["git-session", *self.words.split()])


def make_pages() -> list[Page]:
    """Describes the program and each of its commands."""
    context = _make_context(group, "git session")
    pages = [_describe_program(context)]
    for section in SECTIONS.values():
        for name in section:
            command = group.get_command(context, name)
            assert command is not None
            pages += _describe(command, name, context)
    return pages


def format_markdown(pages: Sequence[Page]) -> str:
    """Forms docs/commands.md."""
    program, *commands = pages
    lines = ["# Commands and options", ""]
    lines += [f"<!-- Written by `{COMMAND_TO_RUN}`: change the commands' help instead. -->", ""]
    lines += [program.summary, ""]
    lines += ["Each section is also a man page: `git help session`, `man git-session-list`."]
    lines += ["`git session COMMAND -h` prints a short form.", ""]
    for title, section in SECTIONS.items():
        found = [page for page in commands if page.words.split()[0] in section]
        names = ", ".join(f"[{page.words}](#git-session-{_anchor(page)})" for page in found)
        lines.append(f"* **{title}:** {names}")
    lines.append("")
    for part in program.sections:
        lines += _markdown_section(part, "##")
    for page in commands:
        lines += [f"## git session {page.words}", "", f"`{page.usage}`", "", page.summary, ""]
        for part in page.sections:
            if part.title == "Options":
                lines += _markdown_section(Section("", terms=part.terms), "")
            elif part.title != "See also":
                lines += _markdown_section(part, "")
    return "\n".join(lines).rstrip("\n") + "\n"


def format_man(page: Page) -> str:
    """Forms a man page. Source: man(7), groff_man_style(7)."""
    title = page.name.upper()
    lines = [
        f".\\\" Written by {COMMAND_TO_RUN}: change the command's help instead.",
        f'.TH {_roff(title)} 1 "" "git-session {__version__}" "Git session manual"',
        ".ad l",
        ".SH NAME",
        f"{_roff(page.name)} \\- {_roff(page.summary[:1].lower() + page.summary[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_roff(page.usage)}",
    ]
    for section in page.sections:
        lines.append(f".SH {_roff(section.title.upper())}")
        for number, paragraph in enumerate(section.paragraphs):
            lines += [".PP"] * (number > 0) + [_roff(paragraph)]
        for term, text in section.terms:
            lines += [".TP", f".B {_roff(term)}", _roff(text)]
        if section.lines:
            lines += [".nf", *(_roff(line) for line in section.lines), ".fi"]
    return "\n".join(lines) + "\n"


def format_files() -> dict[Path, str]:
    """Forms all files of the reference: path in the project, and text."""
    pages = make_pages()
    files = {Path("man") / f"{page.name}.1": format_man(page) for page in pages}
    return {Path("docs/commands.md"): format_markdown(pages), **files}


def list_written(root: Path) -> list[Path]:
    """Lists the files of the reference that are there: paths in the project."""
    found = [root / "docs" / "commands.md", *sorted((root / "man").glob("*.1"))]
    return [path.relative_to(root) for path in found if path.exists()]


def main() -> int:
    """Writes what has changed, removes what is no longer, and says which."""
    files = format_files()
    for path in list_written(ROOT):
        if path not in files:
            (ROOT / path).unlink()
            print(f"removed {path}")
    for path, text in files.items():
        place = ROOT / path
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 0


# -- pages


def _describe_program(context: click.Context) -> Page:
    summary = _paragraphs(group.help)[0]
    page = Page("", summary, "git session [OPTIONS] COMMAND [ARGS]...")
    page.sections.append(Section("Options", terms=_option_terms(group, context)))
    for title, section in SECTIONS.items():
        page.sections.append(Section(title, terms=list(section.items())))
    page.sections.extend(
        [
            Section("Examples", lines=_example_lines(group.epilog)),
            Section("Exit codes", terms=EXIT_CODES),
            Section("Settings", ["Set them with git config."], SETTINGS),
            Section("Environment", terms=VARIABLES),
        ]
    )
    return page


def _describe(command: click.Command, words: str, parent: click.Context) -> Iterator[Page]:
    context = _make_context(command, words.rpartition(" ")[2], parent)
    summary, *more = _paragraphs(command.help)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    page = Page(words, summary, usage)
    if more:
        page.sections.append(Section("Description", more))
    terms = [
        param.get_help_record(context)
        for param in command.params
        if isinstance(param, click.Argument)
    ]
    if terms:
        page.sections.append(Section("Arguments", terms=terms))
    if isinstance(command, click.Group):
        inner = [found for found in command.commands.values() if not found.hidden]
        terms = [(found.name or "", _paragraphs(found.help)[0]) for found in inner]
        page.sections.append(Section("Commands", terms=terms))
    page.sections.append(Section("Options", [_SHARED], _option_terms(command, context)))
    page.sections.append(Section("Examples", lines=_example_lines(command.epilog)))
    page.sections.append(Section("See also", ["git-session(1)"]))
    yield page
    if isinstance(command, click.Group):
        for found in inner:
            yield from _describe(found, f"{words} {found.name}", context)


def _make_context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, obj=Settings(), **command.context_settings
    )


def _option_terms(command: click.Command, context: click.Context) -> Pairs:
    """Gives a command's own options; the program's are those that every command takes."""
    shared = {option for param in shared_options() for option in (*param.opts, "--help")}
    records = [
        param.get_help_record(context)
        for param in command.get_params(context)
        if isinstance(param, click.Option) and (command is group or shared.isdisjoint(param.opts))
    ]
    return [record for record in records if record is not None]


def _paragraphs(text: str | None) -> list[str]:
    cleaned = inspect.cleandoc(text or "").split("\n\n")
    return [" ".join(paragraph.removeprefix("\b\n").split()) for paragraph in cleaned]


def _example_lines(epilog: str | None) -> list[str]:
    return [line.strip() for line in (epilog or "").splitlines() if line.startswith("  ")]


# -- formats


def _markdown_section(section: Section, heading: str) -> list[str]:
    lines = [f"{heading} {section.title}", ""] if heading else []
    for paragraph in section.paragraphs:
        lines += [paragraph, ""]
    if section.terms:
        lines += [f"* `{term}`: {' '.join(text.split())}" for term, text in section.terms]
        lines.append("")
    if section.lines:
        lines += ["```sh", *section.lines, "```", ""]
    return lines


def _anchor(page: Page) -> str:
    return page.words.replace(" ", "-")


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    sys.exit(main())

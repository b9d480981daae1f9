"""Ask git about the repository's own commits: one, those that a text names, a line's last one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from git_session.core.wire import names
from git_session.errors import EnvironmentFaultError, NotFoundError, UsageError
from git_session.git.discovery import find_common_dir
from git_session.git.messages import split_words
from git_session.git.program import git_environment
from git_session.git.settings import GitSettings
from git_session.host.files.regular_file import require_regular_refs

_FORM: Final = "%x00".join(("%H", "%ct", "%an", "%s", "%B", "%(trailers:only,unfold)"))
_FIELDS: Final = _FORM.count("%x00") + 1
_SHOWN: Final = (f"--format={_FORM}", "-z", "--no-show-signature", "--encoding=UTF-8")
_NOT_OURS: Final = ("refs/notes/*", "refs/stash", "refs/grite/*", f"{names.TRACKING_PREFIX}*")
"""Refs whose commits are nobody's work: the log's own, git's notes and its stash."""

_UNCOMMITTED: Final = "0" * 40
_LONGEST_TEXT: Final = 4096


class Commit(NamedTuple):
    """Holds one commit; `ts` is its committer's time in ms since the epoch.

    `trailers` are the lines at the message's end that git takes for such.
    """

    oid: str
    ts: int
    author: str
    subject: str
    message: str
    trailers: str


def _can_be_sought(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TEXT and text.isprintable()


class History(GitSettings):
    """Reads the commits of one repository, not the log's."""

    def find_commit(self, words: str) -> Commit | None:
        """Find the commit that git takes `words` for; None when it is none."""
        if not words or "\0" in words:
            return None
        args = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{words}^{{commit}}"]
        ended = self._run(args, git_environment())
        oid = os.fsdecode(ended.stdout).strip()
        return next(self._list(["--no-walk", oid]), None) if ended.code == 0 and oid else None

    def find_commits(self, texts: Sequence[str]) -> Iterator[Commit]:
        """Find the commits on any branch, tag or remote whose message holds one of some texts.

        A text that no line of a message can hold, or no argument, finds none.
        """
        patterns = [f"--grep={text}" for text in texts if _can_be_sought(text)]
        if not patterns:
            return iter(())  # without a pattern git would list them all
        excluded = [f"--exclude={pattern}" for pattern in _NOT_OURS]
        return self._list(["--fixed-strings", *patterns, *excluded, "--all"])

    def find_commits_of(self, oids: Sequence[str]) -> Iterator[Commit]:
        """Find commits by their ids; those that are not there any more are left out."""
        return self._list(["--no-walk=unsorted", "--ignore-missing", *oids]) if oids else iter(())

    def find_branches(self, oid: str) -> list[str]:
        """Find the branches, here and as last seen on remotes, that a commit (40 digits) is on.

        They are named without `refs/heads/`, or `refs/remotes/` and the remote.
        """
        require_regular_refs(find_common_dir(self._git_dir))
        form = "--format=%(if)%(symref)%(then)%(else)%(refname)%(end)"
        args = ["for-each-ref", form, f"--contains={oid}", "refs/heads", "refs/remotes"]
        refs = os.fsdecode(self._run(args, git_environment()).stdout).split()
        return [ref.split("/", 2 if ref.startswith("refs/heads/") else 3)[-1] for ref in refs]

    def find_line(self, path: Path, line: int) -> str | None:
        """Find the commit (40 hex digits) that a line of a file is from; None before it has one.

        Raises UsageError for a file outside the checkout, NotFoundError for what git does not know.
        """
        top = self._start.resolve()
        whole = path.resolve()
        if not whole.is_relative_to(top):
            raise UsageError(f"{path} is not in the checkout {top}", "-C PATH names another one")
        args = ["blame", "--porcelain", "-L", f"{line},{line}", "--", str(whole.relative_to(top))]
        ended = self._run(args, git_environment())
        if ended.code != 0:
            said = [words.removeprefix("fatal: ") for words in split_words(ended.stderr)]
            raise NotFoundError(f"no line {line} in {path}", lines=said)
        oid = os.fsdecode(ended.stdout[:40])
        return None if oid == _UNCOMMITTED else oid

    def _list(self, words: Sequence[str]) -> Iterator[Commit]:
        require_regular_refs(find_common_dir(self._git_dir))
        ended = self._run(["log", *_SHOWN, *words, "--"], git_environment())
        if ended.code != 0:
            raise EnvironmentFaultError(
                "git cannot list its commits", "git log may show why", split_words(ended.stderr)
            )
        fields = ended.stdout.decode(errors="replace").split("\0")
        for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
            oid, ts, author, subject, message, trailers = fields[start : start + _FIELDS]
            yield Commit(oid, int(ts) * 1000, author, subject, message, trailers)


class Merge(NamedTuple):
    """Holds a merge of two heads; `ts` is its time in ms since the epoch, to the end of a second.

    It is as late as the later one of the heads, so it comes after the events of both.
    """

    oid: str
    parents: tuple[str, ...]
    ts: int


class LogMerges(GitSettings):
    """Reads the merges of one repository's log."""

    def list_merges(self, head: str) -> list[Merge]:
        """List the merges that a head descends from, newest first; none where git fails."""
        listing = ["rev-list", "--min-parents=2", "--parents", "--timestamp", head, "--"]
        ended = self._run(listing, git_environment())
        if ended.code != 0:
            return []
        merges = []
        for line in os.fsdecode(ended.stdout).splitlines():
            time, oid, *parents = line.split()
            merges.append(Merge(oid, tuple(parents), int(time) * 1000 + 999))
        return merges

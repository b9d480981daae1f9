"""Asks git which commits of a log are merges."""

from __future__ import annotations

import os
from typing import NamedTuple

from git_session.git.program import git_environment
from git_session.git.settings import GitSettings


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
        """Lists the merges that a head descends from, newest first; none where git fails."""
        listing = ["rev-list", "--min-parents=2", "--parents", "--timestamp", head, "--"]
        ended = self._run(listing, git_environment())
        if ended.code != 0:
            return []
        merges = []
        for line in os.fsdecode(ended.stdout).splitlines():
            time, oid, *parents = line.split()
            merges.append(Merge(oid, tuple(parents), int(time) * 1000 + 999))
        return merges

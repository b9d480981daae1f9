"""Reads the log of one repository and keeps what it read, so that the next read is short."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from git_session.errors import NotFoundError
from git_session.fold.replay import Problem, Replay, SignatureJudge
from git_session.store.actors import read_public_keys
from git_session.store.config import GriteConfig, read_config
from git_session.store.objects import ObjectStore
from git_session.wire import names
from git_session.wire.event import Event


class LogReader:
    """Holds a repository's log as last read; `read` brings it up to the ref's head."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.config: GriteConfig = read_config(store.common_dir)
        self._head: str | None = None
        self._replay = self._new_replay()

    def read(self) -> tuple[str | None, Replay]:
        """Reads what came since the last read; gives the head (None without a log) and the log.

        Raises DamagedLogError when the head itself cannot be read.
        """
        head = self.store.read_ref(names.WAL_REF)
        if head == self._head:
            return head, self._replay
        if head is None or (self._head and not self.store.is_ancestor(self._head, head)):
            # Somebody moved the ref back or aside: nothing that was read still counts.
            self._replay, self._head = self._new_replay(), None
        if head is not None:
            with _no_collection():
                commits = self.store.read_commits(
                    head, known=self._replay.commits, on_fault=self._note_fault
                )
                self._replay.add(commits)
        self._head = head
        return head, self._replay

    def require(self) -> Replay:
        """Reads the log. Raises NotFoundError when there is none yet."""
        head, replay = self.read()
        if head is None:
            raise NotFoundError(
                f"there is no log yet: {names.WAL_REF} does not exist",
                "git session task add TITLE begins one",
            )
        return replay

    def read_at(self, head: str | None) -> Replay:
        """Reads the log as it is from another head, such as a merge that no ref holds yet."""
        current, replay = self.read()
        if head == current:
            return replay
        other = self._new_replay()
        if head is not None:
            with _no_collection():
                other.add(self.store.read_commits(head))
        return other

    def _new_replay(self) -> Replay:
        policy = self.config.verify_signatures
        judge = None if policy == "off" else judge_signatures(self.store)
        return Replay(judge=judge, requires_signature=policy == "require")

    def _note_fault(self, commit: str, path: str, what: str) -> None:
        self._replay.report(Problem("missing_object", what, commit, path))


def judge_signatures(store: ObjectStore) -> SignatureJudge:
    """Makes the judge of signatures from the public keys of the repository's actors."""
    keys = read_public_keys(store.common_dir)

    def judge(event: Event) -> bool | None:
        key = keys.get(event.actor)
        if not key or event.sig is None:
            return None
        from git_session.store import signing  # 25 ms, for those who verify

        return signing.verify(key, event.event_id, event.sig)

    return judge


@contextmanager
def _no_collection() -> Iterator[None]:
    # Reading makes only objects that stay: a third of the time would go into the collector.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

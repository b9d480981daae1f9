"""The remotes of one sync: which ones, what each holds and what the sync did there."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from git_session.core.fold.source import Row
from git_session.core.wire import names
from git_session.core.wire.plain_text import quote_word
from git_session.errors import ConflictError, DamagedLogError, GitSessionError
from git_session.git.remote import Git, PushOutcome, tracking_name
from git_session.git.repository.objects import ObjectStore


@dataclass(slots=True)
class Due:
    """Holds what one round of a sync has to do at one remote; `leaving` are events it lacks.

    `is_incoming`: the log here moves, also for the sake of what this remote holds.
    """

    relation: str = "none"
    reads_the_same: bool = False
    is_incoming: bool = False
    events_in: int = 0
    leaving: Set[bytes] = frozenset()


@dataclass(slots=True)
class Remote:
    """Holds one remote while a sync runs: `name` as git takes it, `tracking` as its refs are named.

    `head` is what its log was when last seen, `head_before` what it was known to be before this
    sync. `due` is the last round's; the counts are of what was done in all of them. `error` says
    why the remote was given up, if it was; what is known of its log is taken in all the same.
    """

    name: str
    tracking: str
    head: str | None = None
    head_before: str | None = None
    due: Due = field(default_factory=Due)
    events_in: int = 0
    events_out: int = 0
    snapshots_in: int = 0
    snapshots_out: int = 0
    attempts: int = 0
    is_known: bool = False
    is_gone: bool = False
    was_sent: bool = False
    was_received: bool = False
    unanswered: str | None = None
    """What was pushed last, while it is not known to be there."""
    refusal: PushOutcome | None = None
    error: GitSessionError | None = None
    warnings: list[str] = field(default_factory=list)

    def ref(self, name: str) -> str:
        """Names the tracking ref of one of the remote's refs."""
        return names.tracking_ref(self.tracking, name)

    def note_sent(self) -> None:
        """Notes that the remote's log took what was due to it."""
        self.was_sent = True
        self.events_out += len(self.due.leaving)
        self.unanswered = self.refusal = None

    def note_received(self) -> None:
        """Notes that the log here took in what was due from the remote."""
        self.was_received = True
        self.events_in += self.due.events_in

    def leave_out(self, error: DamagedLogError) -> None:
        """Notes that the remote's log cannot be used."""
        sentence = f"the log of {self.name} cannot be used: {error.sentence}"
        hint = error.hint and error.hint.replace("--from REMOTE", f"--from {quote_word(self.name)}")
        self.error = DamagedLogError(sentence, hint, error.lines)
        self.is_known = False

    def note_gone(self) -> None:
        """Note that the remote no longer shows a log."""
        self.is_gone = True
        self.warnings.append(tell_gone(self.name))

    def refuse_gone(self) -> None:
        """Fail where the remote's log is gone and this sync sends none in its place."""
        if self.is_gone:
            command = f"git session sync {quote_word(self.name)}"
            hint = f"{command}, in a clone that has the log, sends it again"
            self._replace_warning(ConflictError(tell_gone(self.name), hint))

    def note_hidden(self) -> None:
        """Fail because the remote has a log and does not show it to a fetch."""
        self._replace_warning(
            ConflictError(
                f"{self.name} has a log and hides it: no clone can fetch {names.WAL_REF} there",
                "ask the server's owner to show refs/grite to whoever fetches: see"
                " uploadpack.hideRefs and the rights to read there",
            )
        )

    def _replace_warning(self, error: ConflictError) -> None:
        """Set an error that says more than the warning of a log that is gone."""
        self.warnings = [one for one in self.warnings if one != tell_gone(self.name)]
        self.error = error

    def refuse_diverged(self) -> None:
        """Fail where a push alone cannot bring diverged logs together."""
        if self.due.relation == "diverged" and not self.due.reads_the_same:
            self.error = ConflictError(
                f"the logs here and at {self.name} have diverged",
                f"git session sync {quote_word(self.name)} brings both together",
            )

    def give_up(self, unsent: int) -> None:
        """Notes that the time was up before the remote had `unsent` transitions, and more."""
        what = f"{unsent} transition{'s' * (unsent != 1)}" if unsent else "news"
        message = f"{self.name} kept moving until the time was up: {what} from here not yet there"
        hint = "git session sync tries again; --timeout gives it longer"
        said: list[str] = []
        if self.refusal is not None and self.refusal.words:
            said = self.refusal.words.split("\n")
            hint = self.refusal.hint or hint
        self.error = ConflictError(message, hint, said)

    def row(self, unsent: int) -> Row:
        """Makes the row of a RemoteReport."""
        return {
            "remote": self.name,
            "outcome": self._outcome(),
            "head": self.head,
            "events_in": self.events_in,
            "events_out": self.events_out,
            "snapshots_in": self.snapshots_in,
            "snapshots_out": self.snapshots_out,
            "attempts": self.attempts,
            "unsent": unsent,
            "error": None if self.error is None else self.error.message,
        }

    def _outcome(self) -> str:
        if self.error is not None:
            return "failed"
        if self.was_sent and self.was_received:
            return "merged"
        if self.was_sent or self.was_received:
            # A merge that one side made alone is one all the same.
            is_merge = self.due.relation == "diverged"
            return "merged" if is_merge else "sent" if self.was_sent else "received"
        if self.due.relation == "diverged" and self.due.reads_the_same:
            return "together"
        return "empty" if self.due.relation == "none" else "same"


def tell_gone(remote: str) -> str:
    """Say that a remote had a log before and shows none now."""
    return f"{remote} shows no log any more, though it had one when it was last seen"


def open_git(
    store: ObjectStore, *, may_ask: bool = False, on_progress: Callable[[str], None] | None = None
) -> Git:
    """Gives the git that talks to the remotes of a repository."""
    return Git(store.git_dir, store.worktree, may_ask=may_ask, on_progress=on_progress)


def choose_remotes(git: Git, given: Sequence[str]) -> list[Remote]:
    """Gives the remotes to sync with: those given, else git's configuration decides.

    Raises NotFoundError when there is none.
    """
    wanted = dict.fromkeys(given) or git.default_remotes()
    return [Remote(name, tracking_name(name)) for name in wanted]

"""Read what `git push --porcelain` printed: what became of each ref.

Only a ref's own line counts. `Done` is printed after failures too, hooks may print before the
`To` line, and the exit code is one for all refs. Source: git-push(1), "OUTPUT", and what git 2.39
was seen to print.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class PushState(StrEnum):
    """Names what became of a ref that was pushed."""

    UP_TO_DATE = "up_to_date"
    LANDED = "landed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    FAILED = "failed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """Holds what became of one ref.

    `landed` and `up_to_date`: the remote has it. `refused`: another push came first, so fetching
    and trying again makes sense. `declined`: a rule of the server forbids it, so trying again does
    not. `failed`: the server could not do it now. `unknown`: the remote did not say, and its ref
    is another one now: only a fetch can tell whether that contains what was pushed.

    `reason` is git's word for it, `words` what git and the server said besides.
    """

    ref: str
    state: PushState
    reason: str = ""
    words: str = ""
    hint: str | None = None

    @property
    def is_there(self) -> bool:
        """Return whether the remote's ref is what was pushed."""
        return self.state in {PushState.LANDED, PushState.UP_TO_DATE}

    @property
    def is_overtaken(self) -> bool:
        """Tell whether git sent nothing because the remote named another commit there."""
        return self.state is PushState.REFUSED and self.reason.startswith("[rejected]")


# From the least to the worst: a remote with several push addresses answers several times.
_SEVERITY: Final = tuple(PushState)

_DONE: Final = {
    " ": PushState.LANDED,
    "*": PushState.LANDED,
    "+": PushState.LANDED,
    "-": PushState.LANDED,
    "=": PushState.UP_TO_DATE,
}
# In parentheses after `[rejected]` or `[remote rejected]`: somebody else was faster, or holds the
# ref's lock. The first three are git's own words before it sends, the others those of servers (git
# itself; the last two jgit).
_OVERTAKEN: Final = (
    *("non-fast-forward", "fetch first", "stale info"),
    *("failed to update ref", "incorrect old value provided", "reference already exists"),
    *("cannot lock ref", "failed to lock", "non-fast forward"),
)
# The server could not, as its disk is full or it fell over; it has nothing against the ref.
_UNABLE: Final = ("unpacker error", "failed to write", "unable to migrate objects", "internal")


@dataclass(frozen=True, slots=True)
class PushReport:
    """Holds the answer for each ref that has one, and from how many addresses answers came."""

    outcomes: dict[str, PushOutcome]
    addresses: int


def parse_push_report(stdout: bytes) -> PushReport:
    """Parse what `git push --porcelain` printed; lines that are no answer are passed over."""
    outcomes: dict[str, PushOutcome] = {}
    addresses = 0
    for line in stdout.decode("utf-8", "backslashreplace").split("\n"):
        if line.startswith("To "):
            addresses += 1
        elif addresses and (outcome := _parse_line(line)) is not None:
            known = outcomes.get(outcome.ref)
            outcomes[outcome.ref] = outcome if known is None else _worse(known, outcome)
    return PushReport(outcomes, addresses)


def _parse_line(line: str) -> PushOutcome | None:
    """Parse `FLAG<TAB>SOURCE:REF<TAB>TEXT`."""
    parts = line.split("\t", 2)
    if len(parts) < 3 or len(parts[0]) != 1:
        return None
    flag, names, text = parts
    state = _DONE[flag] if flag in _DONE else _judge_refusal(text)
    return PushOutcome(names.rpartition(":")[2], state, text)


def _judge_refusal(text: str) -> PushState:
    kind, _, reason = text.partition("] (")
    if kind == "[remote failure":  # the server did not say what became of it
        return PushState.UNKNOWN
    if reason.startswith(_OVERTAKEN):
        return PushState.REFUSED
    if reason.startswith(_UNABLE) or not kind.endswith("rejected"):
        return PushState.FAILED
    return PushState.DECLINED


def _worse(one: PushOutcome, other: PushOutcome) -> PushOutcome:
    return max(one, other, key=lambda outcome: _SEVERITY.index(outcome.state))

"""What came of the signatures of a log's events, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Final

from git_session.core.fold.replay import Replay, SignatureJudge
from git_session.core.wire.event import Event

VERDICTS: Final = ("valid", "wrong", "unknown_key", "unsigned")


class SignatureTally:
    """Judges for a replay, each signature once, and counts events by what came of theirs."""

    def __init__(self, judge: SignatureJudge) -> None:
        self._judge = judge
        self._verdicts: dict[tuple[bytes, bytes | None], bool | None] = {}
        self._actors: dict[bytes, bytes] = {}

    def judge(self, event: Event) -> bool | None:
        """Return whether an event's signature is right; None without one, or without a key."""
        key = (event.event_id, event.sig)
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(event)
            self._actors[event.event_id] = event.actor
        return self._verdicts[key]

    def count(self, replay: Replay) -> dict[str, int]:
        """Count the events that were judged, those that are left out included."""
        found = Counter(self._name_verdicts(replay).values())
        return {verdict: found[verdict] for verdict in VERDICTS}

    def count_by_actor(self, replay: Replay) -> dict[bytes, dict[str, int]]:
        """Count the same for each actor (16 bytes)."""
        counts: dict[bytes, dict[str, int]] = {}
        for event_id, verdict in self._name_verdicts(replay).items():
            counts.setdefault(self._actors[event_id], dict.fromkeys(VERDICTS, 0))[verdict] += 1
        return counts

    def _name_verdicts(self, replay: Replay) -> dict[bytes, str]:
        """Name each event's verdict; of several copies it is that of the one that is read."""
        named: dict[bytes, str] = {}
        for (event_id, sig), verdict in self._verdicts.items():
            kept = replay.find_event(event_id)
            if event_id not in named or (kept is not None and kept.sig == sig):
                named[event_id] = _name_verdict(sig, verdict)
        return named


def _name_verdict(sig: bytes | None, verdict: bool | None) -> str:
    if sig is None:
        return "unsigned"
    return {True: "valid", False: "wrong", None: "unknown_key"}[verdict]

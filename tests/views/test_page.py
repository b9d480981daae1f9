"""The page as text: what it may run, and that nothing of the store is anything but text in it."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.views.page import format_data, make_page

T0: Final = 1_795_003_200_000
HOSTILE: Final = (
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    '"><img src=x onerror="window.owned = 1">',
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "{{ 7 * 7 }} {% raw %}",
    "line\u2028separator\u2029",
    "javascript:window.owned=1",
    "' onmouseover='window.owned=1",
)


def make_bar(**fields: Any) -> dict[str, Any]:
    return {
        "session_id": "s-20261118-0001",
        "role": "user",
        "session_type": "crew",
        "engine": "codex",
        "worktree": "",
        "state": "running",
        "exit_code": None,
        "exit_reason": None,
        "activity": None,
        "verdict": "unknown",
        "reason": "no evidence",
        "commit": "0" * 40,
        "host": None,
        "begin_ts": T0,
        "end_ts": None,
        "seen_ts": T0 + 1000,
        "spans": [["running", T0, T0 + 1000]],
        "marks": [],
        **fields,
    }


def make_timeline(*bars: dict[str, Any], title: str = "Port the lexer") -> dict[str, Any]:
    lane = {"task_id": "t-1", "grite_issue_id": "0" * 32, "title": title, "status": "running"}
    times = {"from_ts": T0, "until_ts": T0 + 3_600_000, "now": T0 + 3_600_000}
    return {**times, "lanes": [{**lane, "bars": list(bars)}], "total": len(bars)}


class Page(HTMLParser):
    """Collects the elements of a page, and the text of those that hold other languages."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.raw:
            self.raw[self._inside][-1] += data
        else:
            self.text.append(data)

    @property
    def policy(self) -> str:
        (found,) = [attrs["content"] for tag, attrs in self.elements if attrs.get("http-equiv")]
        assert found is not None
        return found


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_stands_in_the_store_is_text_in_the_page(text: str) -> None:
    calm = Page(make_page(make_timeline(make_bar()), name="repo", head=None))
    bar = make_bar(session_id=text, engine=text, worktree=text, host=text, exit_reason=text)
    bar["marks"] = [{"ts": T0, "state": "running", "note": text}]
    page = Page(make_page(make_timeline(bar, title=text), name=text, head="0" * 40))
    before, after = ([tag for tag, _ in found.elements] for found in (calm, page))
    # A column for the host is all that is added.
    assert sorted(after) == sorted([*before, "th", "button", "td", "bdi", "code"])
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert text in " ".join(page.text)
    data = json.loads(page.raw["script"][1])
    assert data["lanes"][0]["title"] == data["lanes"][0]["bars"][0]["engine"] == text


def test_the_policy_allows_what_is_in_the_page_by_its_hash_and_nothing_else() -> None:
    page = Page(make_page(make_timeline(make_bar()), name="repo", head=None))
    early, data, main = page.raw["script"]
    (style,) = page.raw["style"]
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"{_hash(early)} {_hash(main)}"
    assert rules["style-src"] == _hash(style)
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in page.policy
    assert json.loads(data)["total"] == 1


def test_the_policy_comes_before_all_that_it_is_about() -> None:
    page = make_page(make_timeline(make_bar()), name="repo", head=None)
    assert page.index("Content-Security-Policy") < page.index("<script>") < page.index("<style>")


def test_the_page_names_no_other_place() -> None:
    """No address, no file, no frame: a page from a repository tells nobody that it was opened."""
    page = Page(make_page(make_timeline(make_bar()), name="repo", head=None))
    asking = {"src", "href", "action", "data", "poster", "srcset", "ping", "formaction"}
    named = [attrs[key] for _, attrs in page.elements for key in asking & attrs.keys()]
    assert named == ["#table"]
    everything = "".join(page.raw["script"] + page.raw["style"])
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttp|WebSocket|eval\(", everything
    )
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write", everything)


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_data_in_a_script_ends_nothing_and_begins_no_tag(document: Any) -> None:
    written = format_data(document)
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == document


def test_a_lone_surrogate_does_not_keep_the_page_from_being_written() -> None:
    page = make_page(make_timeline(make_bar(engine="\ud800")), name="repo", head=None)
    assert json.loads(Page(page).raw["script"][1])["lanes"][0]["bars"][0]["engine"] == "\ud800"


def test_the_table_says_in_words_how_each_session_stands() -> None:
    hour = 3_600_000
    bars = [
        make_bar(state="exit", exit_code=0, exit_reason="completed", end_ts=T0 + 65_000),
        make_bar(state="exit", exit_code=-1, exit_reason="crash", end_ts=T0 + 26 * hour),
        make_bar(verdict="dead", reason="pid gone"),
        make_bar(),
        make_bar(verdict="alive", activity="waiting"),
        make_bar(seen_ts=T0 + hour),
    ]
    page = Page(make_page(make_timeline(*bars), name="repo", head=None))
    text = " ".join(" ".join(page.text).split())
    for words in (
        "exit 0, completed s-20261118-0001 Port the lexer codex user 2026-11-18 12:00 1m",
        "exit -1, crash s-20261118-0001 Port the lexer codex user 2026-11-18 12:00 26h",
        "running, dead: pid gone s-",
        "running, nothing heard for 59m s-",
        "running, waiting for input s-",
        "running s-20261118-0001 Port the lexer codex user 2026-11-18 12:00 1h",
    ):
        assert words in text
    for figure in ("4 active", "1 dead", "1 exit 0", "1 failed", "1 task "):
        assert figure in text


def test_a_page_without_sessions_says_so() -> None:
    timeline = make_timeline() | {"lanes": [], "total": 0}
    assert "There are no sessions in this range." in make_page(timeline, name="repo", head=None)

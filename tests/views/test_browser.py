"""The page in a real browser: what can be seen, heard, pressed, and what is kept from running."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from selenium.webdriver.common.keys import Keys

from git_session.cli.commands.demo import play_demo
from git_session.core.wire.plain_text import strip_controls
from git_session.views.page import make_page
from tests.conftest import Cli
from tests.support.browser import THEMES, WIDTHS, Browser, start_browser
from tests.support.stores import make_log
from tests.views.test_page import HOSTILE, T0, make_bar

pytestmark = pytest.mark.heavy

MINUTE: Final = 60_000
SESSIONS: Final = 2000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives the page of a store of 2,000 sessions on 1,000 tasks."""
    place = tmp_path_factory.mktemp("large")
    make_log(place / "store", 20 * SESSIONS, SESSIONS, agents=24, per_commit=40)
    target = place / "sessions.html"
    ran = Cli()(place / "store", "export", "-o", str(target))
    assert ran.stderr == f"{SESSIONS} sessions written to {target}\n"
    return target


def _write(path: Path, *lanes: tuple[str, list[dict[str, Any]]]) -> Path:
    """Writes a page with lanes: each a title and its bars."""
    rows = [
        {"task_id": f"t-{n}", "grite_issue_id": f"{n:032x}", "title": title, "status": "queued"}
        | {"bars": bars}
        for n, (title, bars) in enumerate(lanes)
    ]
    times = {"from_ts": T0, "until_ts": T0 + 120 * MINUTE, "now": T0 + 120 * MINUTE}
    timeline = {**times, "lanes": rows, "total": sum(len(bars) for _, bars in lanes)}
    target = path / "page.html"
    target.write_text(make_page(timeline, name="fleet", head="ab" * 20), encoding="utf-8")
    return target


def _bar(name: str, begin: int, end: int | None, **fields: Any) -> dict[str, Any]:
    """Makes a bar; times are in minutes from the beginning of the page."""
    ends = T0 + (120 if end is None else end) * MINUTE
    begins = T0 + begin * MINUTE
    state = {"state": "running"} if end is None else {"state": "exit", "exit_code": 0}
    marks = [{"ts": begins, "state": "running", "note": f"note of {name}"}]
    return make_bar(
        session_id=name,
        begin_ts=begins,
        end_ts=None if end is None else ends,
        seen_ts=ends,
        spans=[["running", begins, ends]],
        marks=marks,
        **(state | fields),
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Gives a page with four sessions in three lanes; the newest lane stands at the top."""
    lanes = [
        ("Fix the flaky test", [_bar("s-flaky", 0, 30, engine="codex", host="desk")]),
        (
            "Port the lexer",
            [
                _bar("s-crash", 30, 60, engine="claude", host="server", exit_code=137),
                _bar("s-lexer", 60, None, engine="claude", host="server"),
            ],
        ),
        ("Write the notes", [_bar("s-notes", 90, 100, engine="codex", role="witness")]),
    ]
    return _write(tmp_path, *lanes)


def _view(browser: Browser) -> tuple[int, int]:
    found = browser.run(
        "const d = document.getElementById('chart').dataset; return [d.from, d.until]"
    )
    return int(found[0]), int(found[1])


def _chosen(browser: Browser) -> str:
    found: str = browser.run("return document.getElementById('chart').dataset.chosen")
    return found


def _is_drawn(browser: Browser) -> bool:
    """Tells whether the chart has more colours than a ground and its lines."""
    return bool(
        browser.run(
            """const canvas = document.getElementById("canvas");
            const size = [canvas.width, canvas.height - 40];
            const { data } = canvas.getContext("2d").getImageData(0, 40, ...size);
            return new Set(new Uint32Array(data.buffer)).size > 12;"""
        )
    )


# -------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("theme", THEMES)
def test_the_demos_page_fits_every_width_in_both_themes_and_the_console_stays_clean(
    browser: Browser, tmp_path: Path, theme: str
) -> None:
    played = play_demo(tmp_path / "demo")
    target = tmp_path / "demo.html"
    assert Cli()(played.directory / "desk", "export", "-o", str(target)).code == 0
    for width, height in WIDTHS:
        browser.open(target, width=width, height=height, theme=theme)
        _require_sound(browser, width, theme)


@pytest.mark.parametrize("theme", THEMES)
def test_a_page_of_2000_sessions_fits_every_width_in_both_themes(
    browser: Browser, large: Path, theme: str
) -> None:
    for width, height in WIDTHS:
        browser.open(large, width=width, height=height, theme=theme)
        _require_sound(browser, width, theme)
        assert browser.text("#count") == "2,000 sessions"


def _require_sound(browser: Browser, width: int, theme: str) -> None:
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert _is_drawn(browser)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(channels) > 384) is (theme == "light")
    assert browser.console() == []


def test_the_switch_overrides_the_systems_theme(browser: Browser, page: Path) -> None:
    browser.open(page, theme="light")
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(ground)
    browser.run("document.querySelector('[name=theme][value=dark]').click()")
    assert browser.run(ground) != light
    browser.run("document.querySelector('[name=theme][value=auto]').click()")
    assert browser.run(ground) == light


def test_without_scripts_the_table_has_everything(browser: Browser, page: Path) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(page.as_uri())
        source = browser.find("main").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    for name in ("s-flaky", "s-crash", "s-lexer", "s-notes"):
        assert name in source
    assert "Engine" in source
    assert "Newest first" not in source


def test_times_are_in_utc_or_in_the_readers_zone(browser: Browser, page: Path) -> None:
    zone = "Emulation.setTimezoneOverride"
    browser.driver.execute_cdp_cmd(zone, {"timezoneId": "Asia/Kolkata"})
    try:
        browser.open(page)
        assert browser.text("#rows time") == "2026-11-18 12:00"
        browser.run("document.querySelector('[name=zone][value=local]').click()")
        assert browser.text("#rows time") == "2026-11-18 17:30"
        assert browser.text("#zone") == "GMT+5:30"
    finally:
        browser.driver.execute_cdp_cmd(zone, {"timezoneId": ""})


def test_on_paper_the_whole_chart_and_all_rows_are_there_in_light(
    browser: Browser, large: Path
) -> None:
    browser.open(large, theme="dark")
    browser.run(
        """window.addEventListener("beforeprint", () => {
          window.printed = [
            document.getElementById("canvas").height,
            document.querySelectorAll("#rows tr:not([hidden])").length,
            document.getElementById("cut").textContent,
          ];
        });"""
    )
    pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert b64decode(pdf["data"]).startswith(b"%PDF-")
    height, rows, cut = browser.run("return window.printed")
    assert height == 12_000
    assert rows == SESSIONS
    assert cut.endswith("of 1000 lanes; the table has all.")
    assert browser.run("return document.documentElement.classList.contains('is-printed')") is False


# ----------------------------------------------------------------------------- what is kept out


@pytest.mark.parametrize("text", [*HOSTILE, "\u202egnirts\u202c", "🚀 Größe \u0627\u0644"])
def test_a_hostile_text_is_shown_as_text_everywhere_and_runs_nothing(
    browser: Browser, tmp_path: Path, text: str
) -> None:
    shown = " ".join(strip_controls(text).split())
    bar = _bar("s-1", 0, None, engine=shown, worktree=shown, host=shown)
    bar["marks"] = [{"ts": T0, "state": "running", "note": shown}]
    browser.open(_write(tmp_path, (shown, [bar])))
    browser.press("#chart", Keys.ARROW_DOWN)
    assert browser.text("#details h2") == shown
    assert browser.text(".history q") == shown
    assert browser.text(".label bdi") == shown
    assert browser.text("#rows .title") == shown
    assert browser.run("return window.owned") is None
    assert browser.run("return document.images.length + document.scripts.length") == 3
    assert browser.console() == []


def test_the_policy_stops_a_script_that_is_not_ours(browser: Browser, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    injected = (
        "<script>window.owned = 1</script><img src=x onerror='window.owned = 2'>"
        "<style>h1 { color: rgb(1, 2, 3) }</style><a href='javascript:window.owned = 3'>x</a>"
    )
    page.write_text(text.replace("<main>", f"<main>{injected}"), encoding="utf-8")
    browser.open(page)
    browser.click("main > a")
    assert browser.run("return window.owned") is None
    assert (
        browser.run("return getComputedStyle(document.querySelector('h1')).color") != "rgb(1, 2, 3)"
    )
    stopped = browser.console()
    assert len(stopped) >= 4
    assert all("Content Security Policy" in line or "violates" in line for line in stopped)
    assert browser.shown("#chart") == 1


def test_the_policy_stops_html_that_a_script_would_read(browser: Browser, page: Path) -> None:
    browser.open(page)
    for act in (
        "document.body.innerHTML = '<img src=x onerror=window.owned=1>'",
        "const s = document.createElement('script'); s.text = 'window.owned = 1'; s.remove()",
        "setTimeout('window.owned = 1')",
    ):
        caught = browser.run(f"try {{ {act}; return null }} catch (e) {{ return e.name }}")
        assert caught == "TypeError", act
    assert browser.run("return window.owned") is None
    browser.console()


# ------------------------------------------------------------------------------------- keyboard


def test_everything_in_the_chart_can_be_reached_by_keys_and_is_told(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    for key, session in (
        (Keys.ARROW_RIGHT, "s-crash"),
        (Keys.ARROW_RIGHT, "s-lexer"),
        (Keys.ARROW_RIGHT, "s-notes"),
        (Keys.ARROW_LEFT, "s-lexer"),
        (Keys.ARROW_DOWN, "s-notes"),
        (Keys.ARROW_UP, "s-lexer"),
        (Keys.END, "s-flaky"),
        (Keys.ARROW_RIGHT, "s-flaky"),
        (Keys.HOME, "s-crash"),
    ):
        browser.press("#chart", key)
        assert _chosen(browser) == session
    heard = browser.text("#announced")
    assert heard.startswith("claude session s-crash: exit 137, on Port the lexer, began ")
    assert "note of s-crash" in browser.text("#details")
    assert browser.text("#rows [aria-current] th") == "s-crash"
    browser.press("#chart", Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "details"
    browser.press("#chart", Keys.ESCAPE)
    assert _chosen(browser) == ""
    assert browser.shown("#details") == 0


def test_keys_zoom_move_fit_and_lead_to_the_search(browser: Browser, page: Path) -> None:
    browser.open(page)
    whole = _view(browser)
    browser.press("#chart", "+")
    near = _view(browser)
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 1.5, abs=2)
    browser.press("#chart", Keys.SHIFT, Keys.ARROW_LEFT, Keys.NULL)
    moved = _view(browser)
    assert moved[0] < near[0]
    assert moved[1] - moved[0] == pytest.approx(near[1] - near[0], abs=2)
    browser.press("#chart", "-", "0")
    assert _view(browser) == whole
    browser.press("#chart", "/")
    assert browser.run("return document.activeElement.id") == "search"
    browser.press("#search", "/")
    assert browser.run("return document.getElementById('search').value") == "/"


def test_a_chosen_session_that_is_out_of_sight_is_brought_into_it(
    browser: Browser, large: Path
) -> None:
    browser.open(large)
    browser.press("#chart", Keys.END)
    assert browser.run("return document.getElementById('chart').scrollTop") > 10_000
    title = browser.text("#details h2")
    labels = "document.querySelectorAll('.label:not([hidden]) bdi')"
    assert title in browser.run(f"return [...{labels}].map((label) => label.textContent)")


# ------------------------------------------------------------------------- filters and the table


def test_search_states_and_lists_filter_the_chart_and_the_table_together(
    browser: Browser, page: Path
) -> None:
    def found() -> tuple[str, int, str]:
        lanes = browser.run("return document.getElementById('chart').dataset.lanes")
        return browser.text("#count"), browser.shown("#rows tr"), lanes

    browser.open(page)
    assert found() == ("4 sessions", 4, "3")
    browser.press("#search", "LEXER  claude")
    assert found() == ("2 of 4 sessions", 2, "1")
    browser.click("[data-chip=failed]")
    assert found() == ("1 of 4 sessions", 1, "1")
    assert browser.text("#rows tr:not([hidden]) th") == "s-lexer"
    browser.click("[data-reset]")
    assert found() == ("4 sessions", 4, "3")
    for name, value, count in (
        ("engine", "codex", 2),
        ("role", "witness", 1),
        ("host", "server", 2),
        ("host", "not recorded", 1),
    ):
        browser.run(
            "const select = document.getElementById(arguments[0]); select.value = arguments[1];"
            "select.dispatchEvent(new Event('change'))",
            *(name, value),
        )
        assert browser.shown("#rows tr") == count
        browser.click("[data-reset]")
    browser.press("#search", "nothing has this")
    assert found()[1] == 0
    assert "No session is like this" in browser.find("#nothing").text
    browser.press("#search", Keys.ESCAPE)
    assert found() == ("4 sessions", 4, "3")


def test_the_table_sorts_by_a_heading_and_back_and_says_so(browser: Browser, page: Path) -> None:
    def order() -> list[str]:
        names: list[str] = browser.run(
            "return [...document.querySelectorAll('#rows th')].map((one) => one.textContent)"
        )
        return names

    browser.open(page)
    browser.click("[data-key=lasted] button")
    assert order() == ["s-lexer", "s-flaky", "s-crash", "s-notes"]
    assert browser.find("[data-key=lasted]").get_attribute("aria-sort") == "descending"
    browser.click("[data-key=lasted] button")
    assert order() == ["s-notes", "s-flaky", "s-crash", "s-lexer"]
    assert browser.find("[data-key=lasted]").get_attribute("aria-sort") == "ascending"
    browser.click("[data-key=session] button")
    assert browser.find("[data-key=lasted]").get_attribute("aria-sort") is None


def test_a_row_of_the_table_opens_its_session_in_the_chart(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("#rows tr:nth-child(2) button")
    assert _chosen(browser) == "s-crash"
    assert "exit 137" in browser.text("#details")


# ------------------------------------------------------------------------------------- pointers


def _place_of(browser: Browser, minute: int, lane: int) -> tuple[int, int]:
    """Finds where a time of a lane is, from the middle of the canvas as the pointer counts."""
    found = browser.run(
        """const [minute, lane] = arguments;
        const chart = document.getElementById("chart");
        const box = document.getElementById("canvas").getBoundingClientRect();
        const label = document.querySelectorAll(".label")[lane].getBoundingClientRect();
        const left = document.getElementById("corner").getBoundingClientRect().width;
        const { from, until } = chart.dataset;
        const x = left + (minute - from) / (until - from) * (box.width - left);
        const y = label.top + label.height / 2 - box.top;
        return [Math.round(x - box.width / 2), Math.round(y - box.height / 2)];""",
        *(T0 + minute * MINUTE, lane),
    )
    return found[0], found[1]


def test_a_pointer_shows_chooses_moves_and_zooms(browser: Browser, page: Path) -> None:
    browser.open(page)
    canvas = browser.find("#canvas")
    whole = _view(browser)
    crash = _place_of(browser, 45, 0)
    browser.pointer().move_to_element_with_offset(canvas, *crash).perform()
    browser.settle()
    assert browser.shown("#tip") == 1
    assert browser.text("#tip").startswith("Port the lexerclaude · s-crash")
    browser.pointer().click().perform()
    browser.settle()
    assert _chosen(browser) == "s-crash"
    # The details took room from the chart, so places are others now.
    empty = _place_of(browser, 20, 0)
    browser.pointer().move_to_element_with_offset(canvas, *empty).click().perform()
    browser.settle()
    assert _chosen(browser) == ""
    browser.pointer().move_to_element_with_offset(canvas, *crash).click_and_hold().move_by_offset(
        *(-60, 0)
    ).release().perform()
    browser.settle()
    moved = _view(browser)
    assert moved[0] > whole[0]
    assert moved[1] - moved[0] == pytest.approx(whole[1] - whole[0], abs=2)
    assert _chosen(browser) == ""
    browser.run(
        """const canvas = document.getElementById("canvas");
        const { left, top, width } = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -60, ctrlKey: true, bubbles: true,
          cancelable: true, clientX: left + width * 0.75, clientY: top + 60 }));"""
    )
    near = _view(browser)
    assert near[1] - near[0] < (moved[1] - moved[0]) * 0.7


def test_the_overview_moves_what_the_chart_shows(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("#chart", "+", "+", "+")
    before = _view(browser)
    width = browser.run("return document.getElementById('overview').clientWidth")
    overview = browser.find("#overview")
    browser.pointer().move_to_element_with_offset(overview, int(-width * 0.4), 0).click().perform()
    browser.settle()
    after = _view(browser)
    assert after[0] < before[0]
    assert after[1] - after[0] == pytest.approx(before[1] - before[0], abs=2)


# ----------------------------------------------------------------------------------- large pages


def test_of_2000_sessions_only_what_can_be_seen_is_in_the_chart_and_the_table(
    browser: Browser, large: Path
) -> None:
    browser.open(large)
    assert browser.shown("#rows tr") == 100
    for top in (0, 20_000, 40_000):
        browser.run("document.getElementById('chart').scrollTop = arguments[0]", top)
        assert 0 < browser.shown(".label") < 40
    browser.click("#all-rows")
    assert browser.shown("#rows tr") == SESSIONS
    data = json.loads(browser.run("return document.getElementById('data').textContent"))
    assert data["total"] == SESSIONS


def test_moving_and_zooming_2000_sessions_lays_nothing_of_the_page_out_anew(
    browser: Browser, large: Path
) -> None:
    """Frames that only draw are quick whatever the machine: nothing is measured in time here."""
    browser.open(large)
    browser.driver.execute_cdp_cmd("Performance.enable", {})

    def layouts() -> int:
        metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return int(next(one["value"] for one in metrics if one["name"] == "LayoutCount"))

    before = layouts()
    drawn = browser.driver.execute_async_script(
        """const done = arguments[arguments.length - 1];
        const canvas = document.getElementById("canvas");
        const { left, top, width } = canvas.getBoundingClientRect();
        const views = new Set();
        let frames = 0;
        function act() {
          const isZoom = frames % 2 === 0;
          canvas.dispatchEvent(new WheelEvent("wheel", { bubbles: true, cancelable: true,
            ctrlKey: isZoom, deltaY: isZoom ? -12 : 0, deltaX: isZoom ? 0 : 9,
            clientX: left + width * 0.9, clientY: top + 200 }));
          views.add(document.getElementById("chart").dataset.from);
          if (++frames < 60) requestAnimationFrame(act);
          else done(views.size);
        }
        requestAnimationFrame(act);"""
    )
    assert drawn > 50
    assert layouts() - before <= 3

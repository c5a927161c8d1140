"""The page in a real browser: what an engineer sees, and can do, when paged."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from driftlead.report import collect, render, write_report
from tests.page.site import KEY, Site

pytestmark = pytest.mark.server

HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\"'`&lt;b&gt;</button><b>bold",
    "..",
    "a/b?c=d#e%2F&f=g",
    "x" * 400,
    "×ضש 漢字 \u202egnihtyna",
]


def headline(page: Page):
    return page.locator("#verdict h1")


def lane(page: Page, name: str):
    return page.locator(".lane").filter(has=page.get_by_text(name, exact=True))


@pytest.fixture(scope="module")
def _module_site():
    site = Site([f"pixel_{number // 8}_{number % 8}" for number in range(28)])
    site.live_through(1_800, drift_from=480)
    site.monitor._extend_quality_history()
    yield site
    site.stop()


@pytest.fixture
def drifted(_module_site):
    """A service that has drifted for eight minutes; tests of it only look."""
    return _module_site


def test_drift_appears_by_itself(make_site, visit):
    site = make_site()
    site.see(300)
    page = visit(site.url)
    expect(headline(page)).to_have_text("No drift")
    expect(page).to_have_title("no drift · digits")
    expect(page.locator(".lane")).to_have_count(9)
    expect(page.get_by_label("feature:a: not drifting")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator(".card").nth(2)).to_contain_text("Healthy")
    site.see(200, shift=3.0, of=4, wrong=0.3)
    expect(headline(page)).to_contain_text("Drifting")
    expect(page).to_have_title("▲ drifting · digits")
    expect(page.get_by_label("feature:a: drifting by")).to_be_visible()
    expect(page.locator(".chip").first).to_contain_text("feature:a")
    expect(page.locator("#verdict")).to_contain_text("points below the reference")
    expect(page.locator(".episode.open")).to_have_count(1)


def test_an_estimate_is_too_high_over_usual_rows_as_labels_mean_something_else(make_site, visit):
    site = make_site()
    site.see(300)
    site.see(600, wrong=0.5)
    page = visit(site.url)
    expect(headline(page)).to_contain_text("Drifting")
    expect(page.locator("#verdict")).to_contain_text("too high: the labels' meaning may have changed")


def test_a_test_that_is_new_has_a_stripe_without_a_reload(make_site, visit):
    site = make_site()
    site.see(300)
    page = visit(site.url)
    expect(page.locator(".lane")).to_have_count(9)
    for name in ("b", "a"):  # the later one stands before the other
        rows = np.zeros((200, len(site.model.signals)))
        rows[:, "abcd".index(name)] = np.nan
        site.monitor.process(rows, observed_at=time.time())
        expect(page.get_by_label(re.compile(f"^feature:{name}: drifting by .*missing_rate"))).to_be_visible()
        expect(page.locator(".stripes")).to_contain_text("missing_rate")
    red = """canvas => {
        const row = canvas.getContext("2d").getImageData(0, canvas.height - 1, canvas.width, 1).data;
        return [...row.keys()].some((at) => at % 4 === 0 && row[at + 3] && row[at] > row[at + 2] + 40);
    }"""
    for name, alarmed in (("a", True), ("b", True), ("c", False)):
        canvas = page.get_by_label(re.compile(f"^feature:{name}: ")).locator("canvas")
        for _ in range(40):
            if canvas.evaluate(red) == alarmed:
                break
            time.sleep(0.25)
        assert canvas.evaluate(red) == alarmed, name


def test_an_engineer_sees_it_at_a_glance(drifted, visit, photograph):
    page = visit(drifted.url)
    expect(headline(page)).to_have_text(re.compile(r"^Drifting for \d+ min( \d+ s)?$"))
    expect(page.locator("#verdict")).to_contain_text(re.compile(r"of 33 signals drifting"))
    expect(page.locator(".changes .change")).to_have_count(1)
    expect(page.locator(".accuracy")).to_be_visible()
    # The canvas of a drifting signal holds pixels of alarm, that of a calm one does not.
    count_alarm_pixels = """canvas => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let found = 0;
        for (let at = 0; at < pixels.length; at += 4) {
            if (pixels[at + 3] && pixels[at] > pixels[at + 2] + 40) found += 1;
        }
        return found;
    }"""
    expect(page.locator(".lane").first).to_have_class(re.compile("drifting"))
    assert page.locator(".lane canvas").first.evaluate(count_alarm_pixels) > 50
    before_the_line = """canvas => {
        const line = parseFloat(document.querySelector(".changes .change").style.left) / 100;
        const width = Math.floor(line * canvas.width);
        const pixels = canvas.getContext("2d").getImageData(0, 0, width, canvas.height).data;
        return [width, pixels.some((red, at) => at % 4 === 0 && pixels[at + 3] && red > pixels[at + 2] + 40)];
    }"""
    width, alarmed = page.locator(".lane canvas").first.evaluate(before_the_line)
    assert (width > 100, alarmed) == (True, False)
    expect(page.locator("#verdict")).to_contain_text("too high: the model may be too sure of rows like these")
    # Rows below the window are not painted yet: a picture of the whole page would show them blank.
    page.set_viewport_size({"width": 1280, "height": 1120})
    photograph(page, "page")
    page.get_by_label("Filter signals").fill("pixel_1_1")
    expect(page.locator(".lane")).to_have_count(1)
    assert page.locator(".lane canvas").first.evaluate(count_alarm_pixels) == 0
    page.get_by_label("Filter signals").fill("")
    expect(page.locator(".lane")).to_have_count(24)
    for told in (page.locator(".lane.drifting .value"), page.locator(".lane:not(.drifting) .value")):
        peaks = [float(text.removesuffix(" ×")) for text in told.all_inner_texts()]
        assert len(set(peaks)) > 1
        assert peaks == sorted(peaks, reverse=True)


def test_the_marks_of_accuracy_are_those_of_their_names(drifted, visit):
    page = visit(drifted.url)
    looks = """mark => [getComputedStyle(mark).stroke, getComputedStyle(mark).strokeDasharray]"""
    for kind, name in (("estimate", "estimated"), ("reference", "reference"), ("measured", "measured")):
        named = page.locator(".keys li").filter(has_text=re.compile(f"^{name}")).locator(f".{kind}")
        assert named.evaluate(looks) == page.locator(f".accuracy .{kind}").evaluate(looks)
    assert page.locator(".keys .estimate").evaluate(looks)[1] == "none"
    assert page.locator(".keys .reference").evaluate(looks)[1] != "none"


def test_a_signal_opens_by_click_and_by_key_and_has_an_address(drifted, visit, photograph):
    page = visit(drifted.url)
    expect(page.locator(".lane").first).to_have_class(re.compile("drifting"))
    page.locator(".lane").first.click()
    panel = page.locator("#panel")
    expect(panel.locator(".figure .main-svg").first).to_be_visible()
    expect(panel.locator("[data-figure=distribution]")).to_contain_text("reference, 1,000 rows")
    expect(panel.locator("[data-figure=statistics]")).to_contain_text("change, row")
    expect(panel.locator(".tile.bad").first).to_contain_text("in alarm, last above on row")
    name = panel.locator("h2").inner_text()
    address = page.url
    photograph(page, "page-signal")
    page.keyboard.press("ArrowRight")
    expect(panel.locator("h2")).not_to_have_text(name)
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    expect(page).to_have_url(drifted.url)
    page.locator(".lane").nth(1).focus()
    page.keyboard.press("Enter")
    expect(panel.locator("[data-figure=distribution] .main-svg").first).to_be_visible()
    other = visit(address)
    expect(other.locator("#panel h2")).to_have_text(name)


def test_episode_and_quality_lie_one_click_behind(drifted, visit):
    page = visit(drifted.url)
    page.get_by_role("button", name="What drifted").click()
    panel = page.locator("#panel")
    expect(panel.locator("[data-figure=ranking]")).to_contain_text("evidence of a change")
    expect(panel.locator("dl")).to_contain_text("first alarm")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Over time").click()
    expect(panel.locator("[data-figure=quality]")).to_contain_text("measured by labels")
    expect(panel.locator("table").first).to_contain_text("accuracy")
    expect(panel.locator("table").nth(1)).to_contain_text("dog")


def test_it_is_dark_where_the_reader_wants_it_dark(drifted, visit, photograph):
    page = visit(drifted.url, color_scheme="dark")
    page.locator(".lane").first.click()
    title = page.locator("[data-figure=statistics] .gtitle")
    expect(title).to_be_visible()
    ground, text, ink = page.evaluate(
        """() => [getComputedStyle(document.documentElement).backgroundColor,
                  getComputedStyle(document.body).color,
                  getComputedStyle(document.querySelector("[data-figure=statistics] .gtitle")).fill]"""
    )
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 765 for colour in (ground, text, ink)]
    assert brightness[0] < 0.2
    assert min(brightness[1:]) > 0.8
    page.keyboard.press("Escape")
    photograph(page, "page-dark")
    page.locator(".lane").first.click()
    page.emulate_media(color_scheme="light")
    expect(title).to_have_css("fill", "rgb(22, 27, 34)")


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_is_wider_than_a_phone(drifted, visit, photograph, width):
    page = visit(drifted.url, viewport={"width": width, "height": 800}, is_mobile=True, device_scale_factor=2)
    page.locator(".lane").first.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.locator(".change em")).to_be_visible()
    crossed = page.evaluate("""() => {
        const { left, right } = document.querySelector(".change em").getBoundingClientRect();
        const ticks = [...document.querySelectorAll(".ticks span:not(.covered)")];
        return ticks.filter((tick) => {
            const box = tick.getBoundingClientRect();
            return left < box.right && box.left < right;
        }).map((tick) => tick.textContent);
    }""")
    assert crossed == []
    if width == 320:  # the line of a change keeps to the heat map, and crosses no name
        line = "li => getComputedStyle(li, '::after').backgroundImage"
        assert "linear-gradient" in page.locator(".lane-list li").first.evaluate(line)
        page.set_viewport_size({"width": 390, "height": 800})
        page.evaluate("scrollTo(0, 0)")
        photograph(page, "page-phone")
        page.set_viewport_size({"width": width, "height": 800})
    page.locator(".lane").first.click()
    expect(page.locator("[data-figure=distribution] .main-svg").first).to_be_visible()
    assert page.evaluate("document.getElementById('panel').scrollWidth") <= width


def test_everything_can_be_reached_and_is_named(drifted, visit):
    page = visit(drifted.url)
    expect(page.locator(".lane").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter signals")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "period"
    page.keyboard.press("ArrowRight")
    expect(page.locator("#periods input").nth(2)).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.locator(".lane").first).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input")].filter(
               each => !(each.getAttribute("aria-label") || each.textContent.trim()
                         || each.labels?.[0]?.textContent.trim())).map(each => each.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate("[...document.querySelectorAll('h1')].length") == 1


def test_an_episode_is_acknowledged_with_the_key(make_site, visit, photograph):
    site = make_site(api_key=KEY)
    site.see(300)
    site.see(200, shift=3.0, of=4)
    page = visit(site.url)
    page.locator("#verdict").get_by_role("button", name="Acknowledge").click()
    ask = page.locator("#ask")
    ask.get_by_label("Your name").fill("mia")
    ask.get_by_label("Note").fill("the <b>lamp</b>")
    ask.get_by_label("The service's API key").fill("wrong")
    ask.get_by_role("button", name="Acknowledge").click()
    expect(ask.get_by_role("alert")).to_contain_text("API key")
    ask.get_by_label("The service's API key").fill(KEY)
    ask.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#verdict .note")).to_contain_text("Acknowledged by mia")
    expect(page.locator("#verdict .note")).to_contain_text("<b>lamp</b>")
    expect(page.locator(".episode .by")).to_contain_text("seen by mia")
    expect(page).to_have_title("△ drifting · digits")
    (episode,) = site.monitor.snapshot().open_episodes
    assert (episode.acknowledged_by, episode.note) == ("mia", "the <b>lamp</b>")
    kept = page.evaluate("[Object.values({...sessionStorage}), Object.values({...localStorage})]")
    assert kept == [[KEY], ["mia"]]
    page.get_by_role("button", name="What drifted").click()
    page.locator("#panel").get_by_role("button", name="End it").click()
    expect(ask.get_by_label("Your name")).to_have_value("mia")
    ask.get_by_role("button", name="End the episode").click()
    expect(page.locator("#panel dl")).to_contain_text("closed by mia")
    page.locator("#panel").get_by_role("button", name="Close").click()
    expect(page.locator(".episode .pill")).to_have_text("closed")
    # The key is asked for once.
    page.get_by_role("button", name="New reference").click()
    expect(ask.get_by_label("Your name")).to_have_value("mia")
    expect(ask.get_by_label("The service's API key")).to_have_count(0)
    ask.get_by_label("Rows to collect").fill("1")
    ask.get_by_role("button", name="Collect").click()
    expect(ask.get_by_role("alert")).to_contain_text("rows must be from two windows, 200")
    ask.get_by_label("Rows to collect").fill("400")
    ask.get_by_role("button", name="Collect").click()
    expect(page.locator(".collecting")).to_contain_text("0 of 400 rows")
    site.see(100)
    expect(page.locator(".collecting")).to_contain_text("100 of 400 rows")


def test_names_are_text_whatever_they_hold(make_site, visit):
    site = make_site(HOSTILE)
    site.see(200)
    site.see(150, shift=3.0)
    page = visit(site.url)
    expect(headline(page)).to_contain_text("Drifting")
    page.locator("#verdict").get_by_role("button", name="What drifted").click()
    expect(page.locator("[data-figure=ranking] .main-svg").first).to_be_visible()
    for name in HOSTILE:
        page.keyboard.press("Escape")
        lane(page, f"feature:{name}").click()
        expect(page.locator("#panel h2")).to_have_text(f"feature:{name}")
        expect(page.locator("[data-figure=distribution] .main-svg").first).to_be_visible()
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('main img, main b b, main script').length") == 0


def test_it_says_that_the_service_is_gone_and_that_it_came_back(make_site, visit, tmp_path):
    site = make_site(folder=tmp_path)
    site.see(300)
    page = visit(site.url)
    expect(headline(page)).to_have_text("No drift")
    site.stop()
    expect(page.locator("#notice")).to_contain_text("The service does not answer. What you see is of")
    expect(page.locator("#connection")).to_contain_text("last answer")
    expect(headline(page)).to_have_text("No drift")
    site.start()
    expect(page.locator("#notice")).to_contain_text("monitoring went on at row 300")
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("body")).not_to_have_class("stale")
    site.see(200, shift=3.0)
    expect(headline(page)).to_contain_text("Drifting")


def test_500_signals(make_site, visit):
    site = make_site([f"column_{number}" for number in range(497)])
    site.see(200)
    page = visit(site.url)
    expect(page.locator(".lane")).to_have_count(24)
    page.get_by_role("button", name="Show all 502 signals").click()
    expect(page.locator(".lane")).to_have_count(502)
    page.get_by_label("Filter signals").fill("column_41")
    expect(page.locator(".lane")).to_have_count(11)
    page.get_by_label("Filter signals").fill("no such thing")
    expect(page.locator(".lane")).to_have_count(0)


def test_a_service_that_is_not_watched_says_so(make_site, visit):
    site = make_site()
    site.stop()
    site.start(watched=False)
    page = visit(site.url)
    expect(headline(page)).to_have_text("Served, not watched")
    expect(page.locator("#signals")).not_to_be_visible()
    expect(page.locator("#cards")).not_to_be_visible()


def test_before_the_first_row_it_waits(make_site, visit):
    page = visit(make_site().url)
    expect(headline(page)).to_have_text("Waiting for the first rows")


def test_a_report_is_drawn_from_one_file_alone(drifted, visit, tmp_path, photograph):
    path = tmp_path / "report.html"
    write_report(drifted.monitor, path)
    page = visit(path.as_uri(), viewport={"width": 1000, "height": 1400})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator(".figure .main-svg").last).to_be_visible()
    figures = page.locator(".figure")
    assert figures.count() == page.locator(".figure:has(.main-svg)").count() > 5
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    photograph(page, "report")
    # On paper nothing is cut off.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_draws_every_figure_on_a_phone_too_and_asks_nobody(visit, make_site, tmp_path, scheme):
    site = make_site()
    site.live_through(900, 300)
    file = tmp_path / "report.html"
    file.write_text(render(collect(site.monitor), "html"))
    page = visit(file.as_uri(), viewport={"width": 390, "height": 800}, color_scheme=scheme)
    figures = page.locator(".figure")
    expect(page.locator(".figure .main-svg:first-child")).to_have_count(figures.count())
    assert figures.count() > 4  # ranking, timeline, two of each signal that drifted, quality
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # No title is cut off, names leave the heat map room, and tables are read without moving them.
    edges = "(all) => all.map((each) => each.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    for left, right in page.locator(".figure .gtitle, td:not(:empty)").evaluate_all(edges):
        assert 0 <= left < right <= 390
    left, right = page.locator(".heatmaplayer image").evaluate_all(edges)[0]
    assert right - left > 100
    told = page.locator("td[data-head='first alarm']").first.evaluate(
        "(cell) => getComputedStyle(cell, '::before').content"
    )
    assert told == '"first alarm"'
    expect(page.locator("th").first).to_be_hidden()
    page.set_viewport_size({"width": 1000, "height": 800})
    expect(page.locator("th").first).to_be_visible()

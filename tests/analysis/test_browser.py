"""The report in a real browser: offline, no complaint, by mouse, keyboard, phone and printer."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl
import pytest

from analysis.comparison import DEFAULT_HEADLINE
from analysis.load import load
from analysis.page.render import Beside, render
from analysis.report import write_report
from analysis.results import Analysis, result_of
from analysis.study_folder import read_notes
from tests.analysis.chromium import CHROMIUM, Chromium
from tests.analysis.pages import PAYLOAD
from tests.analysis.synthetic import World, contest, item_rows, write_study

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]

WORLD = World(programs=8, items=4, potency=1.0)

DRAWN = (
    "[...document.querySelectorAll('[data-figure]')].filter(e => e.clientWidth)"
    ".every(e => e.querySelector('.main-svg') && 'drawn' in e.dataset)"
)
UNFOLD = """
document.querySelectorAll('details').forEach(each => { each.open = true; });
document.querySelectorAll('.toggle[aria-expanded=false]').forEach(each => each.click());
"""
UNFOLDED = "[...document.querySelectorAll('.more .inner')].every(e => e.hasChildNodes())"
ELEMENTS = """
[...document.querySelectorAll('*')].map(e => [e.tagName, e.getAttributeNames().filter(
  name => name.startsWith('on') || name.startsWith('href') || name === 'src'
).map(name => name + '=' + e.getAttribute(name).slice(0, 1))])
"""
COLLISIONS = """
[...document.querySelectorAll('[data-figure]')].filter(e => e.clientWidth).flatMap(figure => {
  const groups = ['.xtick text', '.ytick text', '.annotation-text', '.gtitle, .xtitle, .ytitle',
                  '.legendtext'];
  const boxes = groups.flatMap(group => [...figure.querySelectorAll(group)]).map(each =>
    [each.textContent, each.getBoundingClientRect(), each.classList.contains('ytitle')]);
  const frame = figure.getBoundingClientRect(), found = [];
  boxes.forEach(([text, a], i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push('cut: ' + text);
    boxes.slice(i + 1).forEach(([other, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && high > 3) found.push(text + ' | ' + other);
    });
  });
  return found.map(each => figure.dataset.figure + ': ' + each);
})
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [item_rows(WORLD, seed=s, model=m) for s, m in enumerate(("nano-s", "nano-m"))]
    folder = tmp_path_factory.mktemp("study")
    return write_report(write_study(pl.concat(rows), folder, question="<b>How</b> many?")).html


def show(browser: Chromium, page: Path, **how: Any) -> None:
    """Opens a page and waits for its figures; what an earlier page reported is forgotten."""
    browser.open(page, **how)
    browser.until(DRAWN)


def complaints(browser: Chromium) -> list[Any]:
    kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    return [event for kind in kinds for event in browser.of(kind)] + browser.of(
        "Page.javascriptDialogOpening"
    )


def test_every_figure_is_drawn_with_no_complaint_and_no_request(
    browser: Chromium, html: Path
) -> None:
    browser.events.clear()
    show(browser, html)
    shown = browser.run("document.querySelectorAll('[data-figure]').length")
    browser.run(UNFOLD)
    browser.until(UNFOLDED)
    browser.until(DRAWN)
    assert browser.run("document.querySelectorAll('[data-drawn]').length") > shown >= 4
    assert "<b>How</b> many?" in browser.run("document.querySelector('.question').textContent")
    assert not complaints(browser)
    asked = {event["request"]["url"] for event in browser.of("Network.requestWillBeSent")}
    assert asked == {html.resolve().as_uri()}


def test_figures_follow_the_colour_scheme(browser: Chromium, html: Path) -> None:
    ink = "getComputedStyle(document.querySelector('.xtick text')).fill"
    show(browser, html)
    light = browser.run(ink)
    show(browser, html, dark=True)
    assert browser.run(ink) != light


def test_hostile_strings_make_no_new_element(browser: Chromium, html: Path, tmp_path: Path) -> None:
    texts = ("study", "output", "prompt", "expected", "domain", "factors")
    rows = [
        item_rows(WORLD, seed=s, model=m + PAYLOAD, **dict.fromkeys(texts, PAYLOAD))
        for s, m in enumerate(("a", "b"))
    ]
    hostile = pl.concat(rows).with_columns(program=pl.col("program") + PAYLOAD + '\n,"')
    folder = write_study(hostile, tmp_path / "s", question=PAYLOAD)
    (folder / "manifest.json").write_text('{"devices": ["<img src=x onerror=alert(1)>"]}')
    seen = []
    for page in (html, write_report(folder).html):
        browser.events.clear()
        show(browser, page)
        browser.run(UNFOLD)
        browser.until(UNFOLDED)
        browser.until(DRAWN)
        assert not complaints(browser)
        seen.append(browser.run(ELEMENTS))
    plain, found = ({(tag, *attributes) for tag, attributes in each} for each in seen)
    # The gallery may show other kinds of answers, so elements are compared by kind, and those
    # that could do something also by number.
    assert found <= plain
    doing = {"SCRIPT", "IMG", "A", "IFRAME", "OBJECT", "LINK", "FORM", "INPUT", "BUTTON", "STYLE"}
    counts = [Counter(tag for tag, _ in each if tag in doing) for each in seen]
    assert counts[0] == counts[1]
    saved = downloaded(browser, "dose-response-1")
    names = {row["program"] for row in saved if row["program"]}
    assert names == set(hostile["program"].unique())


def downloaded(browser: Chromium, key: str) -> list[dict[str, str]]:
    """What the button of a figure would save, read back as CSV."""
    script = f"""
    new Promise(done => {{
      const make = URL.createObjectURL;
      URL.createObjectURL = blob => {{
        URL.createObjectURL = make;
        blob.text().then(done);
        return make(blob);
      }};
      document.querySelector('[data-csv="{key}"]').click();
    }})
    """
    return list(csv.DictReader(io.StringIO(browser.run(script), newline="")))


def test_the_csv_of_a_figure_is_its_data(browser: Chromium, tmp_path: Path) -> None:
    rows = item_rows(WORLD, seed=7)
    show(browser, write_report(write_study(rows, tmp_path)).html)
    saved = {
        (row["series"], int(row["n"]), row["program"]): float(row["accuracy"])
        for row in downloaded(browser, "dose-response-1")
        if row["program"] and row["response_format"] == "cot"
    }
    asked = rows.filter(pl.col("response_format") == "cot", pl.col("arm") == "demonstrations")
    means = asked.group_by("demonstrations", "program").agg(pl.col("correct").mean())
    assert len(means) == WORLD.programs * len(WORLD.ns)
    for n, program, accuracy in means.rows():
        assert saved["demonstrations", n, program] == pytest.approx(accuracy, abs=1e-6)
    (rate,) = (row for row in downloaded(browser, "exchange-rates") if row["headline"] == "true")
    written = pl.read_csv(tmp_path / "exchange_rates.csv").filter(pl.col("headline"))
    assert float(rate["rate"]) == pytest.approx(written["rate"][0], abs=1e-6)


def test_everything_is_reached_by_keyboard(browser: Chromium, html: Path) -> None:
    show(browser, html)
    active = "document.activeElement"
    browser.press("Tab", 9)
    assert browser.run(f"{active}.className") == "skip"
    browser.press("Enter", 13)
    browser.until(f"{active}.id === 'main'")
    reached: list[str] = []
    for _ in range(80):
        browser.press("Tab", 9)
        reached.append(browser.run(f"{active}.className || {active}.tagName"))
        outline = browser.run(f"getComputedStyle({active}).outlineStyle")
        assert outline != "none", reached[-1]
        if reached[-1] == "toggle":
            break
    assert {"csv", "sort", "scroll", "A"} <= set(reached)
    browser.press("Enter", 13)
    browser.until(f"{active}.getAttribute('aria-expanded') === 'true'")
    browser.until(UNFOLDED.replace(".more", ".more:not([hidden])"))
    browser.until(DRAWN)
    assert browser.run(f"{active}.closest('tbody').querySelectorAll('[data-drawn]').length") >= 2
    browser.run("document.querySelector('summary').focus()")
    before = browser.run(f"{active}.parentElement.open")
    browser.press("Enter", 13)
    assert browser.run(f"{active}.parentElement.open") != before


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_overflows_and_no_label_collides(browser: Chromium, html: Path, width: int) -> None:
    show(browser, html, width=width)
    browser.run(UNFOLD)
    browser.until(UNFOLDED)
    browser.until(DRAWN)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert not browser.run(COLLISIONS)


def test_it_prints_within_the_page(browser: Chromium, html: Path, tmp_path: Path) -> None:
    show(browser, html)
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    # After printing, figures have the screen's width again.
    browser.until(
        "[...document.querySelectorAll('[data-drawn]')].filter(e => e.clientWidth).every("
        "e => e.querySelector('.main-svg').clientWidth === Math.floor(e.clientWidth))"
    )
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=688,
        height=1000,
        deviceScaleFactor=1,
        mobile=False,
    )
    wide = browser.run("document.documentElement.scrollWidth")
    browser.call("Emulation.setEmulatedMedia", media="")
    assert wide <= 688


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 1,000 comparisons of 40 programs; 20 differ, the others repeat them."""
    world = replace(WORLD, programs=40)
    made = [
        result_of(contest(replace(world, rate=rate), seed), DEFAULT_HEADLINE, draws=200)
        for seed, rate in enumerate([0.3, 2.0, 5.0, 12.0, 60.0] * 4)
    ]
    results = []
    for index in range(1000):
        factors = {"model": f"model-{index:04}", "acquisition": 100 + index % 7}
        each = made[index % len(made)]
        results.append(replace(each, contest=replace(each.contest, factors=factors)))
    folder = write_study(item_rows(WORLD), tmp_path_factory.mktemp("thousand"))
    evidence = load(folder)
    found = Analysis(
        evidence.items, evidence.counts, evidence.scores, read_notes(folder), tuple(results)
    )
    page = folder / "report.html"
    page.write_text(render(found, Beside(None, None), title="thousand"), encoding="utf-8")
    return page


@pytest.mark.slow
def test_a_thousand_comparisons_open_fast_and_can_be_searched(
    browser: Chromium, thousand: Path
) -> None:
    assert thousand.stat().st_size <= 15e6
    browser.events.clear()
    start = monotonic()
    show(browser, thousand)
    assert monotonic() - start < 15
    assert not complaints(browser)
    rows = "[...document.querySelectorAll('#rates > tbody')]"
    browser.run("document.querySelector('[data-sort=rate]').click()")
    order = browser.run(f"{rows}.map(e => Number(e.dataset.rate))")
    assert order == sorted(order)
    assert len(order) == 1000
    browser.run(
        "(box => { box.value = 'model-0123'; box.dispatchEvent(new Event('input')); })"
        "(document.getElementById('filter'))"
    )
    assert browser.run(f"{rows}.filter(e => !e.hidden).length") == 1
    assert "1 of 1000" in browser.run("document.getElementById('shown').textContent")
    browser.run(f"{rows}.find(e => !e.hidden).querySelector('.toggle').click()")
    browser.until("document.querySelector('.more:not([hidden]) .inner').hasChildNodes()")
    browser.until(DRAWN)
    assert not complaints(browser)

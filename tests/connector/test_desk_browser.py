"""The desk in a real browser: a whole review by keyboard, what is drawn, and who can read it.

With ``SOMNOAUDIT_SCREENS=1`` in the environment, the README's pictures are written anew.
"""

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import numpy as np
import pyedflib
import pytest
from audited_night import RULEBOOK, STAGER, night_documents
from axe_playwright_python.sync_playwright import Axe
from desk_night import (
    DeskNight,
    add_night,
    desk_night,
    desk_service,
    hidden_fields,
    report_night,
)
from hospital import Laboratory
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from auditor.vocabulary import Stage
from connector.desk.people import DeskRole, Person
from connector.desk.review import Reason
from connector.desk.sessions import Sessions
from connector.documents import write_json
from connector.fhir import FhirClient, Resource
from connector.store import Store
from connector.study import StudyOrder, find_studies
from connector.tables import State

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)
SCREENS = Path(__file__).parent / "screens"
LARGEST_SCREEN = 150_000

SINE_HZ, SINE_UV = 1.0, 50.0
FAST_HZ, FAST_UV = 20.0, 50.0
PIXELS_PER_MM = 96 / 25.4


@dataclass(frozen=True)
class DeskUnderTest:
    """A running desk; each test brings a study of its own."""

    address: str
    store: Store
    night: DeskNight
    names: Iterator[int]

    def new_study(self) -> str:
        study_id = f"5ca1ab1e-0000-4000-8000-{next(self.names):012d}"
        add_night(self.store, study_id, self.night)
        return study_id


Opened: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskUnderTest]:
    folder = tmp_path_factory.mktemp("desk")
    night = desk_night(folder)
    assert len(night.flagged) >= 60
    store = Store.open(f"sqlite:///{folder / 'somnoaudit.db'}")
    with desk_service(store, night.recording) as address:
        yield DeskUnderTest(address, store, night, count(1))
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on PATH; install the Debian package chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def opened(desk: DeskUnderTest, browser: Browser) -> Iterator[Opened]:
    """Opens a window of its own for somebody who is logged in."""
    contexts = []

    def open_page(
        name: str = "Dr. Ada Example", role: DeskRole = DeskRole.PHYSICIAN, **more: object
    ) -> Page:
        context = browser.new_context(base_url=desk.address, **more)  # type: ignore[arg-type]
        contexts.append(context)
        token = Sessions(desk.store.sessions).begin(Person(name, role))
        context.add_cookies([{"name": "somnoaudit", "value": token, "url": desk.address}])
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


def press(page: Page, key: str) -> None:
    """A key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def drawn(page: Page) -> Page:
    """The same page, once its signals stand on it."""
    page.wait_for_selector("#sheet[aria-busy=false]")
    return page


# ── a whole review ────────────────────────────────────────────────────────────────────────


NOTED, ASKED, OVERRIDDEN = 5, 7, 3
COMMENT = "the wave at 4 s, see the frontal lead"


def test_a_night_is_reviewed_by_keyboard_signed_and_amended_in_the_ehr(
    desk: DeskUnderTest, browser: Browser, fhir: FhirClient, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    placed = Laboratory().place(fhir)
    (order,) = find_studies(fhir, placed.document)
    report_night(store, fhir, order, desk.night)
    assert _report(fhir, order)["status"] == "preliminary"

    with desk_service(store, desk.night.recording, fhir) as address:
        ada = _logged_in_by_keyboard(browser, address, "Dr. Ada Example")
        ada.keyboard.press("j")  # the newest study
        press(ada, "Enter")
        assert ada.url == f"{address}/studies/{order.id}"
        expect(ada.locator(".density path")).to_have_count(5)
        expect(ada.locator(".figures-table")).to_contain_text("If overridden")
        press(ada, "j")
        expect(ada.locator(".probabilities .bar rect")).to_have_count(5)
        assert _review_by_keyboard(ada) == list(desk.night.flagged), "in review order"
        asked = [epoch for turn, epoch in enumerate(desk.night.flagged) if turn % 20 == ASKED]
        expect(ada.locator(".listed h2")).to_contain_text(f"{len(asked)} open")
        assert ada.locator(".turn .button").count() == 0, "the questions are for somebody else"

        bo = _logged_in_by_keyboard(browser, address, "Dr. Bo Example")
        press(bo, "3")  # what colleagues ask a second reader for
        bo.keyboard.press("j")
        press(bo, "Enter")
        press(bo, "j")
        for epoch in asked:
            assert bo.url == f"{address}/studies/{order.id}/epochs/{epoch}"
            expect(bo.locator(".decided")).to_contain_text("asked for by Dr. Ada Example")
            press(bo, "a")
        expect(bo.locator(".listed h2")).to_contain_text("0 open")
        expect(bo.locator(".figures-table")).not_to_contain_text("If overridden")

        ada.reload()
        expect(ada.locator(".banner")).to_contain_text("Not signed by a physician")
        press(ada, "S")
        expect(ada.locator(".banner")).to_contain_text("Reviewed and approved: signed by Dr. Ada")
        expect(ada.locator(".banner")).not_to_contain_text("does not have it")  # renewed in place
        assert ada.locator("button", has_text="Sign").count() == 0
        _check_signed(fhir, order, "final", "reviewed and approved")
        report = _report(fhir, order)
        overridden = sum(turn % 5 == OVERRIDDEN for turn in range(len(desk.night.flagged)))
        assert f"{overridden} of 78 epochs were given another stage" in report["conclusion"]
        document = base64.b64decode(report["presentedForm"][1]["data"]).decode()
        assert document.count(f"{Reason.SIGNAL.value} – {COMMENT}") == overridden - overridden // 2
        assert document.count(f"{Reason.ARTEFACT.value} – {COMMENT}") == overridden // 2

        for key in ("j", "j"):
            ada.keyboard.press(key)  # the second row of the list
        press(ada, "Enter")
        epoch = int(ada.url.rsplit("/", 1)[1])
        assert epoch == desk.night.flagged[1]
        press(ada, "r" if "N1" in ada.locator(".decided").inner_text() else "1")
        expect(ada.locator(".banner")).to_contain_text("changed since, and the changes are not")
        assert _report(fhir, order)["status"] == "final"
        press(ada, "S")
        expect(ada.locator(".banner")).to_contain_text("Amended after review")
        expect(ada.locator(".banner")).not_to_contain_text("does not have it")
        expect(ada.locator("section.decide")).to_contain_text(f"changed epochs {epoch}")
        _check_signed(fhir, order, "amended", "reviewed and approved", "amended after review")
        for page in (ada, bo):
            page.context.close()
    store.close()


def _logged_in_by_keyboard(browser: Browser, address: str, name: str) -> Page:
    context = browser.new_context(base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/")
    assert page.url == f"{address}/login"
    for key in ("Tab", "Tab"):  # past the home link
        page.keyboard.press(key)
    page.keyboard.type(name)
    page.keyboard.press("Tab")  # the role: physician is the first
    page.keyboard.press("Tab")
    press(page, "Enter")
    return page


def _review_by_keyboard(page: Page) -> list[int]:
    """Decides until nothing is left; the epochs in the order in which they came.

    Most stages stand; some are overridden with a reason and a comment, one is noted something of
    first, and of some another reader is asked.
    """
    visited: list[int] = []
    while "/epochs/" in page.url:
        turn = len(visited)
        visited.append(int(page.url.rsplit("/", 1)[1]))
        if turn == NOTED:
            _comment(page, "the tape came off here")
            press(page, "n")
            expect(page.locator(".notes")).to_contain_text("the tape came off here")
        if turn % 20 == ASKED:
            press(page, "s")
        elif turn % 5 == OVERRIDDEN:
            if turn % 2 == 0:
                page.keyboard.press("b")
                for key in ("ArrowDown", "ArrowDown", "Escape"):
                    page.keyboard.press(key)
            _comment(page, COMMENT)
            press(page, "w" if page.locator(".scored strong").inner_text() == "N2" else "2")
        else:
            press(page, "a")
    return visited


def _comment(page: Page, words: str) -> None:
    page.keyboard.press("c")
    page.keyboard.type(words)
    page.keyboard.press("Escape")


def _report(fhir: FhirClient, order: StudyOrder) -> Resource:
    (report,) = fhir.search("DiagnosticReport", {"based-on": order.order})
    return report


def _check_signed(fhir: FhirClient, order: StudyOrder, status: str, *meanings: str) -> None:
    """The EHR holds the report in this status, with its document and a Provenance a signature."""
    report = _report(fhir, order)
    assert report["status"] == status
    assert [form["contentType"] for form in report["presentedForm"]] == [
        "application/pdf",
        "text/html",
    ]
    observations = fhir.search("Observation", {"based-on": order.order})
    assert {each["status"] for each in observations} == {status}
    target = f"DiagnosticReport/{report['id']}"
    signed = [each for each in fhir.search("Provenance", {"target": target}) if "signature" in each]
    assert sorted(each["reason"][0]["text"] for each in signed) == sorted(meanings)
    assert {each["signature"][0]["who"]["display"] for each in signed} == {"Dr. Ada Example"}
    (task,) = fhir.search("Task", {"based-on": order.order})
    assert task["status"] == "completed"


def test_of_two_reviewers_the_second_is_told_and_nothing_is_lost(
    desk: DeskUnderTest, opened: Opened
) -> None:
    study = desk.new_study()
    epoch = desk.night.flagged[0]
    first, second = opened("Dr. Ada Example"), opened("Dr. Bo Example")
    for page in (first, second):
        page.goto(f"/studies/{study}/epochs/{epoch}")
    press(first, "a")
    press(second, "w")
    expect(second.locator("[role=alert]")).to_contain_text("Not taken")
    expect(second.locator(".decided")).to_contain_text("accepted by Dr. Ada Example")
    press(second, "w")
    second.goto(f"/studies/{study}/epochs/{epoch}")
    expect(second.locator(".decided")).to_contain_text("overridden with W by Dr. Bo Example")

    for page in (first, second):
        page.goto(f"/studies/{study}")
    other = opened("Dr. Cy Example")
    other.goto(f"/studies/{study}/epochs/{desk.night.flagged[1]}")
    press(other, "a")
    press(first, "S")
    expect(first.locator("[role=alert]")).to_contain_text("Not signed")
    expect(first.locator(".banner")).to_contain_text("Not signed by a physician")
    press(first, "S")
    press(second, "S")
    expect(second.locator("[role=alert]")).to_contain_text("Not signed")
    expect(second.locator(".banner")).to_contain_text("signed by Dr. Ada Example")


def test_a_key_that_is_held_down_decides_one_epoch(desk: DeskUnderTest, opened: Opened) -> None:
    study = desk.new_study()
    first, second = desk.night.flagged[:2]
    page = opened()
    page.goto(f"/studies/{study}/epochs/{first}")
    with page.expect_navigation():
        page.keyboard.down("a")
    assert page.url.endswith(f"/epochs/{second}")
    page.evaluate("document.addEventListener('submit', () => { window.sent = true; })")
    page.keyboard.down("a")  # not let go of in between: the key repeats
    assert page.evaluate("window.sent") is None
    page.keyboard.up("a")
    press(page, "a")
    assert not page.url.endswith(f"/epochs/{second}")


def test_a_decision_is_sent_once_however_often_its_key_is_pressed(
    desk: DeskUnderTest, opened: Opened
) -> None:
    study = desk.new_study()
    first, second = desk.night.flagged[:2]
    page = opened()
    page.goto(f"/studies/{study}/epochs/{first}")
    sent: list[Route] = []
    page.route("**/decision", lambda route: sent.append(route))
    with page.expect_request("**/decision"):
        page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("w")
    with page.expect_navigation():
        sent[0].continue_()
    assert len(sent) == 1
    assert page.url.endswith(f"/epochs/{second}")


def test_what_was_folded_out_stays_so_while_the_page_is_renewed(
    desk: DeskUnderTest, opened: Opened
) -> None:
    desk.store.add_study("folded", "DocumentReference/78")
    page = opened()
    page.goto("/?shown=under+way")
    page.keyboard.press("?")
    for _ in range(2):
        with page.expect_request_finished(lambda request: "shown=under" in request.url):
            pass
    expect(page.locator("details.keys[open]")).to_have_count(1)
    desk.store.fail("folded", "the recording holds no EEG")


def test_a_study_that_goes_on_is_renewed_in_place(desk: DeskUnderTest, opened: Opened) -> None:
    desk.store.add_study("goes-on", "DocumentReference/77")
    page = opened()
    page.goto("/studies/goes-on")
    page.evaluate("window.same = true")
    expect(page.locator("[aria-current=step]")).to_have_text("queued")
    desk.store.advance("goes-on", State.SCORING)
    expect(page.locator("[aria-current=step]")).to_have_text("staged and audited", timeout=60_000)
    desk.store.fail("goes-on", "the recording holds no EEG")
    expect(page.locator("[role=alert]")).to_have_text("the recording holds no EEG", timeout=60_000)
    expect(page.locator("main[data-live]")).to_have_count(0)
    assert page.evaluate("window.same"), "the page was never loaded anew"


# ── what is drawn ─────────────────────────────────────────────────────────────────────────

# From which row to which a line of the trace's colour stands in a column of the canvas.
EXTENT = """([x, top, bottom, colour]) => {
  const canvas = document.getElementById("traces");
  const scale = canvas.width / canvas.clientWidth;
  const column = canvas.getContext("2d").getImageData(
    Math.round(x * canvas.width), 0, 1, canvas.height).data;
  const [r, g, b] = colour.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const rows = [];
  for (let y = Math.round(top * canvas.height); y < bottom * canvas.height; y += 1) {
    const [cr, cg, cb, a] = column.slice(4 * y, 4 * y + 4);
    const off = Math.abs(cr - r) + Math.abs(cg - g) + Math.abs(cb - b);
    if (a > 90 && off < 60) rows.push((y + 0.5) / scale);
  }
  return rows.length ? [rows[0], rows.at(-1)] : null;
}"""


def extent(page: Page, band: int, second: float, n_bands: int = 3) -> tuple[float, float]:
    """Top and bottom of what is drawn of an EEG channel at a time, in CSS pixels."""
    colour = page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--eeg').trim()"
    )
    place = [second / 30, band / n_bands, (band + 1) / n_bands, colour]
    found = page.evaluate(EXTENT, place)
    assert found is not None, f"nothing is drawn at {second} s"
    return found[0], found[1]


def height(page: Page) -> float:
    return float(page.evaluate("document.getElementById('traces').clientHeight"))


@pytest.fixture(scope="module")
def sine_desk(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Page]:
    """The first epoch of a recording of sines, opened by a physician."""
    folder = tmp_path_factory.mktemp("sine")
    recording = folder / "sine.edf"
    _write_sines(recording)
    hypnogram, evidence, audit = night_documents(21)
    write_json(audit, folder / "audit.json")
    store = Store.open(f"sqlite:///{folder / 'somnoaudit.db'}")
    store.add_study("sine", "DocumentReference/1")
    document = (folder / "audit.json").read_text(encoding="utf-8")
    store.add_audit("sine", STAGER, hypnogram, evidence, RULEBOOK, document, "[]")
    with desk_service(store, recording) as address:
        context = browser.new_context(base_url=address)
        context.set_default_timeout(PATIENCE_MS)
        token = Sessions(store.sessions).begin(Person("Dr. Ada Example", DeskRole.PHYSICIAN))
        context.add_cookies([{"name": "somnoaudit", "value": token, "url": address}])
        page = context.new_page()
        page.goto("/studies/sine/epochs/0")
        yield page
        context.close()
    store.close()


def _write_sines(path: Path) -> None:
    """60 s of a slow sine at F4, nothing at C4, a fast sine at O2."""
    rate_hz = 256
    at_s = np.arange(60 * rate_hz) / rate_hz
    signals = {
        "F4-M1": SINE_UV * np.sin(2 * np.pi * SINE_HZ * at_s),
        "C4-M1": np.zeros(len(at_s)),
        "O2-M1": FAST_UV * np.sin(2 * np.pi * FAST_HZ * at_s),
    }
    with pyedflib.EdfWriter(str(path), len(signals), pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setStartdatetime(datetime(2026, 1, 1, 22, 0))
        for number, label in enumerate(signals):
            header = {"physical_max": 500.0, "physical_min": -500.0, "dimension": "uV"}
            digital = {"digital_max": 32767, "digital_min": -32768, "sample_frequency": rate_hz}
            writer.setSignalHeader(number, {"label": label, **header, **digital})
        writer.writeSamples(list(signals.values()))


def test_a_known_sine_stands_where_it_should_with_negative_up(sine_desk: Page) -> None:
    page = drawn(sine_desk)
    middle = height(page) / 6
    reach = SINE_UV * PIXELS_PER_MM / 7  # 7 µV/mm is chosen at first
    for second in (3, 12, 26):
        top, _ = extent(page, 0, second + 0.75)  # the sine's negative peak
        assert top == pytest.approx(middle - reach, abs=2)
        _, bottom = extent(page, 0, second + 0.25)
        assert bottom == pytest.approx(middle + reach, abs=2)
    flat = extent(page, 1, 10.5)  # between the lines of the grid
    assert flat == pytest.approx((height(page) / 2, height(page) / 2), abs=2)


def test_keys_choose_gain_filter_and_events(sine_desk: Page) -> None:
    page = drawn(sine_desk)
    middle = height(page) / 6
    at_seven = middle - extent(page, 0, 3.75)[0]
    page.keyboard.press("g")
    page.keyboard.press("ArrowDown")
    assert middle - extent(page, 0, 3.75)[0] == pytest.approx(at_seven * 7 / 10, abs=2)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")

    def fast() -> float:
        spans = [extent(page, 2, 10 + step / 100) for step in range(20)]
        return max(bottom for _, bottom in spans) - min(top for top, _ in spans)

    wide = fast()
    assert wide == pytest.approx(2 * FAST_UV * PIXELS_PER_MM / 7, rel=0.15)
    page.keyboard.press("f")
    with page.expect_response(lambda answer: "filters=narrow" in answer.url):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
    drawn(page)
    assert fast() < 0.5 * wide, "0.5 to 15 Hz leaves little of 20 Hz"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator("#sheet")).to_have_class("sheet bare")


def test_choosing_another_filter_ends_the_loading_of_the_one_before(
    sine_desk: Page,
) -> None:
    page = drawn(sine_desk)
    asked: list[Route] = []

    def unanswered(route: Route) -> None:
        asked.append(route)

    page.route("**/*filters=slow*", unanswered)
    page.locator("#filters").select_option("slow")
    page.wait_for_function("document.getElementById('sheet').ariaBusy === 'true'")
    with page.expect_event("requestfailed", lambda ended: "filters=slow" in ended.url):
        page.locator("#filters").select_option("narrow")
    assert len(asked) == 1
    drawn(page)
    narrow = extent(page, 2, 10.0125)
    page.unroute("**/*filters=slow*")
    page.locator("#filters").select_option("standard")
    drawn(page)
    assert extent(page, 2, 10.0125) != narrow


def test_signals_that_cannot_be_had_are_not_left_under_another_filters_name(
    sine_desk: Page,
) -> None:
    page = drawn(sine_desk)
    page.route("**/*filters=slow*", lambda route: route.fulfill(status=503))
    page.locator("#filters").select_option("slow")
    expect(page.locator("#not-loaded")).to_contain_text("could not be loaded")
    with pytest.raises(AssertionError, match="nothing is drawn"):
        extent(page, 0, 3.75)
    page.unroute("**/*filters=slow*")
    page.locator("#filters").select_option("standard")
    drawn(page)
    expect(page.locator("#not-loaded")).to_be_hidden()
    extent(page, 0, 3.75)


def test_a_claim_lights_its_place_in_the_signal(desk: DeskUnderTest, opened: Opened) -> None:
    page = opened()
    study = desk.new_study()
    for epoch in desk.night.flagged:
        page.goto(f"/studies/{study}/epochs/{epoch}")
        if page.locator("g.place").count():
            break
    place = page.locator("g.place").first
    number = place.get_attribute("data-claim")
    expect(place).to_have_css("visibility", "hidden")
    said = page.locator(f"li#claim-{number}")
    said.focus()
    expect(place).to_have_css("visibility", "visible")
    assert "lit" in (page.locator(f"a.claim[data-claim='{number}']").get_attribute("class") or "")
    said.blur()
    expect(place).to_have_css("visibility", "hidden")
    page.locator(f"a.claim[data-claim='{number}']").hover()
    expect(place).to_have_css("visibility", "visible")


def test_a_case_is_drawn_on_its_rules_page_as_in_the_book(opened: Opened) -> None:
    page = opened()
    widths = []
    for path in ("/rulebook/book", "/rulebook/N2.1"):
        page.goto(path)
        bars = page.locator("#N2\\.1 rect.bar")
        widths.append(bars.evaluate_all("bars => bars.map((bar) => bar.getBBox().width)"))
    assert widths[0], "cases are drawn"
    assert widths[0] == widths[1]


# ── for everybody ─────────────────────────────────────────────────────────────────────────


def test_all_but_the_drawing_works_without_scripts(desk: DeskUnderTest, browser: Browser) -> None:
    study = desk.new_study()
    context = browser.new_context(base_url=desk.address, java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name").fill("Dr. Ada Example")
    page.get_by_label("As").select_option("physician")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=study[:13]).first.click()
    page.get_by_role("link", name="review").click()
    expect(page.locator("noscript p")).to_contain_text("The traces are drawn by a script")
    expect(page.locator("g.mark").first).to_be_visible()
    page.get_by_role("button", name="Accept").click()
    page.locator("textarea").fill("a comment")
    page.get_by_role("button", name="Ask a second reader").click()
    page.get_by_role("link", name="events as a list").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Events of epoch")
    page.get_by_role("link", name="Study").click()
    rows = page.locator(".work tbody tr")
    expect(rows.nth(0)).to_contain_text("accepted")
    expect(rows.nth(1)).to_contain_text("second reader")
    page.get_by_role("button", name="Sign").click()
    expect(page.locator(".banner")).to_contain_text("signed by Dr. Ada Example")
    page.get_by_role("button", name="Log out").click()
    assert page.url == f"{desk.address}/login"
    context.close()


@pytest.fixture(scope="module")
def every_page(desk: DeskUnderTest) -> tuple[str, ...]:
    """One address for each way that a page of the desk can look."""
    new, signed = desk.new_study(), desk.new_study()
    _review(desk, signed)
    desk.store.add_study("under-way", "DocumentReference/78")
    desk.store.advance("under-way", State.PULLING)
    desk.store.add_study("failed", "DocumentReference/79")
    desk.store.fail("failed", "the recording holds no EEG")
    first, second = desk.night.flagged[:2]
    return (
        "/login",
        "/",
        "/?shown=signed",
        f"/studies/{new}",
        f"/studies/{signed}",
        f"/studies/{new}/epochs/{first}",
        f"/studies/{signed}/epochs/{second}",
        f"/studies/{new}/epochs/{first}/events",
        f"/studies/{signed}/epochs/{second}/history",
        "/rulebook",
        "/rulebook/book",
        "/rulebook/N2.1",
        "/rulebook/N3.1?verdict=supported&cited=true",
        "/shelf",
        f"/studies/{new}/report",
        f"/studies/{signed}/report",
        "/studies/under-way",
        "/studies/failed",
        "/studies/no-such-study",
        "/?shown=nothing",
    )


def _review(desk: DeskUnderTest, study: str) -> None:
    """Overrides two epochs, the second twice over, and signs in between."""
    with httpx.Client(base_url=desk.address, timeout=PATIENCE_MS / 1000) as client:
        client.post("/login/local", data={"name": "Dr. Ada Example", "role": "physician"})

        def send(path: str, form: str, **fields: str) -> None:
            fields |= hidden_fields(client.get(path).text)
            assert client.post(f"{path}/{form}", data=fields).status_code == 303

        first, second = (f"/studies/{study}/epochs/{n}" for n in desk.night.flagged[:2])
        send(first, "decision", override=Stage.W.value)
        send(second, "decision", action="accept", comment="as scored")
        send(f"/studies/{study}", "signature")
        send(second, "decision", override=Stage.R.value)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_keeps_anybody_out(opened: Opened, every_page: tuple[str, ...], theme: str) -> None:
    page = opened(color_scheme=theme)
    # Another theme is other colours, and nothing else.
    rules = {} if theme == "light" else {"runOnly": ["color-contrast"]}
    found = [
        f"{path}: {violation['id']}: {node['html'][:200]}"
        for path in every_page
        for violation in _violations(page, path, rules)
        for node in violation["nodes"]
    ]
    assert found == []


def _violations(page: Page, path: str, rules: dict[str, list[str]]) -> list[dict[str, Any]]:
    page.goto(path)
    options = {"resultTypes": ["violations"], **rules}
    violations: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return violations


@pytest.mark.parametrize("width", [1280, 820])
def test_no_page_is_wider_than_its_window(
    opened: Opened, every_page: tuple[str, ...], width: int
) -> None:
    page = opened(viewport={"width": width, "height": 1000})
    for path in every_page:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_readme_has_pictures_of_the_desk(
    desk: DeskUnderTest, opened: Opened, tmp_path: Path
) -> None:
    folder = SCREENS if os.environ.get("SOMNOAUDIT_SCREENS") else tmp_path
    study = desk.new_study()
    page = opened(viewport={"width": 1280, "height": 960})
    for name, path in (
        ("study", f"/studies/{study}"),
        ("epoch", f"/studies/{study}/epochs/{desk.night.flagged[0]}"),
    ):
        page.goto(path)
        if name == "epoch":
            drawn(page)
        picture = folder / f"{name}.png"
        page.screenshot(path=picture)
        with Image.open(picture) as image:
            few_colours = image.convert("RGB").quantize(
                128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
        few_colours.save(picture, optimize=True)
        assert picture.stat().st_size <= LARGEST_SCREEN

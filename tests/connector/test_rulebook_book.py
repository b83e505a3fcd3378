"""The rulebook as a book: complete, linked, self-contained, and honest about what is not known."""

import re
import shutil
import sys
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from auditor.error_rates import read_error_rates
from auditor.errors import RulebookRefused
from auditor.rule_cases import Case, CaseEpoch, CaseEvent, MeasureInDoubt
from auditor.rulebook import SHARED_FILES, Rulebook, load_rulebook
from auditor.vocabulary import Phenomenon, Stage, Verdict
from connector.cli import main
from connector.rulebook_book import Book, compose, write_book
from connector.rulebook_cases import shown
from connector.rulebook_specs import read_specifications
from connector.rulebook_words import Comparison, Denied, Group, OtherRule, spoken, tree

FEATURE = """
Feature: Stage N3
  Rule: N3.1 Slow waves
    Scenario Outline: The measured seconds decide
      Given <seconds> s of waves & "noise"
      Then rule N3.1 is <verdict>
      Examples: at the boundary
        | seconds | verdict      |
        | 5       | contradicted |
  Rule: Something of no rule
    Example: One
      Given a table
        | a | b |
      And words
        \"\"\"
        quoted
        \"\"\"
"""
RATES = """
measurements:
  - nights: 20 simulated nights of the harder setting
    day: 2026-11-20
    benchmark: tests/benchmarks/bench_hallucination.py
    rulebook_sha256: feedfeedfeed
    phenomena:
      sleep_spindle:
        when_true: {n: 800, contradicted: 8, not_assessable: 80}
        when_false: {n: 0, supported: 0}
    rules:
      N3.1:
        when_true: {n: 100, contradicted: 0}
        when_false: {n: 100, supported: 5, not_assessable: 20}
"""
VOID = {"meta", "br", "link", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn, every id is given once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.elements: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action"):
                self.addresses.append(value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def part(page: str, anchor: str) -> str:
    """The section of this identifier, without the sections after it."""
    start = page.index(f'<section id="{anchor}"')
    end = page.find("<section id=", start + 1)
    return page[start : end if end > 0 else None]


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook()


@pytest.fixture(scope="module")
def book() -> Book:
    return compose(files("rules"), None)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_book(tmp_path_factory.mktemp("book")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The book of a changed rulebook: see the tests that use it."""
    folder = tmp_path_factory.mktemp("changed")
    rules, features = folder / "rules", folder / "features"
    with as_file(files("rules")) as ours:
        shutil.copytree(ours, rules)
    rule = rules / "N3" / "N3.1.yaml"
    title = next(line for line in rule.read_text("utf-8").splitlines() if "title:" in line)
    rule.write_text(rule.read_text("utf-8").replace(title, "title: <b>more</b> & more"), "utf-8")
    cases = rules / "N3" / "N3.1.cases.yaml"
    wrong = cases.read_text("utf-8").replace("expect: contradicted", "expect: supported", 1)
    cases.write_text(wrong, "utf-8")
    (rules / "error_rates.yaml").write_text(RATES, "utf-8")
    features.mkdir()
    (features / "N3.feature").write_text(FEATURE, "utf-8")
    return write_book(folder / "book", rules, features).read_text("utf-8")


# ── the page ──────────────────────────────────────────────────────────────────────────────


def test_the_page_needs_no_other_file_no_script_and_no_network(page: str) -> None:
    read = Page(page)
    assert "script" not in read.elements
    assert {"link", "img", "iframe"}.isdisjoint(read.elements)
    assert all(address.startswith("#") for address in read.addresses)
    assert "url(" not in page
    assert "@import" not in page


def test_every_link_leads_somewhere_and_every_place_is_one(page: str) -> None:
    read = Page(page)
    assert len(read.ids) == len(set(read.ids))
    assert {address.removeprefix("#") for address in read.addresses} <= set(read.ids)


def test_the_cover_names_what_an_audit_names(page: str, rulebook: Rulebook) -> None:
    assert rulebook.identity.sha256 in page
    assert rulebook.identity.version in page
    assert "Not a medical device" in page


def test_every_rule_is_told_whole(page: str, rulebook: Rulebook) -> None:
    for rule in rulebook.rules:
        chapter = words_of(part(page, rule.id))
        for text in (rule.title, rule.statement, *rule.choices, *rule.known_limits):
            assert " ".join(text.split()) in chapter
        for leaf in rule.leaves:
            assert " ".join(leaf.text.split()) in chapter
            for name, parameter in leaf.params.items():
                assert f"{spoken(name)} = {parameter.value:g}" in chapter
                assert parameter.why in chapter
        assert ("not yet checked against a licensed copy" in chapter) is not rule.source.checked


def test_every_quantity_is_told(page: str, rulebook: Rulebook) -> None:
    words = words_of(part(page, "quantities"))
    for quantity in rulebook.quantities.values():
        assert quantity.says in words


def test_a_rule_links_to_those_it_asks_about_and_back(page: str) -> None:
    chapter = part(page, "N2.1")
    assert '<span class="denial">not</span> <a href="#N3.1">N3.1</a>' in chapter
    assert '<a href="#quantity-sleep_spindles">sleep spindles</a> in the first half' in chapter
    assert '<a href="#N2.1">N2.1</a>' in part(page, "N3.1")


def test_other_profiles_stand_with_the_rules_of_their_own(page: str) -> None:
    assert "less than 180 s" in words_of(part(page, "rechtschaffen-kales-N2.2"))


def test_detection_thresholds_are_told_by_phenomenon(page: str, rulebook: Rulebook) -> None:
    for kind, thresholds in rulebook.detection.items():
        entry = words_of(part(page, f"phenomenon-{kind.value}"))
        assert f"clearly not there below {thresholds.clearly_not:g} ," in entry
        assert f"clearly there from {thresholds.clearly_there:g}" in entry


def test_every_number_that_words_are_judged_by_is_told(page: str, rulebook: Rulebook) -> None:
    words, claims = words_of(part(page, "words")), rulebook.claims
    groups = (claims.tolerances, claims.several_times, claims.templating)
    parameters = [each for group in groups for _, each in group]
    for each in (*parameters, claims.presence_wrong_below, claims.denial_wrong_from):
        assert each.why in words
    for role, others in claims.beside.items():
        assert f"where the {role} one is named, the {', '.join(others)} one will do" in words


def test_what_a_rule_says_is_not_taken_for_html(changed: str) -> None:
    assert "<b>more" not in changed
    assert "&lt;b&gt;more&lt;/b&gt; &amp; more" in changed


# ── conditions in words ───────────────────────────────────────────────────────────────────


def test_conditions_become_a_tree_of_words(rulebook: Rulebook) -> None:
    rule = rulebook.rule("N2.1")
    assert rule is not None
    root = tree(rule.outcomes[0].holds_when, rulebook.quantities)
    assert isinstance(root, Group)
    assert root.asks == "All of these hold"
    found = root.parts[0]
    assert isinstance(found, Comparison)
    assert found.asks == "at least 1"
    assert [(term.joined, term.said, term.place) for term in found.terms] == [
        ("", "K complexes without arousal", "in the first half"),
        ("plus", "sleep spindles", "in the first half"),
        ("plus", "K complexes without arousal", "in the last half of the epoch before"),
        ("plus", "sleep spindles", "in the last half of the epoch before"),
    ]
    assert Denied(OtherRule("N3.1", None)) in root.parts


def test_a_single_condition_stands_alone_and_shares_come_with_their_seconds(
    rulebook: Rulebook,
) -> None:
    rule = rulebook.rule("N3.1")
    assert rule is not None
    comparison = tree(rule.outcomes[0].holds_when, rulebook.quantities)
    assert isinstance(comparison, Comparison)
    assert comparison.asks == "at least 20 % (6 s)"


def test_words_and_runs_are_told(rulebook: Rulebook) -> None:
    rule = rulebook.rule("R.2")
    assert rule is not None
    root = tree(rule.outcomes[0].holds_when, rulebook.quantities)
    assert isinstance(root, Group)
    assert OtherRule("R.1", Stage.R) in root.parts
    levels = [each.asks for each in root.parts if isinstance(each, Comparison)]
    assert "low" in levels


# ── cases ─────────────────────────────────────────────────────────────────────────────────


def test_every_case_is_run_and_shown(book: Book, page: str) -> None:
    assert all(chapter.cases for chapter in book.chapters)
    assert all(case.is_met for case in book.cases)
    assert "all came out as expected" in words_of(page)


def test_a_case_that_comes_out_otherwise_is_told_aloud(changed: str) -> None:
    assert "1 did not come out as expected" in words_of(part(changed, "cover"))
    told = "It came out as contradicted when this book was made."
    assert told in words_of(part(changed, "N3.1"))


def test_a_case_is_told_and_drawn_as_evidence(rulebook: Rulebook) -> None:
    rule = rulebook.rule("N2.1")
    assert rule is not None
    case = Case(
        name="k_complex_and_n3",
        before=[CaseEpoch(stage=Stage.N2), CaseEpoch(stage=Stage.N2), CaseEpoch(stage=Stage.N1)],
        epoch=CaseEpoch(
            measures={"slow_wave_fraction": MeasureInDoubt(value=0.15, low=0.1, high=0.25)},
            events=[
                CaseEvent(kind=Phenomenon.SLEEP_SPINDLE, at_s=(10, 20), probability=1.0),
                CaseEvent(kind=Phenomenon.SLEEP_SPINDLE, at_s=(25, 26), probability=1.0),
                CaseEvent(kind=Phenomenon.K_COMPLEX, at_s=(1, 2), probability=0.01),
            ],
            not_assessable={Phenomenon.AROUSAL: "the night is too short"},
        ),
        after=[],
        expect=Verdict.SUPPORTED,
    )
    told = shown(case, rule, rulebook)
    assert told.name == "K complex and N3"
    assert told.given == (
        ("3 to 2 epochs before", "scored N2"),
        ("Epoch before", "scored N1"),
        (
            "The epoch",
            "slow wave fraction 15 % (it may be 10 % to 25 %); "
            "sleep spindle at 10–20, 25–26 s (C4-M1, probability 1); "
            "K complex at 1–2 s (C4-M1, probability 0.01); "
            "arousal not assessable (the night is too short)",
        ),
        ("Epoch after", "there is none: the recording ends here"),
    )
    drawing = told.drawing
    assert drawing is not None
    assert [(box.title, box.stage, box.is_judged) for box in drawing.boxes] == [
        ("−3", "N2", False), ("−2", "N2", False), ("−1", "N1", False), ("0", "", True),
    ]  # fmt: skip
    judged = drawing.boxes[-1]
    lanes = {lane.said: lane for lane in drawing.lanes}
    assert lanes["slow wave"].values == ((judged.x + judged.width / 2, "10 %–25 %"),)
    spindle = lanes["sleep spindle"].bars[0]
    assert spindle.kind == "sure"
    assert spindle.x == pytest.approx(judged.x + judged.width / 3, abs=0.2)
    assert spindle.width == pytest.approx(judged.width / 3, abs=0.2)
    assert lanes["K complex"].bars[0].kind == "unlikely"
    assert (lanes["arousal"].bars[0].kind, lanes["arousal"].bars[0].width) == (
        "unknown", judged.width,
    )  # fmt: skip


def test_why_a_rule_does_not_hold_is_told(book: Book) -> None:
    (chapter,) = (each for each in book.chapters if each.rule.id == "N3.1")
    reasons = {case.expected: case.because for case in chapter.cases}
    assert reasons["supported"] == ()
    assert reasons["contradicted"][0].endswith("asked for is at least 20 % (6 s)")
    assert reasons["not_assessable"][0]


# ── specifications ────────────────────────────────────────────────────────────────────────


def test_specifications_stand_by_their_rule_and_the_others_at_the_end(changed: str) -> None:
    n3 = part(changed, "N3.1")
    assert "features/N3.feature" in n3
    assert "&lt;seconds&gt; s of waves &amp; &#34;noise&#34;" in n3
    assert '<th scope="col">seconds</th>' in n3
    assert "<td>contradicted</td>" in n3
    assert "There is none for rule N2.1." in part(changed, "N2.1")
    last = part(changed, "specifications")
    assert "Something of no rule" in last
    assert "<pre>quoted</pre>" in last
    assert "N3.1 Slow waves" not in last


def test_without_features_the_book_says_so(book: Book) -> None:
    assert book.specifications is None
    assert {chapter.specification for chapter in book.chapters} == {None}


def test_every_rule_has_a_specification_that_the_book_finds() -> None:
    found = compose(files("rules"), files("features"))
    assert [c.rule.id for c in found.chapters if c.specification is None] == []


def test_what_is_not_gherkin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "N3.feature").write_text("Dear colleague,\n", "utf-8")
    with pytest.raises(RulebookRefused, match=r"N3\.feature: is not Gherkin"):
        read_specifications(tmp_path)


# ── measured error rates ──────────────────────────────────────────────────────────────────


def test_what_was_not_measured_is_said_not_to_be(changed: str, tmp_path: Path) -> None:
    assert read_error_rates(tmp_path) == ()
    assert "Not measured: there are no figures for rule N2.1." in part(changed, "N2.1")
    assert '<table class="rates">' not in part(changed, "N2.1")


def test_measured_rates_stand_with_their_counts_and_nights(changed: str) -> None:
    words = words_of(part(changed, "N3.1"))
    assert "20 simulated nights of the harder setting, 2026-11-20" in words
    assert "with another rulebook (feedfeed)" in words
    # Wilson's interval of 5 of 100, and of none of 100: Wilson 1927, doi:10.2307/2276774.
    assert "5 % 5 of 100 (2.15 % – 11.2 %)" in words
    assert "0 % 0 of 100 (0 % – 3.7 %)" in words
    assert "90 %" in words  # decided
    spindle = words_of(part(changed, "phenomenon-sleep_spindle"))
    assert "1 % 8 of 800" in spindle
    assert "none tried" in spindle


def test_rates_are_no_part_of_the_rulebooks_hash() -> None:
    assert "error_rates.yaml" not in SHARED_FILES


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("contradicted: 0", "contradicted: 101", "more contradicted and not assessable"),
        ("N3.1:", "N3:", "rules"),
        ("day: 2026-11-20", "day: Friday", "day"),
    ],
)
def test_rates_that_cannot_be_are_refused(
    wrong: str, right: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "error_rates.yaml").write_text(RATES.replace(wrong, right), encoding="utf-8")
    with pytest.raises(RulebookRefused, match=complaint):
        read_error_rates(tmp_path)


# ── the command ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["somnoaudit", "rules", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code if isinstance(done.value.code, int) else 0

    return call


def test_the_command_writes_the_book_the_same_each_time(
    run: Callable[..., int], tmp_path: Path, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--html", tmp_path / "book") == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == tmp_path / "book" / "index.html"
    assert written.read_text(encoding="utf-8") == page


def test_a_folder_that_cannot_be_written_to_is_said(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run("--html", tmp_path / "file") == 2
    assert run("N2.1", "--html", tmp_path / "book") == 2
    complaints = capsys.readouterr().err.splitlines()
    assert "cannot be written to (file exists)" in complaints[0]
    assert "leave out N2.1" in complaints[1]

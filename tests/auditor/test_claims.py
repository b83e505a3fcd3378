"""Reading rationales: what is said, in which words, and with which quantities."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.claims import read_claims
from auditor.claims.lexicon import read_lexicon
from auditor.claims.reader import read_with
from auditor.errors import RulebookRefused
from auditor.vocabulary import Claim, Extent, Interval, Level, Phenomenon, Polarity, Span

CORPUS = yaml.safe_load((Path(__file__).parent / "data" / "reading.yaml").read_text("utf-8"))
LEXICON = Path(__file__).parents[2] / "rules" / "lexicon" / "en.yaml"
REAL = Path(__file__).parents[2].parent / "shared" / "data" / "rationales"


# ── a corpus of sentences ─────────────────────────────────────────────────────────────────

POLARITIES = {"no": Polarity.ABSENT, "maybe": Polarity.UNCERTAIN}


@dataclass(frozen=True)
class Said:
    """A mention as the corpus tells it; see the head of ``reading.yaml``."""

    phenomenon: Phenomenon
    level: Level | None
    polarity: Polarity
    may_be_unread: bool
    may_be_anything: bool
    may_be_left_out: bool

    @classmethod
    def of(cls, words: str) -> Said:
        unread = words.endswith(" or unread")
        parts = words.removesuffix(" or unread").split()
        prefix = parts.pop(0) if parts[0] in {*POLARITIES, "unclear", "optional"} else ""
        name, *level = parts
        return cls(
            Phenomenon(name),
            Level(level[0]) if level else None,
            POLARITIES.get(prefix, Polarity.PRESENT),
            unread,
            prefix in {"unclear", "optional"},
            prefix == "optional",
        )

    def judged(self, claim: Claim) -> str | None:
        """How a claim reads this mention; None where it is of something else."""
        if claim.phenomenon is not self.phenomenon:
            return None
        if self.may_be_anything:
            return "right"
        if not claim.read:
            return "right" if self.may_be_unread else "abstained"
        same_level = self.level is None or claim.level is self.level
        return "right" if claim.polarity is self.polarity and same_level else "wrong"


COSTS = {"right": 0, "abstained": 1, "wrong": 2, "missed": 3, "invented": 3}


def judged(said: Sequence[Said], claims: Sequence[Claim]) -> Counter[str]:
    """How many mentions were read how, in the best alignment that keeps their order."""
    best: dict[tuple[int, int], tuple[int, tuple[str, ...]]] = {
        (len(said), len(claims)): (0, ()),
    }
    for i in range(len(said), -1, -1):
        for j in range(len(claims), -1, -1):
            ways = []
            if i < len(said) and j < len(claims) and (how := said[i].judged(claims[j])):
                ways.append((how, (i + 1, j + 1)))
            if i < len(said):
                ways.append(("right" if said[i].may_be_left_out else "missed", (i + 1, j)))
            if j < len(claims):
                ways.append(("invented", (i, j + 1)))
            options = [(COSTS[how] + best[at][0], (how, *best[at][1])) for how, at in ways]
            if options:
                best[i, j] = min(options)
    return Counter(best[0, 0][1])


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry["text"][:60])
def test_a_sentence_is_read_right_or_left_unread(entry: dict[str, Any]) -> None:
    result = judged([Said.of(words) for words in entry["says"]], read_claims(entry["text"]))
    assert not result.keys() & {"wrong", "missed", "invented"}, result


def test_few_sentences_are_left_unread() -> None:
    result: Counter[str] = Counter()
    for entry in CORPUS:
        result += judged([Said.of(words) for words in entry["says"]], read_claims(entry["text"]))
    assert result["abstained"] <= 0.02 * result.total()


@pytest.mark.skipif(not REAL.exists(), reason="../shared/data with real rationales is not here")
def test_real_rationales_are_read_whole() -> None:
    items = json.loads((REAL / "sleepvlm_examples.json").read_text("utf-8"))["items"]
    for item in items:
        read = [
            {"phenomenon": str(c.phenomenon), "polarity": str(c.polarity)}
            | ({"level": str(c.level)} if c.level else {})
            for c in read_claims(item["reasoning_text"])
            if c.read
        ]
        assert read == item["mentions"]


# ── quantities ────────────────────────────────────────────────────────────────────────────


def only(text: str, phenomenon: Phenomenon | None = None) -> Claim:
    claims = [c for c in read_claims(text) if phenomenon in {None, c.phenomenon}]
    assert len(claims) == 1, claims
    return claims[0]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("A K-complex is seen at ~0-5s.", [(0, 5)]),
        ("A spindle is seen at 28–30 s.", [(28, 30)]),
        ("Spindles are seen between 12 and 14 seconds.", [(12, 14)]),
        ("An arousal is seen from 14 s to 18 s.", [(14, 18)]),
        ("Blinks occur at 5s, 10s, 15s, 20s, and 25s.", [(t, t) for t in (5, 10, 15, 20, 25)]),
        ("Blinks occur at 5, 10 and 15 s.", [(5, 5), (10, 10), (15, 15)]),
        ("A K-complex occurs around second 12.", [(12, 12)]),
        ("K complex at t=12.5 s", [(12.5, 12.5)]),
        ("A K-complex (8 s) is seen.", [(8, 8)]),
        ("REMs are seen at 3-5 s, 11 s, and 20–24 s.", [(3, 5), (11, 11), (20, 24)]),
        ("At 12 s, a K-complex appears.", [(12, 12)]),
        ("REMs are confined to the first half of the epoch.", [(0, 15)]),
        ("Slow waves are seen in the last 10 s.", [(20, 30)]),
        ("From 18 s onward, theta waves are seen.", [(18, 30)]),
        ("Theta waves are seen until 6 s.", [(0, 6)]),
        ("REMs are seen at 0,5 s.", [(0.5, 0.5)]),
        ("A spindle is visible in this 30-s epoch.", []),
        ("Blinks recur every 5 s.", []),
        ("Slow eye movements with deflections >500 ms are seen.", []),
        ("A spindle is seen at 23:14:05.", []),
        ("A spindle is seen at the 18-second mark.", [(18, 18)]),
        ("A major body movement from second 3 to second 21.", [(3, 21)]),
        ("Alpha rhythm lasts until 19 s.", [(0, 19)]),
        ("F4-M1 at 9–10 s: K-complex (0.9 s).", [(9, 10)]),
        ("REMs at 1.2–1.9 s, 7.5–8.1 s.", [(1.2, 1.9), (7.5, 8.1)]),
    ],
)
def test_times(text: str, spans: list[tuple[float, float]]) -> None:
    assert only(text).spans == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("A spindle lasting ≈0.7s is seen.", (0.7, 0.7)),
        ("A K-complex (0.6s duration) is seen.", (0.6, 0.6)),
        ("A K-complex (duration: 0.8 s) is seen.", (0.8, 0.8)),
        ("A spindle of 700 ms is seen.", (0.7, 0.7)),
        ("A 0.9-s spindle is seen.", (0.9, 0.9)),
        ("A spindle (0.9 s, 13 Hz) is seen.", (0.9, 0.9)),
        ("Spindles (≥ 0.5 s) are seen.", (0.5, math.inf)),
        ("Vertex waves shorter than 0.5 s are seen.", (-math.inf, 0.5)),
        ("Blinks lasting 0.5–1 s are seen.", (0.5, 1)),
        ("The spindles are central and last 800 ms.", (0.8, 0.8)),
        ("Spindles (12–14 Hz, 0.5–1.2 s) are seen.", (0.5, 1.2)),
    ],
)
def test_durations(text: str, duration_s: tuple[float, float]) -> None:
    claim = only(text)
    assert claim.duration_s == Interval(*duration_s)
    assert claim.spans == ()


@pytest.mark.parametrize(
    ("text", "extent"),
    [
        ("Alpha persists for >50% of the 30s epoch.", (">", 0.5)),
        ("Alpha fills more than half of the epoch.", (">", 0.5)),
        ("Alpha is present for less than 10 %.", ("<", 0.1)),
        ("Slow waves fill at least 20 % of the epoch.", (">=", 0.2)),
        ("Alpha occupies about a third of the epoch.", ("==", 0.333)),
        ("Slow waves make up 20-30 % of the epoch.", (">=", 0.2)),
        ("Slow waves make up the majority of the epoch.", (">", 0.5)),
        ("Slow waves fail the 20 % criterion.", ("<", 0.2)),
        ("Alpha does not exceed 50 % of the epoch.", ("<=", 0.5)),
        ("Slow waves are seen for 6 s of the epoch.", ("==", 0.2)),
        ("Slow waves are seen for more than 6 s.", (">=", 0.2)),
        ("Slow waves occupy half of the epoch (15 s).", ("==", 0.5)),
    ],
)
def test_extents(text: str, extent: tuple[str, float]) -> None:
    claim = only(text)
    assert claim.polarity is Polarity.PRESENT
    assert claim.extent == Extent(*extent)
    assert claim.spans == ()


@pytest.mark.parametrize("unit", ["µV", "μV", "uV", "microvolts"])
def test_amplitude_in_any_spelling(unit: str) -> None:
    assert only(f"Slow waves (>75 {unit}) are seen.").amplitude_uv == Interval(75, math.inf)


def test_amplitude_in_millivolts() -> None:
    assert only("Slow waves of 0.1 mV are seen.").amplitude_uv == Interval(100, 100)


@pytest.mark.parametrize("dash", ["-", "–", "—", "‑", "−", " to ", " – ", "~"])
def test_ranges_with_any_dash(dash: str) -> None:
    claim = only(f"A spindle of 12{dash}14 Hz is seen.")
    assert claim.frequency_hz is not None
    assert claim.frequency_hz.low == 12


def test_quantities_go_to_the_mention_that_they_are_of() -> None:
    complexes, spindles = read_claims(
        "F4-M1 shows a K-complex at 3 s (0.8 s, 120 µV) and C4-M1 a 13-Hz spindle at 5–6 s."
    )
    assert complexes.spans == (Span(3, 3),)
    assert complexes.duration_s == Interval(0.8, 0.8)
    assert complexes.amplitude_uv == Interval(120, 120)
    assert complexes.channels == ("F4-M1",)
    assert spindles.spans == (Span(5, 6),)
    assert spindles.frequency_hz == Interval(13, 13)
    assert spindles.channels == ("C4-M1",)


def test_a_pronoun_gives_its_quantities_to_what_it_stands_for() -> None:
    assert only("Alpha is seen. This activity persists for >50 %.").extent == Extent(">", 0.5)
    assert only("REMs are seen; these occur at 5-15s.").spans == (Span(5, 15),)


def test_what_does_not_overlap_gives_a_claim_no_amplitude() -> None:
    claim = only("Slow wave activity is absent; all waveforms remain within bounds (<75 µV).")
    assert claim.amplitude_uv is None


def test_channels_are_written_as_recordings_write_them() -> None:
    assert only("Alpha rhythm is absent in O2‑M1.").channels == ("O2-M1",)
    assert only("EOG channels (LOC, ROC) show blinks.").channels == ("LOC", "ROC")


# ── words quoted ──────────────────────────────────────────────────────────────────────────


def test_the_words_are_quoted_where_they_stand() -> None:
    text = "ﬁrst: **Chin EMG** maintains medium tone;\n\n- no  sleep‑spindles (µ)."
    quoted = [text[c.start : c.end] for c in read_claims(text)]
    assert quoted == ["medium tone", "sleep‑spindles"]


WORDS = st.sampled_from(
    [w for entry in CORPUS for w in entry["text"].split()] + ["\n", "(", ")", "µ", "½", "ﬁ", "İ"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=300))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    claims = read_claims(text)
    for claim in claims:
        assert claim.start is not None
        assert claim.text == text[claim.start : claim.end]
    assert [c.start for c in claims] == sorted(c.start or 0 for c in claims)


@pytest.mark.parametrize("piece", ["1, ", "(", "alpha, ", "low "])
def test_a_hundred_kilobytes_of_garbage_claim_nothing_that_is_read(piece: str) -> None:
    claims = read_claims(piece * (100_000 // len(piece)))
    assert not any(claim.read for claim in claims)


def test_no_text_makes_no_claim() -> None:
    assert read_claims("") == ()
    assert read_claims(" \n\t ") == ()


# ── other languages ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Pas de rythme alpha, fuseaux absents.",
        "Absence de rythme alpha et de K-complexes.",
        "Kein Alpha-Rhythmus, keine Spindeln, K-Komplexe fehlen.",
        "Der Alpha-Rhythmus fehlt in der gesamten Epoche.",
        "No se observan husos ni complejos K; ritmo alpha ausente en los canales.",
        "Assenza di ritmo alpha; onde theta presenti senza spindle.",
        "未见alpha节律,可见K-complex。",
        "Альфа-ритм отсутствует, alpha нет.",
        "Geen alpha aanwezig in het EEG.",
        "Det finns inga alpha vågor och inga spindles.",
    ],
)
def test_another_language_is_not_guessed_at(text: str) -> None:
    assert not any(claim.read for claim in read_claims(text))


def test_a_second_language_is_a_second_file(tmp_path: Path) -> None:
    entries = yaml.safe_load(LEXICON.read_text("utf-8"))
    entries["language"] = "de"
    entries["foreign"] = []
    entries["phenomena"]["alpha_rhythm"]["names"] = ["alpha rhythmus"]
    entries["phenomena"]["sleep_spindle"]["names"] = ["schlafspindel(n)"]
    entries["words"]["no"] = ["kein(e)"]
    entries["words"]["or"] = ["oder"]
    entries["words"]["absent"] = ["abwesend"]
    entries["words"]["is"] = ["ist", "sind"]
    entries["words"]["filler"] = ["der", "die", "das"]
    entries["words"]["needs"] = ["erfordert"]
    file = tmp_path / "de.yaml"
    file.write_text(yaml.safe_dump(entries, allow_unicode=True), "utf-8")
    german = read_lexicon(file)
    assert [
        (claim.phenomenon, claim.polarity)
        for claim in read_with(german, "Kein Alpha-Rhythmus oder Schlafspindeln. "
                               "N2 erfordert Schlafspindeln. Der Alpha-Rhythmus ist abwesend.")
    ] == [
        (Phenomenon.ALPHA_RHYTHM, Polarity.ABSENT),
        (Phenomenon.SLEEP_SPINDLE, Polarity.ABSENT),
        (Phenomenon.SLEEP_SPINDLE, Polarity.UNCERTAIN),
        (Phenomenon.ALPHA_RHYTHM, Polarity.ABSENT),
    ]  # fmt: skip


# ── the lexicon ───────────────────────────────────────────────────────────────────────────


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "en.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(RulebookRefused) as refusal:
        read_lexicon(file)
    assert "\n" not in str(refusal.value)
    assert str(file) in str(refusal.value)
    return str(refusal.value)


def test_an_entry_that_yaml_takes_for_a_truth_value_is_named(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace('["no", not any', "[no, not any", 1)
    assert "words.no.0" in refused(tmp_path, text)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace("  neither: [neither]\n", "", 1)
    assert "neither" in refused(tmp_path, text)


def test_a_list_that_nothing_reads_is_named(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace("  neither: [", "  either: [", 1)
    assert "either" in refused(tmp_path, text)


def test_a_phenomenon_without_a_name_is_named(tmp_path: Path) -> None:
    entries = yaml.safe_load(LEXICON.read_text("utf-8"))
    del entries["phenomena"]["k_complex"]
    assert "k_complex" in refused(tmp_path, yaml.safe_dump(entries))


def test_an_unknown_phenomenon_is_named(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace("  k_complex:\n", "  k_komplex:\n", 1)
    assert "k_komplex" in refused(tmp_path, text)


def test_a_language_without_a_file_is_refused() -> None:
    with pytest.raises(RulebookRefused, match=r"xx\.yaml"):
        read_claims("alpha", language="xx")


@pytest.mark.parametrize(
    ("text", "extent"),
    [
        ("Slow waves occupy 7 of 30 s.", Extent("==", 7 / 30)),
        ("LAMF is seen for 22 s of the 30 s.", Extent("==", 22 / 30)),
        ("Alpha, 15/30 s.", Extent("==", 0.5)),
        ("Slow waves are seen, filling 12 s.", Extent("==", 0.4)),
        ("20 s of alpha are seen.", Extent("==", 20 / 30)),
        ("Alpha occupies roughly a third of the epoch.", Extent("==", 0.333)),
        ("Alpha is seen in less than half of the epoch.", Extent("<", 0.5)),
        ("Alpha fills most of the epoch.", Extent(">", 0.5)),
    ],
)
def test_parts_of_the_epoch(text: str, extent: Extent) -> None:
    found = only(text).extent
    assert found is not None
    assert (found.op, found.fraction) == (extent.op, pytest.approx(extent.fraction))


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("A spindle is seen in Chin 1-2.", "Chin 1-2"),
        ("EMG 1-F shows a spindle.", "EMG 1-F"),
        ("Chin 1-2 shows low tone.", "Chin 1-2"),
        ("A spindle of 12 Hz, lasting 1 s, is seen in Chin 1-2 at 12.5–13.7 s.", "Chin 1-2"),
    ],
)
def test_a_pair_of_chin_electrodes_is_a_channel(text: str, channel: str) -> None:
    assert only(text).channels == (channel,)


def test_a_time_after_the_chin_is_no_channel() -> None:
    assert (
        only(
            "Chin tone is low; a spindle in the EMG 1-2 s later.", Phenomenon.SLEEP_SPINDLE
        ).channels
        == ()
    )

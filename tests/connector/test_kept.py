"""What is kept of a study comes back exactly as it went in, also from earlier releases."""

import gzip
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from auditor.vocabulary import (
    ChannelReport,
    EpochEvidence,
    Event,
    Evidence,
    Hypnogram,
    Measure,
    Phenomenon,
    Rationale,
    Role,
    ScoredEpoch,
    Stage,
    StagerIdentity,
)
from connector.kept import keep_evidence, keep_hypnogram, kept_evidence, kept_hypnogram

numbers = st.floats(allow_nan=False)  # NaN is equal to nothing, itself included
words = st.text(max_size=8)
values = numbers | words
phenomena = st.sampled_from(Phenomenon)
roles = st.sampled_from(Role)

events = st.builds(
    Event, phenomena, words, numbers, numbers, numbers, numbers | st.none(), numbers | st.none()
)
epochs = st.builds(
    EpochEvidence,
    st.integers(0, 2000),
    st.dictionaries(words, st.builds(Measure, values, words, words, values, values), max_size=2),
    st.dictionaries(phenomena, words, max_size=2),
)
some_evidence = st.builds(
    Evidence,
    words,
    st.datetimes() | st.none(),
    st.dictionaries(roles, st.builds(ChannelReport, words, words, words), max_size=2),
    st.dictionaries(roles, words, max_size=2),
    st.lists(events, max_size=3).map(tuple),
    st.lists(epochs, max_size=3).map(tuple),
    st.lists(words, max_size=2).map(tuple),
)

probabilities = st.dictionaries(st.sampled_from(Stage), numbers, max_size=5)
rationales = st.builds(Rationale, words, st.lists(words, max_size=2).map(tuple))
scored = st.tuples(
    st.sampled_from(Stage), probabilities | st.none(), rationales | st.none(), words | st.none()
)
hypnograms = st.builds(
    lambda stager, rows, notes: Hypnogram(
        stager, tuple(ScoredEpoch(i, *row) for i, row in enumerate(rows)), notes
    ),
    st.builds(StagerIdentity, words, words, words | st.none()),
    st.lists(scored, max_size=3),
    st.lists(words, max_size=2).map(tuple),
)


@given(some_evidence)
def test_evidence_comes_back_as_it_went_in(evidence: Evidence) -> None:
    assert kept_evidence(keep_evidence(evidence)) == evidence


@given(hypnograms)
def test_a_hypnogram_comes_back_as_it_went_in(hypnogram: Hypnogram) -> None:
    assert kept_hypnogram(keep_hypnogram(hypnogram)) == hypnogram


# As release 0.1 wrote them; they must be readable for ever.
EVIDENCE_OF_0_1 = """
{"recording_name": "night.edf", "start": "2026-01-01T22:30:00",
 "channels": {"chin": {"label": "Chin 1-2", "quality": "good", "how": ""}},
 "missing": {"occipital": "no channel is labelled O1, O2 or Oz"},
 "events": [{"kind": "sleep_spindle", "channel": "C4-M1", "start_s": 12.1, "end_s": 13.0,
             "probability": 0.8, "frequency_hz": 13.25, "amplitude_uv": null}],
 "epochs": [{"index": 0, "not_assessable": {"alpha_rhythm": "no occipital EEG was recorded"},
             "measures": {
               "chin_tone_level": {"value": "low", "unit": "", "channel": "Chin 1-2",
                                   "low": "low", "high": "intermediate"},
               "chin_tone_ratio": {"value": 1.5, "unit": "1", "channel": "Chin 1-2",
                                   "low": 1.25, "high": Infinity}}}],
 "notes": ["read as EDF+"]}
"""
HYPNOGRAM_OF_0_1 = """
{"stager": {"name": "yasa", "version": "0.8.1", "weights_sha256": null},
 "epochs": [{"index": 0, "stage": "N2", "probabilities": {"N2": 0.75, "N1": 0.25},
             "rationale": {"text": "A spindle.", "applicable_rules": ["N2.1"]},
             "unreadable_reply": null},
            {"index": 1, "stage": "?", "probabilities": null, "rationale": null,
             "unreadable_reply": "I cannot"}],
 "notes": ["staged from C4-M1"]}
"""


def test_what_an_earlier_release_kept_is_still_read() -> None:
    assert kept_evidence(gzip.compress(EVIDENCE_OF_0_1.encode())) == Evidence(
        "night.edf",
        datetime(2026, 1, 1, 22, 30),
        {Role.CHIN: ChannelReport("Chin 1-2", "good")},
        {Role.OCCIPITAL: "no channel is labelled O1, O2 or Oz"},
        (Event(Phenomenon.SLEEP_SPINDLE, "C4-M1", 12.1, 13.0, 0.8, 13.25),),
        (
            EpochEvidence(
                0,
                {
                    "chin_tone_level": Measure("low", "", "Chin 1-2", "low", "intermediate"),
                    "chin_tone_ratio": Measure(1.5, "1", "Chin 1-2", 1.25, float("inf")),
                },
                {Phenomenon.ALPHA_RHYTHM: "no occipital EEG was recorded"},
            ),
        ),
        ("read as EDF+",),
    )
    assert kept_hypnogram(HYPNOGRAM_OF_0_1) == Hypnogram(
        StagerIdentity("yasa", "0.8.1"),
        (
            ScoredEpoch(
                0, Stage.N2, {Stage.N2: 0.75, Stage.N1: 0.25}, Rationale("A spindle.", ("N2.1",))
            ),
            ScoredEpoch(1, Stage.UNSCORED, unreadable_reply="I cannot"),
        ),
        ("staged from C4-M1",),
    )

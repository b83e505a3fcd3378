"""What a person at a terminal reads, from documents made by hand."""

from typing import Any

from connector.terminal import flag_lines, hypnogram_lines, summary, table


def epoch(index: int, stage: str, *flags: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "epoch": index,
        "stage": stage,
        "claims": [],
        "rules": [],
        "permitted_stages": ["N1"],
        "flags": list(flags),
        "priority": 0.5,
    } | more


def document(*epochs: dict[str, Any], start: str | None = "2026-01-01T22:30:00") -> dict[str, Any]:
    flagged = [e["epoch"] for e in epochs if e["flags"]]
    stages = ("N1", "N2", "N3", "R")
    return {
        "recording": {
            "epochs": len(epochs),
            "start": start,
            "channels": {"chin": {"label": "1-2", "quality": "good"}},
            "missing": {"frontal": "no frontal EEG"},
            "notes": [],
        },
        "stager": {"name": "yasa", "version": "0.8.1"},
        "rulebook": {"version": "1.0.0"},
        "epochs": list(epochs),
        "summary": {
            "epochs": len(epochs),
            "flagged": len(flagged),
            "flagged_fraction": len(flagged) / len(epochs),
            "review_order": flagged,
            "not_assessable": ["N3 cannot be checked"],
            "night_findings": ["the same words again and again"],
            "notes": [],
            "statement": "AI-generated; not reviewed or signed by a physician",
            "sleep": {
                "total_sleep_minutes": None,
                "sleep_efficiency": None,
                "sleep_latency_minutes": None,
                "rem_latency_minutes": None,
                "wake_after_sleep_onset_minutes": None,
                "stage_minutes": dict.fromkeys(stages, 0.0),
                "stage_share": dict.fromkeys(stages),
            },
        },
    }


FLAG = {"code": "stage-not-permitted", "severity": "high", "message": "no rule leads to N2 here"}
DOUBT = {"code": "claim-contradicted", "severity": "medium", "message": "a spindle is claimed"}
SPINDLE = {
    "phenomenon": "sleep_spindle",
    "polarity": "absent",
    "text": "spindle",
    "channels": ["F4-M1"],
    "spans_s": [[7.2, 8.0], [12.0, 12.0]],
    "frequency_hz": [12.0, None],
    "duration_s": None,
    "amplitude_uv": None,
    "extent": {"op": ">", "fraction": 0.5},
    "verdict": "contradicted",
    "reason": "no sleep spindle was found",
}


def test_a_hypnogram_has_a_row_a_stage_and_marks_what_is_flagged() -> None:
    lines = hypnogram_lines(document(epoch(0, "W"), epoch(1, "N2", FLAG), epoch(2, "R")))
    assert lines[0] == "  W  │█"
    assert lines[1] == "  R  │  █"
    assert lines[3] == "  N2 │ █"
    assert lines[6] == " flag  ▲", "beneath the epoch's own column"
    assert lines[7].split() == ["22:30", "22:31"]


def test_a_long_night_fits_and_no_flag_is_lost() -> None:
    night = [epoch(i, "N2", *([FLAG] if i == 701 else [])) for i in range(960)]
    lines = hypnogram_lines(document(*night, start=None))
    assert max(map(len, lines)) <= 80
    assert lines[6].count("▲") == 1
    assert lines[7].split() == ["0:00", "8:00"]


def test_a_flagged_epoch_tells_claim_and_measurement_once() -> None:
    flagged = document(epoch(3, "N2", FLAG, DOUBT, claims=[SPINDLE]))
    flagged["epochs"][0]["epoch"] = 3
    told = "\n".join(flag_lines(flagged))
    assert "epoch 3 (22:31:30), scored N2; the signal permits N1" in told
    said = "absent, more than 50% of the epoch, in F4-M1, at 7.2–8, 12 s, at least 12 Hz"
    assert f"claimed  “spindle” ({said})" in told
    assert told.count("no sleep spindle was found") == 1
    assert "a spindle is claimed" not in told


def test_a_summary_says_that_it_is_unsigned_and_what_cannot_be_checked() -> None:
    told = summary(document(epoch(0, "W")))
    assert "AI-generated; not reviewed or signed by a physician." in told
    assert "N3 cannot be checked" in told
    assert "no frontal EEG" in told
    assert "of the whole night: the same words again and again" in told
    assert "total sleep time –" in told


def test_a_table_is_aligned() -> None:
    assert table([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"

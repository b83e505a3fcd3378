"""JSON out, as the contracts write it, whole or not at all."""

from pathlib import Path

import pytest

from auditor.errors import UsageError
from auditor.vocabulary import (
    Claim,
    Extent,
    Interval,
    Phenomenon,
    Polarity,
    Span,
)
from connector.documents import claim_json, write_json


def test_a_claim_as_the_contract_writes_it() -> None:
    claim = Claim(
        Phenomenon.SLEEP_SPINDLE,
        Polarity.PRESENT,
        channels=("C4-M1",),
        spans=(Span(28, 30),),
        amplitude_uv=Interval(75, float("inf")),
        extent=Extent(">", 0.5),
        start=3,
        end=10,
        text="spindle",
    )
    document = claim_json(claim)
    assert document["spans_s"] == [[28, 30]]
    assert document["amplitude_uv"] == [75, None]
    assert document["extent"] == {"op": ">", "fraction": 0.5}
    assert document["level"] is None
    assert claim_json(Claim(Phenomenon.AROUSAL, Polarity.ABSENT))["spans_s"] == []


def test_nothing_is_left_of_a_document_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"value": float("nan")}, tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_a_document_that_has_no_place_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"out\.json: cannot be written"):
        write_json({}, tmp_path / "file" / "out.json")

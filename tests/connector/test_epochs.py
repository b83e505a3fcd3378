import pytest

from auditor.errors import UsageError
from connector.epochs import parse_epochs


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("0", (0,)),
        ("3-5,12", (3, 4, 5, 12)),
        ("12,3-5", (3, 4, 5, 12)),
        (" 3-5 , 4", (3, 4, 5)),
        ("19-19", (19,)),
    ],
)
def test_epochs_and_ranges_are_read_in_order_and_once(text: str, chosen: tuple[int, ...]) -> None:
    assert parse_epochs(text, 20) == chosen


@pytest.mark.parametrize(
    "text", ["", ",", "3,", "three", "-3", "3-", "3-5-7", "1.5", "٣", "9" * 50]
)
def test_what_is_no_epoch_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="such as 3-5,12"):
        parse_epochs(text, 20)


def test_a_range_runs_forwards() -> None:
    with pytest.raises(UsageError, match="range 5-3 runs backwards"):
        parse_epochs("1,5-3", 20)


@pytest.mark.parametrize("text", ["20", "3-20", "0,999999999"])
def test_an_epoch_past_the_end_is_refused_with_the_last_one(text: str) -> None:
    with pytest.raises(UsageError, match="its last one is 19, counted from 0"):
        parse_epochs(text, 20)

"""Nights made in processes of their own."""

from pathlib import Path

from staging.training.nights import is_whole
from staging.training.phantom_nights import Kind, NightOrder, make_nights


def test_a_stop_does_not_wait_for_the_night_that_is_being_made(tmp_path: Path) -> None:
    short, long = (
        NightOrder(seed, hours, Kind.TYPICAL, tmp_path) for seed, hours in ((1, 0.02), (2, 1.0))
    )
    made = make_nights([short, long], processes=1)
    assert next(made) == short
    made.close()
    assert not is_whole(long.stem)

"""How long the reading of a night's rationales takes.

    pytest -m benchmark -s tests/benchmarks/bench_reading.py

960 epochs, each with a rationale of about 600 characters made of the corpus's sentences, no two
alike.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import yaml

from auditor.claims import read_claims

CORPUS = Path(__file__).parents[1] / "auditor" / "data" / "reading.yaml"
EPOCHS = 960
CHARACTERS = 600
LARGEST_S = 3.0


@pytest.mark.benchmark
def test_a_night_of_rationales() -> None:
    sentences = [entry["text"] for entry in yaml.safe_load(CORPUS.read_text("utf-8"))]
    draw = random.Random(0)
    rationales = []
    for _ in range(EPOCHS):
        text = ""
        while len(text) < CHARACTERS:
            text += draw.choice(sentences) + " "
        rationales.append(text)
    read_claims("")
    start = time.process_time()
    claims = sum(len(read_claims(text)) for text in rationales)
    seconds = time.process_time() - start
    length = sum(map(len, rationales)) / EPOCHS
    print(f"\n{EPOCHS} rationales of {length:.0f} characters, {claims} claims: {seconds:.2f} s")
    assert seconds <= LARGEST_S

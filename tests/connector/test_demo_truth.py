"""What the demo says of a model's mistakes, with mistakes of which everything is known."""

from __future__ import annotations

import re
from collections import Counter

from auditor.engine import audit
from auditor.evidence import measure
from auditor.rulebook import load_rulebook
from connector.demo_truth import against_truth
from connector.documents import audit_json
from connector.figures import sleep_figures
from staging.montage import choose_montage
from staging.phantom import PhantomSettings, simulate
from staging.phantom_rationales import Falsehood, plant_false


def test_every_planted_mistake_is_counted_as_what_it_is() -> None:
    phantom = simulate(4, PhantomSettings(hours=1.5))
    scoring, planted = plant_false(phantom, 0.25, seed=1)
    kinds = Counter(each.kind for each in planted)
    evidence = measure(choose_montage(phantom.recording))
    audited = audit(scoring, evidence, load_rulebook())
    document = audit_json(audited, evidence, sleep_figures(scoring).document())
    (told,) = against_truth(document, phantom)
    lines = told.splitlines()[2:]
    wrong, invented, denied, besides = (list(map(int, re.findall(r"\d+", line))) for line in lines)
    assert min(kinds[kind] for kind in Falsehood if kind is not Falsehood.AROUSAL_K_COMPLEX) > 3
    assert wrong[0] == kinds[Falsehood.WRONG_STAGE] + kinds[Falsehood.AROUSAL_K_COMPLEX]
    assert invented[0] == kinds[Falsehood.INVENTED_EVENT] + kinds[Falsehood.WRONG_TIME]
    assert denied[0] == kinds[Falsehood.FLIPPED_POLARITY]
    for n, contradicted, open_ in (invented, denied):
        assert 0 < contradicted <= contradicted + open_ <= n
    assert besides[0] < 0.1 * len(phantom.stages)

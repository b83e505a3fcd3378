"""How fast the service answers an EHR that notifies it: the answer comes before any work."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "connector"))

from test_notifications import topic_notification

from connector.demo_ehr import DemoEhr
from connector.hooks import HOOK
from connector.service import service
from connector.settings import load_settings

N_CALLS = 200
SECRET = "a-secret-of-the-benchmark"


def _seconds(call: Callable[[int], httpx.Response]) -> list[float]:
    taken = []
    for number in range(N_CALLS):
        begun = time.perf_counter()
        assert call(number).is_success
        taken.append(time.perf_counter() - begun)
    return sorted(taken)


@pytest.mark.benchmark
def test_a_hook_answers_in_milliseconds(tmp_path: Path) -> None:
    scoring = tmp_path / "scoring.json"
    scoring.write_text(json.dumps([{"epoch": 0, "sleep_stage": "W"}]))
    with DemoEhr(tmp_path / "ehr") as ehr:
        settings = load_settings(
            fhir_url=ehr.base_url,
            data=tmp_path,
            stager="scored",
            model=str(scoring),
            port=0,
            webhook_secret=SECRET,
        )
        headers = {"Authorization": f"Bearer {SECRET}"}
        with (
            service(settings) as running,
            httpx.Client(base_url=running.address, headers=headers) as http,
        ):
            asked = {
                "GET /healthz": _seconds(lambda _n: http.get("/healthz")),
                "empty notification": _seconds(lambda _n: http.post(HOOK)),
                "names a document": _seconds(
                    lambda n: http.post(
                        HOOK, json={"resourceType": "DocumentReference", "id": f"x{n}"}
                    )
                ),
                "a topic's event, counted": _seconds(
                    lambda n: http.post(
                        HOOK,
                        json=topic_notification(
                            "event-notification",
                            f"DocumentReference/y{n}",
                            total=n + 1,
                            numbers=(n + 1,),
                        ),
                    )
                ),
            }
    base = statistics.median(asked["GET /healthz"])
    for name, taken in asked.items():
        median, late = statistics.median(taken), taken[round(0.99 * N_CALLS) - 1]
        ratio = f"({median / base:4.1f}×)"
        print(f"{name:24} median {1e3 * median:6.1f} ms {ratio}  99 % {1e3 * late:6.1f} ms")

"""How much memory a download of a night takes, raw and as base64 in JSON, and how long.

pytest -m benchmark -s tests/benchmarks/bench_download.py
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.fhir import FhirClient

MEGABYTES = 400
MOST_ADDED_MB = 100

_SERVER = """
import base64, http.server, os
MB = {megabytes}
PIECE = os.urandom(3 << 20)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        as_json = "json" in self.path
        self.send_header("Content-Type", "application/fhir+json" if as_json else "application/edf")
        self.end_headers()
        piece = base64.b64encode(PIECE) if as_json else PIECE
        if as_json:
            self.wfile.write(b'{{"resourceType": "Binary", "data": "')
        for _ in range(MB // 3):
            self.wfile.write(piece)
        if as_json:
            self.wfile.write(b'"}}')
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER.format(megabytes=MEGABYTES)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}/fhir"
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.benchmark
@pytest.mark.parametrize("form", ["raw", "json"])
def test_a_night_goes_to_disk_and_not_into_memory(server: str, tmp_path: Path, form: str) -> None:
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    with FhirClient(server) as client:
        client.download(f"Binary/{form}", tmp_path / "night.edf")
    took_s = time.perf_counter() - begun
    added_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    size_mb = (tmp_path / "night.edf").stat().st_size / (1 << 20)
    print(
        f"\n{form}: {size_mb:.0f} MB in {took_s:.1f} s ({size_mb / took_s:.0f} MB/s), "
        f"{added_mb:.0f} MB of memory added of {MOST_ADDED_MB} allowed"
    )
    assert size_mb == MEGABYTES // 3 * 3
    assert added_mb < MOST_ADDED_MB

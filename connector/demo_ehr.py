"""An EHR to try things on: a real FHIR R4 server (sekmet-fhir) on loopback, as a child process.

It keeps its database in the folder it is given and goes down with whoever started it, even
when that process is killed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import httpx

from auditor.errors import ServerFailed, UsageError, os_reason

_LOOPBACK = "127.0.0.1"
# Measured: sekmet answers after 2 s on an idle machine; a loaded one may need much longer.
_STARTS_WITHIN_S = 120.0
_STOPS_WITHIN_S = 10.0


class DemoEhr:
    """A FHIR server for demonstrations and tests, running while the context lasts.

    Attributes:
        base_url: the FHIR base, ``http://127.0.0.1:PORT/fhir``.
        pid: of the server's process.

    Args:
        folder: holds its database and log; made if missing. A server started again in the same
            folder has all resources of before.
        port: on loopback; a free one by default.

    Raises:
        UsageError: the extra ``demo`` is not installed.
        ServerFailed: the server did not start, or the port is taken.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        if find_spec("sekmet") is None:
            raise UsageError(
                "the demo's FHIR server is not installed; pip install 'somnoaudit[demo]'"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "ehr.log"
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_LOOPBACK, port))
            listener.listen()
            self.base_url = f"http://{_LOOPBACK}:{listener.getsockname()[1]}/fhir"
            # The child inherits the listening socket, so that no one can take the port in
            # between and requests wait in its queue until the server is up.
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 our own module
                    [sys.executable, "-m", __name__, str(folder), str(listener.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                )
        except OSError as error:
            raise ServerFailed(
                f"the demo's FHIR server cannot listen on port {port} ({os_reason(error)}); "
                "choose another port"
            ) from error
        finally:
            listener.close()
        self.pid = self._process.pid
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        try:
            with httpx.Client(timeout=_STARTS_WITHIN_S, trust_env=False) as http:
                http.get(f"{self.base_url}/metadata").raise_for_status()
        except httpx.HTTPError as error:
            self.stop()
            raise ServerFailed(
                f"the demo's FHIR server did not start; its log is {self._log}"
            ) from error

    def stop(self) -> None:
        """Ends the server; what it stored stays in its folder."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _serve(folder: Path, listener: socket.socket) -> None:
    """Runs the server on a listening socket until it is told to end or its parent is gone."""
    import uvicorn
    from sekmet.config import Settings, SimulatorSettings
    from sekmet.main import create_app

    host, port = listener.getsockname()
    settings = Settings(
        base_url=f"http://{host}:{port}/fhir",
        data_dir=str(folder),
        own_private_key_path=str(folder / "ehr.pem"),
        facility_name="Demo hospital",
        # Its simulated departments would answer our orders with reports of their own.
        simulator=SimulatorSettings(enabled=False),
        log_inbound=False,
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))

    def end_with_parent() -> None:
        # The parent holds the other end of the pipe: it closes when the parent ends, however
        # that comes about.
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
    # Not sys.exit: sekmet's threads would first try to deliver notifications to the dead.
    os._exit(0)

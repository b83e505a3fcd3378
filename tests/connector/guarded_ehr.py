"""sekmet-fhir with its authorization on: SMART backend services, as a hospital's EHR has it."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml


@dataclass(frozen=True)
class GuardedEhr:
    base_url: str
    token_url: str


@contextmanager
def guarded_ehr(
    folder: Path, clients: list[dict[str, Any]], token_lifetime_s: int
) -> Iterator[GuardedEhr]:
    """A server in a process of its own that lets in who is registered.

    Args:
        folder: holds its database.
        clients: as ``{"client_id": …, "jwks": …, "scopes": …}``.
        token_lifetime_s: of the tokens that it gives.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        root = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = {
            "base_url": f"{root}/fhir",
            "data_dir": str(folder),
            "own_private_key_path": str(folder / "ehr.pem"),
            "simulator": {"enabled": False},
            "log_inbound": False,
            "server_auth": {
                "types": ["smart"],
                "smart_clients": clients,
                "token_lifetime": token_lifetime_s,
            },
        }
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        server = subprocess.Popen(
            [sys.executable, __file__, str(folder / "settings.yaml"), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    try:
        with httpx.Client(timeout=120, trust_env=False) as http:
            http.get(f"{root}/fhir/metadata").raise_for_status()
        yield GuardedEhr(f"{root}/fhir", f"{root}/auth/token")
    finally:
        server.kill()
        server.wait()


def _serve(settings: Path, listener: socket.socket) -> None:
    import uvicorn
    from sekmet.config import load_settings
    from sekmet.main import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(load_settings(str(settings)))))
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _end_with_parent(server: Any) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))

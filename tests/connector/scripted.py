"""An HTTP server on a real socket that answers as a test scripts it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the scripted server sends; ``cut_after`` closes the connection after so many bytes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


@dataclass
class ScriptedServer:
    """Answers each request as ``script`` says, and keeps what it was asked."""

    origin: str
    script: Callable[[Request], Answer]
    requests: list[Request]

    @property
    def base_url(self) -> str:
        return f"{self.origin}/fhir"

    def answers(self, *answers: Answer) -> None:
        """Gives these answers in turn, the last one for ever."""
        waiting = list(answers)
        self.script = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def make_server() -> tuple[ScriptedServer, ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body are two writes: the body would wait for the first one's receipt.
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = Request(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            scripted.requests.append(request)
            answer = scripted.script(request)
            self.send_response_only(answer.status)
            if "Date" not in answer.headers:
                self.send_header("Date", self.date_time_string())
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.cut_after is not None:
                self.close_connection = True
            self.end_headers()
            with suppress(BrokenPipeError):  # whoever asked may be no more
                self.wfile.write(answer.body[: answer.cut_after])

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 http.server's names

        def log_message(self, *_: object) -> None:
            """Quiet: a test's output is for what the test says."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # a connection may outlive the test that opened it
    host, port = server.server_address[:2]
    scripted = ScriptedServer(f"http://{host!s}:{port}", lambda _: Answer(500), [])
    return scripted, server

"""A model's server on a real socket, in the shapes of vLLM's chat completions."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends; ``cut_after`` closes the connection after so many bytes."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    hangs: bool = False


Script = Callable[["Asked"], Reply]


@dataclass(frozen=True)
class Asked:
    """One request for a chat completion, and the how-manieth it was."""

    number: int
    payload: dict[str, Any]
    headers: dict[str, str]

    @property
    def texts(self) -> list[str]:
        return [part["text"] for part in self._parts if part["type"] == "text"]

    @property
    def images(self) -> list[str]:
        return [part["image_url"]["url"] for part in self._parts if part["type"] == "image_url"]

    @property
    def _parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.payload["messages"][1]["content"]
        return parts


@dataclass
class ModelServer:
    """Answers as ``script`` says, and keeps what it was asked."""

    address: str
    script: Script
    models: list[str] = field(default_factory=lambda: ["sleepvlm"])
    asked: list[Asked] = field(default_factory=list)
    most_at_a_time: int = 0
    released: threading.Event = field(default_factory=threading.Event)


def completion(text: str, tokens: list[tuple[str, dict[str, float]]] | None = None) -> Reply:
    """A chat completion; ``tokens`` are texts with the probability of each alternative."""
    written = [
        {
            "token": token,
            "logprob": log(alternatives[token]),
            "bytes": list(token.encode()),
            "top_logprobs": [
                {"token": other, "logprob": log(p), "bytes": list(other.encode())}
                for other, p in alternatives.items()
            ],
        }
        for token, alternatives in tokens or ()
    ]
    return Reply(
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "sleepvlm",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text, "refusal": None},
                        "logprobs": {"content": written} if tokens is not None else None,
                        "finish_reason": "stop",
                        "stop_reason": None,
                    }
                ],
                "usage": {"prompt_tokens": 3000, "completion_tokens": 200, "total_tokens": 3200},
                "prompt_logprobs": None,
            }
        ).encode()
    )


def scoring(stage: str = "N2", rules: tuple[str, ...] = ("N2.1",), text: str = "Spindle.") -> str:
    return json.dumps(
        {"reasoning_text": text, "applicable_rules": list(rules), "sleep_stage": stage}
    )


def error(status: int, **headers: str) -> Reply:
    body = {"error": {"message": "broken", "type": "Error", "param": None, "code": status}}
    return Reply(
        json.dumps(body).encode(), status, {k.replace("_", "-"): v for k, v in headers.items()}
    )


@contextmanager
def model_server(script: Script) -> Iterator[ModelServer]:
    lock = threading.Lock()
    under_way = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            models = [
                {"id": name, "object": "model", "owned_by": "vllm", "max_model_len": 5000}
                for name in server.models
            ]
            self.send(Reply(json.dumps({"object": "list", "data": models}).encode()))

        def do_POST(self) -> None:
            nonlocal under_way
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                under_way += 1
                server.most_at_a_time = max(server.most_at_a_time, under_way)
                asked = Asked(len(server.asked), payload, dict(self.headers.items()))
                server.asked.append(asked)
            reply = server.script(asked)
            with lock:
                under_way -= 1
            self.send(reply)

        def send(self, reply: Reply) -> None:
            if reply.hangs:
                server.released.wait(30)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_after])
            if reply.cut_after is not None:
                self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the client went away, as some tests have it do
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet: a test's output is for what the test says."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    httpd = Server(("127.0.0.1", 0), Handler)
    server = ModelServer(f"http://127.0.0.1:{httpd.server_address[1]}/v1", script)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()

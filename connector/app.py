"""The service's web side: the EHR's notifications come in, physicians' pages go out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from auditor.errors import ServerFailed, os_reason
from connector.cds_hooks import SERVICES
from connector.event_numbers import EventNumbers
from connector.hooks import HOOK, Listener, hook_routes
from connector.mount import Desk, mount_desk
from connector.pages import problem_page
from connector.workflow import NotRunning

# Whose answers programs read: what is wrong is told them as text, and not as a page.
_FOR_PROGRAMS = (HOOK, SERVICES, "/healthz", "/readyz", "/metrics")

# Whoever asks more slowly than this when the service is told to stop gets no answer.
_LAST_ANSWERS_WITHIN_S = 3

# Measured: a worker takes a second or two to start, and some more on a busy machine.
_STARTS_WITHIN_S = 5

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    desk: Desk,
    take_hint: Callable[[str | None], None],
    secret: str,
    *more: APIRouter,
) -> FastAPI:
    """The web application.

    Args:
        desk: where the studies are reviewed.
        take_hint: told where each notification points; must return at once.
        secret: without it in their Authorization header, notifications are turned away.
        more: what else it serves.
    """
    # The interactive documentation would load its scripts from a public server.
    app = FastAPI(title="somnoaudit", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def add_headers(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(HTTPException)
    def show_problem(request: Request, problem: HTTPException) -> Response:
        if request.url.path.startswith(_FOR_PROGRAMS):
            return PlainTextResponse(f"{problem.detail}\n", problem.status_code, problem.headers)
        sentence = problem.detail if problem.detail.endswith(".") else f"{problem.detail}."
        page = problem_page(problem.status_code, sentence)
        return HTMLResponse(page, problem.status_code, problem.headers)

    @app.exception_handler(NotRunning)
    def ask_later(_request: Request, _problem: NotRunning) -> Response:
        headers = {"Retry-After": str(_STARTS_WITHIN_S)}
        return PlainTextResponse("The service is starting or stopping.\n", 503, headers)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        """Whether this process answers."""
        return {"status": "ok"}

    numbers = EventNumbers(desk.store.sessions)
    app.include_router(hook_routes(Listener(take_hint, numbers), secret))
    for routes in more:
        app.include_router(routes)
    mount_desk(app, desk)
    return app


@contextmanager
def serve(app: FastAPI, host: str, port: int) -> Iterator[str]:
    """Serves the application while the context lasts; gives its address.

    Raises:
        ServerFailed: the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, TypeError) as error:  # the latter where the host's name can be none
            reason = os_reason(error) if isinstance(error, OSError) else "this is no host's name"
            raise ServerFailed(
                f"the service cannot listen on {host} port {port}: {reason}; "
                "choose another host or port"
            ) from None
        # From here on requests wait for the server's thread, and none is refused.
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,  # as all of this process: see connector.logs
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=_LAST_ANSWERS_WITHIN_S,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

"""The hook: the EHR says that something is new. What it says is looked into later."""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.

import hmac
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import Counter
from starlette.exceptions import HTTPException

from connector.bodies import read_body
from connector.event_numbers import EventNumbers
from connector.notifications import NotANotification, Notification, read_notification
from connector.subscriptions import expected_authorization
from connector.trigger import hint_of

HOOK = "/hooks/fhir"

# A notification with one whole DocumentReference has some kilobytes; with ids alone, some
# thousands of them go into this.
_LONGEST_BODY = 1 << 20

_HEARD = Counter("somnoaudit_notifications", "Notifications taken, by their kind.", ["kind"])

_BODY = {
    "requestBody": {
        "content": {"application/fhir+json": {"schema": {"type": "object"}}},
        "description": "Nothing, a resource, or the Bundle of a topic subscription.",
    }
}


class Listener:
    """Turns what a notification says into hints: one at most for what it names, however much.

    Args:
        take_hint: told of each; None is "something new". Must return at once.
        numbers: of the events heard.
    """

    def __init__(self, take_hint: Callable[[str | None], None], numbers: EventNumbers) -> None:
        self._take_hint = take_hint
        self._numbers = numbers

    def hear(self, notification: Notification) -> None:
        """Queues what a notification points at."""
        _HEARD.labels(notification.kind.value).inc()
        missed = self._numbers.missed_before(notification)
        named = [*notification.focuses, *([hint_of(missed)] if missed else [])]
        if named:
            self._take_hint(",".join(named))
        if notification.names_nothing:
            self._take_hint(None)
        self._numbers.note(notification)

    def hear_too_much(self) -> None:
        """Queues a look at all that is new: a notification was too long to be read."""
        self._take_hint(None)


def hook_routes(listener: Listener, secret: str) -> APIRouter:
    """The hook's routes.

    Args:
        listener: told of each notification.
        secret: without it in their Authorization header, notifications are turned away.
    """
    routes = APIRouter()
    expected = expected_authorization(secret).encode()

    # Servers differ: some POST to the endpoint, some PUT the resource beneath it.
    @routes.post(HOOK, status_code=202, response_class=Response, openapi_extra=_BODY)
    @routes.put(
        HOOK + "/{_resource:path}", status_code=202, response_class=Response, openapi_extra=_BODY
    )
    async def notification(request: Request) -> None:
        """The EHR says that something is new."""
        sent = request.headers.get("Authorization", "").encode("latin-1")
        if not hmac.compare_digest(sent, expected):
            raise HTTPException(
                401, "The secret is missing or wrong.", {"WWW-Authenticate": "Bearer"}
            )
        try:
            heard = read_notification(await read_body(request, _LONGEST_BODY))
        except NotANotification as problem:
            raise HTTPException(400, str(problem)) from None
        except HTTPException as problem:
            if problem.status_code == 413:
                await run_in_threadpool(listener.hear_too_much)
            raise
        await run_in_threadpool(listener.hear, heard)

    return routes

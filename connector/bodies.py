"""Bodies that others post to us, read to a limit."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


async def read_body(request: Request, longest: int) -> bytes:
    """The body, if it has no more than ``longest`` bytes.

    Raises:
        HTTPException: 413 where it is longer, 400 where it broke off.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > longest:
                raise HTTPException(413, "The body is too long.")
    except ClientDisconnect:
        raise HTTPException(400, "The body broke off.") from None  # heard by nobody
    return bytes(body)

"""What is done again and again for as long as the service runs, and at once when asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from auditor.errors import SomnoauditError
from connector.database import told_by
from connector.logs import where
from connector.threads import running

log = logging.getLogger("somnoaudit")

# Of a thousand notifications within a second, the first and the last lead to a round.
_PAUSE_S = 1.0


class Rounds:
    """Asked for any number of times while one is under way, one more follows.

    Args:
        every_s: between rounds that nobody asks for.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._asked = threading.Event()
        self._stop = threading.Event()

    def ask(self) -> None:
        """Asks for a round, and returns at once."""
        self._asked.set()

    @contextmanager
    def going(self, *works: Callable[[], None]) -> Iterator[None]:
        """Goes round these while the context lasts; the first time now.

        What fails is said, and does not keep the others from being done.
        """
        with running("rounds", lambda: self._run(works), self._stop):
            try:
                yield
            finally:
                self._stop.set()
                self._asked.set()

    def _run(self, works: tuple[Callable[[], None], ...]) -> None:
        while not self._stop.is_set():
            self._asked.clear()
            for work in works:
                self._do(work)
            if not self._stop.wait(_PAUSE_S):
                self._asked.wait(self._every_s)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except SomnoauditError as error:
            self._say("%s", error)
        except DBAPIError as error:
            self._say("the database did not answer (%s)", told_by(error))
        except Exception as error:
            # A defect must not end what finds the studies that all else has lost. Its message
            # may quote a patient's data.
            self._say("looking for studies: %s", where(error))

    def _say(self, sentence: str, *about: object) -> None:
        if not self._stop.is_set():
            log.warning(sentence, *about)

"""What happened at the door -> rows of the audit log; while the warehouse is busy they wait beside the sessions."""

import logging
import threading
from datetime import timedelta
from typing import Any

from dashboard.data import Desk
from pipeline import auditing
from pipeline.errors import SextantError
from pipeline.sign_ins import SignIns

log = logging.getLogger(__name__)
AGAIN = timedelta(seconds=30)


class Teller:
    """The audit of one server's door. Telling is quick; writing may wait for the warehouse, one thread at a time."""

    def __init__(self, sessions: SignIns) -> None:
        self._sessions = sessions
        self._writing = threading.Lock()
        self._later: threading.Timer | None = None

    def tell(self, desk: Desk, action: str, outcome: str, **facts: Any) -> None:
        """Log it and keep the row until it is written; `facts` as in auditing.noted. Never raises."""
        row = auditing.noted(desk.warehouse, action, outcome, now=desk.clock(), **facts)
        if row is None:
            return
        try:
            self._sessions.keep(row["audit_id"], row)
        except SextantError as error:
            log.error("the audit row of %s by %s is lost: %s", action, row["actor"], error)

    def write(self, desk: Desk) -> None:
        """Write what was told, whoever told it; what cannot be written now is tried again after AGAIN."""
        try:
            while self._sessions.kept() and self._writing.acquire(blocking=False):
                try:
                    written = self._written(desk)
                finally:
                    self._writing.release()
                if not written:
                    self._try_later(desk)
                    return
        except SextantError as error:
            log.warning("rows of the audit wait for the warehouse: %s", error)
            self._try_later(desk)

    def _written(self, desk: Desk) -> bool:
        rows = self._sessions.kept()
        written = not rows or auditing.append(desk.warehouse, list(rows.values()))
        if written:
            self._sessions.drop(rows)
        return written

    def _try_later(self, desk: Desk) -> None:
        if self._later is not None and self._later.is_alive():
            return
        self._later = threading.Timer(AGAIN.total_seconds(), self._again, (desk,))
        self._later.daemon = True
        self._later.start()

    def _again(self, desk: Desk) -> None:
        self._later = None
        self.write(desk)

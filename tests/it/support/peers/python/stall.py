"""Stalls a request after the given number of committed write transactions.

`X-Stall-After: 2` and `X-Stall-File: /folder/name`: after the second one `/folder/name.stopped` is
made, and the request goes on once `/folder/name.go` is there.
"""

import os
import threading
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

request = threading.local()


def begin(environ):
    request.left = int(environ.get("HTTP_X_STALL_AFTER", "0"))
    request.file = environ.get("HTTP_X_STALL_FILE")
    request.wrote = False


@event.listens_for(Engine, "before_cursor_execute")
def _statement(_connection, _cursor, statement, *_rest):
    request.wrote = getattr(request, "wrote", False) or statement.startswith("UPDATE")


@event.listens_for(Session, "after_commit")
def _commit(_session):
    if not getattr(request, "wrote", False):
        return
    request.wrote = False
    left = getattr(request, "left", 0)
    request.left = left - 1
    if left == 1:
        open(request.file + ".stopped", "w").close()
        while not os.path.exists(request.file + ".go"):
            time.sleep(0.01)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals that end us become KeyboardInterrupt, but never between making a thing and knowing how to undo it."""

import contextlib
import signal

_held = 0
_pending = None


def _arrived(number, _frame):
    global _pending
    if _held:
        _pending = number
        return
    raise KeyboardInterrupt(signal.Signals(number).name)


def catch():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _arrived)


@contextlib.contextmanager
def held():
    """Signals that arrive meanwhile are raised at the end."""
    global _held, _pending
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if not _held and _pending is not None:
            number, _pending = _pending, None
            raise KeyboardInterrupt(signal.Signals(number).name)

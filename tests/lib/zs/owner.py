# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that undo what they have made, whatever way out is taken."""

import atexit
import sys

from zs import interrupt

_open = []


class Owner:
    """What own() makes is undone by close(), in reverse order, or when the program ends."""

    def __init__(self):
        self.closers = []
        _open.append(self)

    def own(self, make, undo):
        """make(), to be undone by undo(what it returned); a signal meanwhile waits."""
        with interrupt.held():
            thing = make()
            self.closers.append(lambda: undo(thing))
        return thing

    def close(self):
        """Undoes everything in reverse; the first error is raised after all has been tried."""
        first = None
        with interrupt.held():
            while self.closers:
                try:
                    self.closers.pop()()
                except Exception as error:  # pylint: disable=broad-except
                    first = first or error
                    print(f"closing {type(self).__name__}: {error}", file=sys.stderr)
            if self in _open:
                _open.remove(self)
        if first:
            raise first


@atexit.register
def close_all():
    """For the ways out that pass no close(): a signal, an error while building."""
    for owner in list(_open):
        try:
            owner.close()
        except Exception:  # pylint: disable=broad-except
            pass

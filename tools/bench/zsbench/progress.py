# SPDX-License-Identifier: GPL-2.0-or-later
"""How far it is: a bar that is redrawn on a terminal, a line per case otherwise."""

import sys
import time

WIDTH = 30


class Progress:
    """`total` steps in all; step() after each, say() for what is to stay."""

    def __init__(self, total, out=sys.stderr):
        self.total, self.out, self.done = total, out, 0
        self.began = time.monotonic()
        self.live = out.isatty()

    def _draw(self, text):
        share = min(1.0, self.done / max(1, self.total))
        spent = time.monotonic() - self.began
        left = f"{spent / share - spent:4.0f} s left" if self.done else "          "
        bar = "#" * int(share * WIDTH)
        self.out.write(f"\r\033[K  [{bar:<{WIDTH}}] {share:4.0%} {left}  {text[:70]}")
        self.out.flush()

    def at(self, text):
        """What is done now."""
        if self.live:
            self._draw(text)

    def step(self, count=1):
        self.done += count

    def say(self, text):
        if self.live:
            self.out.write("\r\033[K")
        self.out.write(f"  {text}\n" if self.live else f"  {time.monotonic() - self.began:6.1f} s  {text}\n")
        self.out.flush()

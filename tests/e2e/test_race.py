# SPDX-License-Identifier: GPL-2.0-or-later
"""Purges of every kind, writes, refreshes and hits at once on the same keys, from many connections: no response is
older than the last purge or successful write of its key that had returned before the request was sent.

Each response says which URL it is for, when it was made (CLOCK_MONOTONIC, as here) and of which version. Some of the
keys are slow: made before they are sent, so that purges and writes fall between. Lifetimes are such that the agent
refreshes ahead. The quiet keys are left alone until about then; a hunter purges them or writes while they are fetched.

ZS_RACE_SECONDS=60 for the full run; 20 seconds if it is not set.
"""

import dataclasses
import os
import random
import threading
import time
from collections import Counter
from typing import Callable

from zs import suite
from zs.load import Load

SECONDS = float(os.environ.get("ZS_RACE_SECONDS", "20"))
CONNECTIONS, PURGERS = 16, 2
KEYS, TENS = 100, 10
LIFETIME = 10   # seconds; the least that is refreshed ahead
QUIET = 2       # every second key is quiet
SLOW_MS, QUIET_MS = 30, 400  # what reading slow and quiet keys takes
HUNT = 8.6, 9.8  # seconds of a quiet key's life in which it is refreshed, or just was
PURGE_PAUSE = 0.12  # seconds between two purges of one purger


def quiet(number):
    return number % QUIET == 1


def target(number):
    slow = f"&lag={QUIET_MS if quiet(number) else SLOW_MS if number % 3 == 0 else 0}"
    return (f"/app/race/{number // TENS}/{number}?cc=max-age%3D{LIFETIME}&size=400"
            f"&tags=digit{number % TENS}+all{slow}")


TARGETS = [target(number) for number in range(KEYS)]


@dataclasses.dataclass
class Kind:
    """One way to purge: how often, its words for a key, and which keys it voids."""
    name: str
    weight: int  # 0: wide, voids quiet keys, too
    words: Callable
    keys: Callable = lambda number: [number]


ALL = range(KEYS)
KINDS = [
    Kind("url", 20, lambda base, number: ["--url", base + TARGETS[number]]),
    Kind("soft url", 4, lambda base, number: ["--soft", "--url", base + TARGETS[number]]),
    Kind("prefix of one", 4, lambda base, number: ["--prefix", base + TARGETS[number][:-1]]),
    Kind("prefix of ten", 0, lambda base, number: ["--prefix", f"{base}/app/race/{number // TENS}/"],
         lambda number: range(number // TENS * TENS, number // TENS * TENS + TENS)),
    Kind("tag", 0, lambda base, number: ["--tag", f"digit{number % TENS}"], lambda number: ALL[number % TENS::TENS]),
    Kind("tag of all", 0, lambda base, number: ["--tag", "all"], lambda number: ALL),
    Kind("host", 0, lambda base, number: ["--host", base.partition("//")[2]], lambda number: ALL),
    Kind("all", 0, lambda base, number: ["--all"], lambda number: ALL),
]
# Wide purges come together, at these moments of each period (seconds), so that there is time for refreshes between.
PERIOD, WIDE = 16.0, (0.5, 1.5)


class Floors:
    """For each key, what a response must not be older than."""

    def __init__(self):
        self.lock = threading.Lock()
        self.made = [0.0] * KEYS
        self.version = [0] * KEYS

    def get(self, number):
        with self.lock:
            return self.made[number], self.version[number]

    def purged(self, numbers, began):
        with self.lock:
            for number in numbers:
                self.made[number] = max(self.made[number], began)

    def written(self, number, version, began):
        with self.lock:
            self.made[number] = max(self.made[number], began)
            self.version[number] = max(self.version[number], version)


class Race(suite.Case):
    def setUp(self):
        self.floors = Floors()
        self.lock = threading.Lock()
        self.count = Counter()
        self.newest = [0.0] * KEYS  # when what was read last was made
        self.errors = []
        self.ending = threading.Event()

    def read(self, client, number):
        """A GET. Whatever had returned before it was sent, it must show."""
        made, version = self.floors.get(number)
        sent = time.monotonic()
        response = client.request("GET", TARGETS[number])
        told = response.told
        note = (f"{TARGETS[number]}: sent {sent:.6f}, not before {made:.6f} nor version {version}; hit {response.hit}, "
                f"{response.fields} {told}")
        assert response.status == 200 and told["target"] == TARGETS[number], note
        assert float(told["made"]) >= made, f"older than a purge or a write: {note}"
        assert int(told["version"]) >= version, f"older than a write: {note}"
        assert sent - float(told["made"]) < LIFETIME + 0.02, f"no longer fresh: {note}"
        with self.lock:
            self.newest[number] = max(self.newest[number], float(told["made"]))
            self.count["hits" if response.hit else "misses"] += 1

    def write(self, client, number, method, status):
        began = time.monotonic()
        response = client.request(method, TARGETS[number], [("X-Status", status)], b"new")
        assert response.status == status, response
        if status < 400:
            self.floors.written(number, int(response.told["version"]), began)
        with self.lock:
            self.count["writes" if status < 400 else "failed writes"] += 1

    def visit(self, client, dice, _number):
        number = dice.randrange(KEYS)
        if not quiet(number) and dice.random() < 0.02:
            self.write(client, number, dice.choice(("POST", "PUT", "DELETE")), dice.choice((200, 201, 303, 403, 500)))
            self.read(client, number)
        else:
            self.read(client, number)

    def purge(self, kind, number):
        began = time.monotonic()
        self.zs.do("purge", *kind.words(self.world.caddy.url, number))
        self.floors.purged(kind.keys(number), began)
        with self.lock:
            self.count[f"purges by {kind.name}"] += 1

    def purger(self, seed):
        dice, start = random.Random(seed), time.monotonic()
        try:
            while not self.ending.wait(PURGE_PAUSE):
                number = dice.randrange(KEYS)
                if WIDE[0] <= (time.monotonic() - start) % PERIOD < WIDE[1]:
                    self.purge(self.rarest(dice), number)
                elif not quiet(number):
                    self.purge(dice.choices(KINDS, [kind.weight for kind in KINDS])[0], number)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))

    def hunter(self):
        """Meets quiet keys at a moment about which they are refreshed."""
        dice, client, due = random.Random(0), self.http1(), {}
        try:
            while not self.ending.wait(0.01):
                now = time.monotonic()
                for number in filter(quiet, range(KEYS)):
                    made = self.newest[number]
                    moment = due.setdefault((number, made), made + dice.uniform(*HUNT))
                    if not moment - 0.05 < now < moment + 0.05:
                        continue
                    due[number, made] = 0.0
                    if dice.random() < 0.1:
                        self.purge(KINDS[0], number)
                    elif dice.random() < 0.6:
                        self.write(client, number, "POST", 200)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))

    def rarest(self, dice):
        """One of the wide kinds that was done least."""
        wide = [kind for kind in KINDS if not kind.weight]
        least = min(self.count[f"purges by {kind.name}"] for kind in wide)
        return dice.choice([kind for kind in wide if self.count[f"purges by {kind.name}"] == least])

    def run_race(self):
        purgers = [threading.Thread(target=self.purger, args=(seed,), daemon=True) for seed in range(PURGERS)]
        purgers.append(threading.Thread(target=self.hunter, daemon=True))
        load = Load(self.world.caddy, self.visit, connections=CONNECTIONS)
        for thread in purgers:
            thread.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not load.failed() and not self.errors:
            time.sleep(0.1)
        self.ending.set()
        for thread in purgers:
            thread.join(30)
        return load

    def test_nothing_older_than_what_voided_it(self):
        self.run_zs("--record-rate", "1000000", "--fetch-rate", "1000")
        before = self.zs.status()
        self.run_race().stop()
        self.assertEqual(self.errors, [])
        after = self.zs.status()
        self.afterwards()
        self.all_happened(before, after)

    def afterwards(self):
        """With nobody else about: each purge once more, and what it voids is asked for at once."""
        client, dice = self.http1(), random.Random(0)
        for kind in KINDS:
            number = dice.randrange(KEYS)
            self.hit_at_last(client, number)
            self.purge(kind, number)
            for key in dice.sample(kind.keys(number), min(len(kind.keys(number)), TENS)):
                self.read(client, key)

    def hit_at_last(self, client, number):
        """What was purged, written or overtaken while it was recorded is no reason to wait."""
        for _ in range(20):
            if self.get_ok(client, TARGETS[number]).hit:
                return
            time.sleep(0.1)
        self.fail(f"{TARGETS[number]}: not stored again: {self.zs.status()}")

    def all_happened(self, before, after):
        """What the race was about took place, as the kernel and the agent count it."""
        told = f"{dict(self.count)}; {after}"
        for kind in KINDS:
            self.assertGreaterEqual(self.count[f"purges by {kind.name}"], 2, told)
        self.assertGreater(self.count["hits"], self.count["misses"], told)
        for name in ("hits", "misses", "purged", "unsafe", "invalidated", "refresh_asked"):
            self.assertGreater(after["counters"][name] - before["counters"][name], 10, f"{name}: {told}")
        self.assertGreater(after["agent"]["fetches"] - before["agent"]["fetches"], 10, told)
        self.assertGreaterEqual(after["counters"]["invalidated"] - before["counters"]["invalidated"],
                                self.count["writes"], told)
        # whatever overtook a recording: every response could be stored, so no key was held off
        for name in ("impossible", "events_lost", "held_off"):
            self.assertEqual(after["counters"][name], 0, told)
        print(f"note: {dict(sorted(self.count.items()))}, {after['agent']['fetches']} refreshes, "
              f"{after['agent']['recorded_overtaken']} recordings overtaken")


if __name__ == "__main__":
    suite.main()

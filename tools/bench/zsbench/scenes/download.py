# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads of 100 MB through TLS, one at a time: what is too large for a cache must not become slower."""

import json

from zsbench import accounts, load
from zsbench.case import Case
from zsbench.upstreams import LARGE

TOLD = '{"bytes": %{size_download}, "seconds": %{time_total}, "status": %{response_code}}'


class Download(Case):
    def measure(self, arena, contestant, number, plan):
        place = load.Place(arena)
        account = accounts.Accounts(arena, self.parts(arena, contestant))
        told = json.loads(place.run("curl", ["curl", "--silent", "--insecure", "--http1.1", "--output", "/dev/null",
                                             "--write-out", TOLD, place.url(contestant, True) + "/nginx/large"], 60))
        spent = account.difference()
        if told["status"] != 200 or told["bytes"] != LARGE:
            raise RuntimeError(f"{contestant.title}: the download ended with {told}")
        megabytes = LARGE / 1e6
        servers = sum(value for name, value in spent.items() if name.startswith("cpu_") and name != "cpu_client")
        return {"others": accounts.others_share(spent), "megabytes_per_s": round(megabytes / told["seconds"], 1),
                "cpu_us_server_per_mb": round(servers / megabytes, 1),
                "cpu_us_machine_per_mb": round(spent["machine"] / megabytes, 1)}


def cases(plan):
    contestants = ["caddy", "caddy-control", "caddy-zeroserve"] + ([] if plan.quick else ["caddy-unix"])
    yield Download("download", "100mb", "100 MB through TLS, upstream nginx", contestants, upstream="nginx", size=LARGE)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenes, in the order they are played. Each module's cases(plan) lists its cases.

A new scene is a file here and its name in this table. What spoils caches or judgement for the others comes late.
"""

from zsbench.scenes import client_hop, download, idle, misses, mixed, upstream_hop

SCENES = {
    "upstream-hop": upstream_hop,
    "client-hop": client_hop,
    "mixed": mixed,
    "download": download,
    "misses": misses,
    "idle": idle,
}

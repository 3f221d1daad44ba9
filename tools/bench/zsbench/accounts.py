# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run has cost: CPU time by cgroup and by CPU, context switches, memory."""

import os
from pathlib import Path

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def _busy_us():
    """CPU time spent on anything but idling and waiting, by CPU number, in microseconds; and switches so far."""
    busy, switches = {}, 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[0] == "ctxt":
            switches = int(words[1])
        elif words[0].startswith("cpu") and words[0] != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, words[1:8])
            busy[int(words[0][3:])] = (user + nice + system + irq + softirq) * TICK_US
    return busy, switches


def _switches(pid):
    """Context switches of every thread of a process so far; 0 if it is gone."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            total += sum(int(line.split()[1]) for line in task.read_text().splitlines() if "ctxt_switches" in line)
        except OSError:
            pass
    return total


def _others_us(ours):
    """CPU time so far of each process that is not ours, kernel threads left out, with that of the children it has
    reaped: compilers, for instance, that came and went."""
    used = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in ours:
            continue
        try:
            words = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if words[1] not in ("0", "2"):  # parents of kernel threads, and of init
            used[entry.name] = sum(map(int, words[11:15])) * TICK_US
    return used


class Accounts:
    """Counts from its creation to difference(): `parts` are cgroups by name, one of them "client"."""

    def __init__(self, arena, parts):
        self.arena, self.parts = arena, parts
        self.others = _others_us(self._ours())
        self.before = self._read()

    def _ours(self):
        return {os.getpid()} | {pid for group in self.arena.groups for pid in group.pids()}

    def _read(self):
        busy, switches = _busy_us()
        read = {f"cpu_{part}": group.cpu_us() for part, group in self.parts.items()}
        read["server_cpus"] = sum(busy[cpu] for cpu in self.arena.server_cpus)
        read["machine"] = sum(busy.values())
        read["switches_machine"] = switches
        read["switches_server"] = sum(_switches(pid) for part, group in self.parts.items() if part != "client"
                                      for pid in group.pids())
        return read

    def difference(self):
        after = self._read()
        now = _others_us(self._ours())
        spent = {name: after[name] - self.before[name] for name in after}
        spent["others"] = sum(max(0, used - self.others[pid]) for pid, used in now.items() if pid in self.others)
        return spent


def others_share(spent):
    """Which part of the machine's busy time other processes took."""
    return round(spent["others"] / max(1, spent["machine"]), 4)


def per_request(spent, requests):
    """Figures of a run that made so many requests; microseconds and switches per request."""
    parts = {name: round(value / requests, 3) for name, value in spent.items() if name.startswith("cpu_")}
    everything = sum(spent[name] for name in parts)
    return {
        "cpu_us_server": round((everything - spent["cpu_client"]) / requests, 3),
        "cpu_us_all": round(everything / requests, 3),
        "cpu_us_server_cpus": round(spent["server_cpus"] / requests, 3),
        "cpu_us_machine": round(spent["machine"] / requests, 3),
        "others": others_share(spent),
        "switches_server": round(max(0, spent["switches_server"]) / requests, 3),
        "switches_machine": round(spent["switches_machine"] / requests, 3),
        "parts": parts,
    }


def user_bytes(groups):
    """Memory of all processes in the groups, shared pages divided among their users (PSS)."""
    total = 0
    for group in groups:
        for pid in group.pids():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def kernel_bytes():
    """Memory that the kernel of the whole machine uses for objects, stacks, page tables and TCP buffers.

    Objects are counted one by one: slabs that are kept empty would hide what the next contestant takes.
    """
    total = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.split(":")[0] in ("KernelStack", "PageTables"):
            total += int(line.split()[1]) * 1024
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        _, active, _, size = line.split()[:4]
        total += int(active) * int(size)
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            total += int(line.split()[line.split().index("mem") + 1]) * PAGE
    return total

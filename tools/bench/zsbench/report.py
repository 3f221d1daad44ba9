# SPDX-License-Identifier: GPL-2.0-or-later
"""A record as Markdown and as pictures."""

from zsbench import charts, stats, targets

SCHEMA = "zeroserve-bench/1"
SCENES = {"upstream-hop": "Upstream hop behind TLS: hits", "client-hop": "Client hop, plaintext",
          "mixed": "Mixed traffic", "download": "Downloads of 100 MB", "misses": "Everything misses",
          "idle": "Idle connections"}

# Columns of the tables: heading, figure, what a unit of it is divided by, digits.
COLUMNS = (
    ("requests/s", "requests_per_s", 1, 0), ("MB/s", "megabytes_per_s", 1, 0),
    ("p50 ms", "latency_us_p50", 1000, 2), ("p90 ms", "latency_us_p90", 1000, 2),
    ("p99 ms", "latency_us_p99", 1000, 2), ("p99.9 ms", "latency_us_p999", 1000, 2),
    ("server CPU us", "cpu_us_server", 1, 1), ("all CPU us", "cpu_us_all", 1, 1),
    ("server CPUs busy us", "cpu_us_server_cpus", 1, 1), ("switches", "switches_server", 1, 2),
    ("server CPU us/MB", "cpu_us_server_per_mb", 1, 0), ("machine us/MB", "cpu_us_machine_per_mb", 1, 0),
    ("user B/connection", "user_bytes_per_connection", 1, 0),
    ("kernel B/connection", "kernel_bytes_per_connection", 1, 0),
    ("hits", "hit_share", 0.01, 1), ("client busy", "client_busy", 0.01, 0),
)
BUSY = "cpu_us_server_cpus"  # its ratio is the last column
LEADING = ("requests_per_s", "megabytes_per_s")  # their ratios and quartiles are shown
SPREAD = {"requests_per_s", "megabytes_per_s", "latency_us_p50", "latency_us_p99", "cpu_us_server"}
NEEDED = ("schema", "mode", "complete", "time", "seconds", "kernel", "machine", "versions", "plan", "contestants",
          "left_out", "cases")
CLIENT_BOUND = 0.95  # busier clients measure themselves
# A percentile of fewer requests per round than this is a matter of luck, and is not shown.
SAMPLES = {"latency_us_p99": 200, "latency_us_p999": 2000}


def check(record):
    """RuntimeError if this is not a record that this version can read."""
    if record.get("schema") != SCHEMA:
        raise RuntimeError(f"schema {record.get('schema')!r}, not {SCHEMA}")
    for name in NEEDED:
        if name not in record:
            raise RuntimeError(f"{name} is missing")
    for case in record["cases"]:
        for entry in case["rounds"]:
            if entry["contestant"] not in record["contestants"] or not entry["figures"]:
                raise RuntimeError(f"{case['name']}: a round of nobody, or without figures")


def _number(value, per, digits):
    return f"{value / per:,.{digits}f}"


def _cell(case, name, column):
    _, which, per, digits = column
    told = stats.figure(case, name, which)
    samples = stats.figure(case, name, "latency_samples")
    if told is None or (which in SAMPLES and samples and samples[1] < SAMPLES[which]):
        return "-"
    text = _number(told[1], per, digits)
    if which in SPREAD:
        text += f" ({_number(told[0], per, digits)}–{_number(told[2], per, digits)})"
    return text


def _ratio(case, name, which):
    told = stats.ratio(case, name, which)
    return f"{told[1]:.2f} ({told[0]:.2f}–{told[2]:.2f})" if told else "-"


def _case_table(record, case):
    present = stats.names(case)
    columns = [column for column in COLUMNS
               if any(stats.figure(case, name, column[1]) for name in present)]
    leading = next((which for which in LEADING if any(column[1] == which for column in columns)), None)
    heads = ["contestant"] + [column[0] for column in columns]
    baseline = record["contestants"][present[0]]
    if leading:
        heads.insert(2, f"ratio to {baseline}")
    if any(column[1] == BUSY for column in columns):
        heads.append(f"CPU ratio to {baseline}")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in present:
        cells = [record["contestants"][name]] + [_cell(case, name, column) for column in columns]
        if leading:
            cells.insert(2, _ratio(case, name, leading))
        if len(heads) > len(cells):
            cells.append(_ratio(case, name, BUSY))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _case_notes(record, case):
    notes = []
    if "open_loop_rate" in case["settings"]:
        notes.append(f"Latencies at {case['settings']['open_loop_rate']:,.0f} requests/s, from when each was due.")
    bound = [record["contestants"][name] for name in stats.names(case)
             if (stats.figure(case, name, "client_busy") or (0, 0, 0))[1] >= CLIENT_BOUND]
    if bound:
        notes.append(f"The client was the limit of: {', '.join(bound)}.")
    notes += [f"{record['contestants'][name]} failed: {why.splitlines()[0]}." for name, why in case["failed"].items()]
    repeated = sum(entry["figures"].get("repeated", 0) for entry in case["rounds"])
    if repeated:
        notes.append(f"{repeated} rounds were measured again because other processes used the machine.")
    return notes


def _head(record):
    place, plan = record["machine"], record["plan"]
    lines = [f"# Benchmark, {record['mode']} run of {record['time'][:10]}", "",
             f"{place['cpu']}, {place['cpus']} CPUs{' (virtual)' if place['virtual'] else ''}, {place['memory_mb']:,} MB, "
             f"Linux {record['kernel']}. Clients on CPUs {place['client_cpus']}, servers on {place['server_cpus']}. "
             f"{plan['rounds']} rounds, {plan['seconds']} s as fast as it goes with {plan['connections']} connections, "
             f"{plan['open_seconds']:g} s at a constant rate. The run took {record['seconds']:.0f} s.", "",
             ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".", "",
             "Medians, in brackets first and third quartile; ratios are of rounds. CPU microseconds are per request: "
             "server CPU by the accounts of server, upstream and zs-load; all CPU with the client; server CPUs busy is "
             "whatever the servers' CPUs did, softirq and kernel workers included. Switches are context switches of "
             "server and upstream per request. \"(control)\" is a second, equal Caddy: its distance from 1 is noise."]
    if not record["complete"]:
        lines += ["", "**The run was not completed.**"]
    for name, why in record["left_out"].items():
        lines += ["", f"Left out: {name}, {' '.join(why.split())[-300:]}."]
    return lines


def markdown(record):
    lines, scene = _head(record), None
    lines += ["", "## Targets", "", *targets.table(record)]
    for case in record["cases"]:
        if case["scene"] != scene:
            scene = case["scene"]
            lines += ["", f"## {SCENES.get(scene, scene)}"]
        lines += ["", f"### {case['title']}", ""]
        if stats.names(case):
            lines += _case_table(record, case)
        notes = _case_notes(record, case)
        if notes:
            lines += ["", " ".join(notes)]
    return "\n".join(lines) + "\n"


def write(record, directory):
    """results.md and the pictures into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.md").write_text(markdown(record))
    charts.draw(record, directory)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of a record by gnuplot, as SVG and PNG: throughput, latency, CPU per request."""

import shutil
import subprocess
import sys

from zsbench import stats

# Name of the picture, figure, divisor, label of the axis, whether less is better.
PICTURES = (
    ("throughput", "requests_per_s", 1, "requests/s", False),
    ("latency", "latency_us_p99", 1000, "p99 at the same open-loop rate, ms", True),
    ("cpu", "cpu_us_server_cpus", 1, "busy time of the servers' CPUs per request, us", True),
)
COLOURS = {"caddy": "#8a8f98", "caddy-control": "#c3c7cd", "caddy-unix": "#5c7fa3", "caddy-files": "#a3b8cc",
           "caddy-zeroserve": "#d9541e", "caddy-varnish": "#7a6a9b", "nginx-static": "#2e8b57", "nginx-cache": "#66b88a",
           "haproxy": "#3f6fb5", "varnish": "#9b7fc4", "trafficserver": "#b59a3f"}
PANELS_ACROSS = 2
ONLY_SIZE = 1024


def _panels(record, which):
    """Cases to be drawn: those of 1 KB that have the figure."""
    return [case for case in record["cases"]
            if case["size"] == ONLY_SIZE and any(stats.figure(case, name, which) for name in stats.names(case))]


def _bars(record, case, which, per):
    """Lines of a panel: position, median, quartiles, colour, label."""
    lines = []
    for position, name in enumerate(name for name in reversed(stats.names(case)) if stats.figure(case, name, which)):
        first, middle, third = (value / per for value in stats.figure(case, name, which))
        lines.append(f'{position} {middle:.4f} {first:.4f} {third:.4f} {int(COLOURS.get(name, "#555555")[1:], 16)} '
                     f'"{record["contestants"][name]}"')
    return lines


def _panel(number, case, bars, label):
    name, tallest = f"$panel{number}", max(float(line.split()[3]) for line in bars)
    return ([f"{name} << EOD", *bars, "EOD"], [
        f'set title "{case["title"]}"', f'set xlabel "{label}"', f"set xrange [0:{tallest * 1.12:.4f}]",
        f"set yrange [-0.6:{len(bars) - 0.4}]",
        f'plot {name} using ($2/2):1:($2/2):(0.36):5:yticlabels(6) with boxxyerror fillstyle solid 1.0 noborder '
        'linecolor rgb variable notitle, '
        f'{name} using 2:1:3:4 with xerrorbars linecolor rgb "#222222" pointtype 0 linewidth 1.2 notitle, '
        f'{name} using ($4+{tallest * 0.012:.4f}):1:(sprintf($2 < 100 ? "%.3g" : "%.0f", $2)) '
        'with labels left font ",9" notitle'])


def script(record, picture):
    """gnuplot's commands but for terminal and output; the size in pixels. None if there is nothing to draw."""
    _, which, per, label, less = picture
    panels = _panels(record, which)
    if not panels:
        return None
    data, plots = [], []
    for number, case in enumerate(panels):
        told = _panel(number, case, _bars(record, case, which, per), label + (" (less is better)" if less else ""))
        data += told[0]
        plots += told[1]
    down = -(-len(panels) // PANELS_ACROSS)
    across = min(PANELS_ACROSS, len(panels))
    lines = [*data, f"set multiplot layout {down},{across}", "set border 3", "set termoption noenhanced", "set tics nomirror out", "unset key",
             'set ytics font ",10"', 'set grid xtics linecolor rgb "#dddddd"', "set lmargin 27", "set rmargin 4",
             *plots, "unset multiplot"]
    return lines, (760 * across, 300 * down)


def draw(record, directory):
    """The pictures, each as SVG and PNG. Where gnuplot is missing, says so and draws nothing."""
    if shutil.which("gnuplot") is None:
        print("  gnuplot is missing: no pictures (tools/deps bench installs it)", file=sys.stderr)
        return
    for picture in PICTURES:
        told = script(record, picture)
        if told is None:
            continue
        lines, (wide, high) = told
        for kind, terminal in (("svg", f'svg size {wide},{high} font "sans,11" background "#ffffff"'),
                               ("png", f'pngcairo size {wide},{high} font "sans,11"')):
            text = "\n".join([f"set terminal {terminal}", f'set output "{directory / picture[0]}.{kind}"', *lines]) + "\n"
            done = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                raise RuntimeError(f"gnuplot could not draw {picture[0]}.{kind}: {done.stderr.strip()}")

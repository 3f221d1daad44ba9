# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, quartiles and ratios per round of what a record holds."""

import statistics


def names(case):
    """Contestants that have rounds, in the order they were played."""
    return list(dict.fromkeys(entry["contestant"] for entry in case["rounds"]))


def by_round(case, name, figure):
    """{round: value}; rounds without the figure are absent."""
    return {entry["round"]: entry["figures"][figure] for entry in case["rounds"]
            if entry["contestant"] == name and figure in entry["figures"]}


def spread(values):
    """(first quartile, median, third quartile) of some values, None if there are none."""
    values = sorted(values)
    if not values:
        return None
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, statistics.median(values), third


def figure(case, name, which):
    return spread(by_round(case, name, which).values())


def ratios(case, name, which, baseline=None):
    """Of each round's value to the baseline's in the same round; the baseline is the first contestant."""
    own, other = by_round(case, name, which), by_round(case, baseline or names(case)[0], which)
    return [own[number] / other[number] for number in own if other.get(number)]


def ratio(case, name, which, baseline=None):
    return spread(ratios(case, name, which, baseline))

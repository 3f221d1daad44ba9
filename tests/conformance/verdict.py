# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tier makes of two runs of the suite, one without and one with zeroserve."""

import dataclasses
import json

from cachetests import HERE, PASS, outcome

RUNS = 3  # of a suspicious test in all; the majority counts


@dataclasses.dataclass
class Verdict:
    passed: list       # required tests that pass with zeroserve
    broken: list       # pass without zeroserve, not with it: never excused
    unexplained: list  # do not pass either way, and are not listed
    explained: list    # do not pass either way, and expected.json says why
    obsolete: list     # listed, but pass or are no required test of the suite


def explanations(kind):
    """Test id -> sentence, as expected.json has it for `kind` (required or optimal)."""
    groups = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))[kind]
    return {name: group["why"] for group in groups for name in group["tests"]}


def judge(tests, alone, attached):
    expected = explanations("required")
    verdict = Verdict([], [], [], [], [])
    for name, test in tests.items():
        if test["kind"] != "required":
            continue
        if outcome(tests, attached, name) == PASS:
            verdict.passed.append(name)
        elif outcome(tests, alone, name) == PASS:
            verdict.broken.append(name)
        elif name in expected:
            verdict.explained.append(name)
        else:
            verdict.unexplained.append(name)
    verdict.obsolete = [name for name in expected if name not in verdict.explained + verdict.broken]
    return verdict


def suspicious(tests, alone, attached):
    """Tests whose failing would fail the tier, with everything they depend on."""
    verdict = judge(tests, alone, attached)
    names = set()
    pending = verdict.broken + verdict.unexplained
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            pending += tests[name]["depends_on"]
    return sorted(names)


def majority(results):
    """The raw result that counts: True if most are, else the last that is not."""
    failures = [result for result in results if result is not True]
    return True if len(failures) * 2 < len(results) else failures[-1]

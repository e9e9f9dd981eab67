"""How many planted false claims the checks catch, and how many true ones they lose; writes pocket/CHECKS.md.

`python -m foveate.pocket.checks_report` plants claims about every slice of patient C (never trained on, never
calibrated on) and runs them through the graph with the pocket models. `--calibrate` measures instead, on the
held-out blocks of patients A and B, what each witness is worth, and writes it to tools/checks/trust.toml.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np

import foveate.agent.checks
import foveate.prompts
import foveate.tools.checks
import foveate.tools.grounding
from foveate.agent.checks.level import Level
from foveate.pocket import checks_run
from foveate.pocket import planted as planting
from foveate.pocket.asked import weights_hash
from foveate.pocket.augment import HELD_OUT
from foveate.pocket.checks_calibrate import asked_of, trust_table
from foveate.pocket.checks_run import Outcome, Runner
from foveate.pocket.data import load_patient
from foveate.pocket.planted import KINDS, Planted, planted
from foveate.pocket.scores import interval
from foveate.tools.checks import weigh
from foveate.tools.checks.weigh import TABLE

FOLDER = Path("runs/pocket-checks")
CHECKING = (foveate.agent.checks, foveate.tools.checks, foveate.tools.grounding)
ASKED = ("structure", "box")
"""Kinds of claims that only a witness can refute: on these they are calibrated."""
REPORT = Path(__file__).with_name("CHECKS.md")
NAMES = {
    "structure": "absent structure",
    "side": "wrong side",
    "size": "wrong size",
    "relation": "wrong relation",
    "box": "another structure's box",
}


def measured(
    runner: Runner,
    slices: Sequence[tuple[str, int]],
    each: int,
    level: Level,
    kinds: Sequence[str] = KINDS,
) -> list[Outcome]:
    """The outcomes of all planted claims about some slices."""
    found: list[Outcome] = []
    for patient, index in slices:
        path = FOLDER / f"{_key(patient, index, each, level, kinds)}.json"
        if not path.exists():
            claims = planted(patient, index, each, kinds)
            made = runner.run(claims, level) if claims else []
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps([asdict(row) for row in made]))
        rows = json.loads(path.read_text())
        found += [Outcome(**{**row, "claim": Planted(**row["claim"])}) for row in rows]
    return found


def _key(*told: object) -> str:
    """A cut run goes on; other weights, other worths of the witnesses or other checks begin anew."""
    sources = [path for package in CHECKING for path in sorted(Path(package.__path__[0]).glob("*.py"))]
    sources += sorted(Path(foveate.prompts.__path__[0], "checks").glob("*.toml"))
    sources += [Path(str(module.__file__)) for module in (planting, checks_run)]
    code = sha256(b"".join(path.read_bytes() for path in sources))
    return sha256(f"{told} {weigh.table()} {weights_hash()} {code.hexdigest()}".encode()).hexdigest()[:24]


def _share(rows: Sequence[Outcome]) -> str:
    """Refuted share with its 95 % interval over slices."""
    if not rows:
        return "–"
    by_slice: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_slice[row.claim.slice_index].append(float(row.refuted is not None))
    low, high = interval(by_slice, lambda values: float(np.mean(values)))
    share = np.mean([row.refuted is not None for row in rows])
    return f"{share:.0%} ({low:.0%}–{high:.0%}), n = {len(rows)}"


def lines(found: dict[Level, list[Outcome]]) -> list[str]:
    """The table of the report."""
    out = ["| | " + " | ".join(f"`{level}`" for level in found) + " |", "|---" * (len(found) + 1) + "|"]
    for true, word in ((False, "caught"), (True, "lost")):
        for kind in (*KINDS, ""):
            fits = [
                [r for r in rows if r.claim.true is true and kind in (r.claim.kind, "")]
                for rows in found.values()
            ]
            if not any(fits):
                continue  # what is on the box of something else is never true
            cells = [_share(rows) for rows in fits]
            name = f"true claims, {kind or 'all'}" if true else NAMES.get(kind, "all false claims")
            out.append(f"| {name}: {word} | " + " | ".join(cells) + " |")
    for what in ("model_calls", "grounder_calls"):
        means = (f"{np.mean([getattr(r, what) for r in rows]):.2f}" for rows in found.values())
        out.append(f"| {what.replace('_', ' ')} a claim | " + " | ".join(means) + " |")
    return out


def report_text(found: dict[Level, list[Outcome]], command: str) -> str:
    """pocket/CHECKS.md."""
    trust = re.sub(r"(?m)^(?!$)", "    ", TABLE.read_text(encoding="utf-8")).rstrip()
    return "\n".join(
        [
            "# What the checks catch",
            "",
            f"Made by `{command}`: claims about slices of patient C, planted into answers",
            "and run through the graph with the pocket locator and the pocket model. The labels say what is",
            "true and give the evidence of a true claim; an absent structure is planted on its own place in",
            "the nearest slice that shows it, or on the box of something else. Intervals: 95 %, bootstrap",
            "over slices of one patient.",
            "",
            *lines(found),
            "",
            "## What each witness is worth",
            "",
            "Measured on the held-out blocks of patients A and B by `--calibrate`, never on C. A witness",
            "whose answers are worth no more than chance is not asked: it would cost calls and decide",
            "nothing. The grounder's three answers: it does not see the structure in the crop of the",
            "evidence (`missing`), it sees it there, but what it marks hardly overlaps the box",
            "(`elsewhere`), or it fits (`found`).",
            *_of_the_model(),
            "The twin question is left out for the pocket model, which was taught such questions only of",
            "relations, and these the geometry decides before.",
            "",
            trust,
            "",
            "## What this does not show",
            "",
            "- Sides, sizes and relations are caught by geometry: they hold against the claim's own box,",
            "  whatever that box shows. That it shows what the claim names is the grounder's word alone.",
            "- Evidence of true claims is the label's own box; of those called loose, that box with each",
            "  edge off by up to a quarter of its side. A box that is much too large counts as `elsewhere`:",
            "  at an overlap below the one above, a true claim on it is lost.",
            "- The claims are written from templates (prompts/pocket/claims.json). Words that the reader of",
            "  claims does not know are left unjudged, so other wordings are caught less often.",
            "- One patient, 40 mm of upper abdomen; labels by TotalSegmentator, not by people.",
            "",
        ]
    )


def _of_the_model() -> list[str]:
    """Whether the pocket model's look at the evidence alone counts."""
    if weigh.trust_in("pocket", "pocket").asks("crop"):
        return ["The pocket model is shown the same crop (`crop`)."]
    return [
        "**The pocket model as a witness is worthless**: shown the crop alone, it says to true and to false",
        "claims the same (counts below), and to most questions neither yes nor no. It has no weight.",
    ]


def calibrated(each: int, crops: int, command: str) -> str:
    """trust.toml, measured; the model, which is slow, is asked on every `crops`-th slice, on none with 0.
    `command` is what measured it."""
    slices = [(name, i) for name, first, last in HELD_OUT for i in range(first, last + 1)]
    with asked_of(("presence",)):
        scored = measured(Runner(), slices, each, "full", ASKED)
    with asked_of(("crop",)):  # an agent keeps the witnesses that it was made with: another runner
        voted = measured(Runner(), slices[::crops], each, "full", ASKED) if crops else []
    return trust_table(scored, voted, command)


def reported(every: int, each: int, command: str, dry: bool) -> None:
    """Measures on patient C, writes the report unless `dry`, and prints what went wrong."""
    runner, results = Runner(), dict[Level, list[Outcome]]()
    slices = [("C", i) for i in range(0, load_patient("C").hu.shape[0], every)]
    levels: tuple[Level, ...] = ("basic", "full")
    for level in levels:
        results[level] = measured(runner, slices, each, level)
    text = report_text(results, command)
    print(text)
    if not dry:
        REPORT.write_text(text, encoding="utf-8")
    for row in results["full"]:
        if (row.refuted is not None) is row.claim.true:
            print("wrong:", row.claim.kind, row.claim.true, row.claim.slice_index, row.claim.text, row.scores)


def main() -> None:
    """Measures and writes, or calibrates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="report on every n-th slice")
    parser.add_argument("--each", type=int, default=4, help="claims of a kind and truth on a slice, at most")
    parser.add_argument("--crops", type=int, default=3, help="ask the model on every n-th held-out slice")
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    options = parser.parse_args()
    command = "python -m foveate.pocket.checks_report"
    if options.calibrate:
        command += f" --calibrate --each {options.each} --crops {options.crops}"
        text = calibrated(options.each, options.crops, command)
        print(text)
        if not options.dry:
            TABLE.write_text(text, encoding="utf-8")
        return
    reported(
        options.every, options.each, f"{command} --every {options.every} --each {options.each}", options.dry
    )


if __name__ == "__main__":
    main()

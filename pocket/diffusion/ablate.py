"""Chooses `fast` for pocket-diffusion on patients A and B and writes ABLATION.md: `python -m
foveate.pocket.diffusion.ablate`.

One setting after the other, each at its best value so far, on cuts through the held-out blocks; then the
chosen recipe and its competitors on other cuts through the same blocks. Never patient C. Cached like the
report.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from foveate.pocket.diffusion.cases import centre_gaussian, held_out_cases, location_prior
from foveate.pocket.diffusion.measure import Case, Method, Row, macro, recipe_hash, run, weights_hash
from foveate.pocket.diffusion.report import BASELINES, method_of, recipes
from foveate.pocket.diffusion.train import RUN, WEIGHTS
from foveate.tools.grounding.diffusion.load import load_denoiser
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe

ABLATION = Path(__file__).with_name("ABLATION.md")
METRICS = ("miou_heat", "cnr", "auc", "pointing")
HEADERS = {"miou_heat": "mIoU", "cnr": "CNR", "auc": "AUC", "pointing": "pointing"}
Change = dict[str, Any]
# name of the setting → the values tried, as changes to the recipe so far; the simplest and cheapest first
AXES: tuple[tuple[str, tuple[Change, ...]], ...] = (
    ("queries", ({"queries": "shared"}, {"queries": "own"})),
    ("timesteps", tuple({"times": t} for t in (
        (0.05,), (0.1,), (0.2,), (0.3,), (0.4,), (0.5,), (0.7,), (0.05, 0.2), (0.1, 0.3), (0.2, 0.4),
    ))),
    ("layers (grid sides)", tuple({"sides": s} for s in (
        (4,), (8,), (16,), (4, 8), (8, 16), (4, 8, 16),
    ))),
    ("propagation by self-attention", tuple({"propagate": p, "propagate_mix": m} for p, m in (
        ((), 1.0), (((8, 1),), 0.5), (((8, 1),), 1.0),
        (((16, 1),), 0.25), (((16, 1),), 0.5), (((16, 1),), 1.0),
    ))),
    ("template", tuple({"template": t} for t in ("{phrase}", "ct slice with {phrase}", "bright {phrase}"))),
    ("tokens", (
        *({"tokens": "content", "location": "apart", "location_weight": w} for w in (0.25, 1.0)),
        {"tokens": "content", "location": "same"}, {"tokens": "content", "location": "dropped"},
        {"tokens": "all", "location": "same"},
    )),
    ("contrast", tuple({"contrast": c, "contrast_weight": w} for c, w in (
        ((), 0.0), (("",), 0.5), (("",), 1.0), (("nothing found",), 0.5), (("nothing found",), 1.0),
        (("nothing found", "body"), 0.5), (("nothing found", "body"), 1.0),
    ))),
    ("normalise", tuple({"normalise": n} for n in ("none", "mean", "minmax"))),
    ("fusing layers", tuple({"fuse": f} for f in ("mean", "product"))),
    ("power of the map", tuple({"power": p} for p in (1.0, 1.5, 2.0, 3.0))),
    ("change of predicted noise", tuple({"difference": d, "difference_weight": w} for d, w in (
        ("none", 0.0), ("magnitude", 0.25), ("magnitude", 0.5), ("gain", 0.25), ("gain", 0.5),
    ))),
    ("noised latents", tuple({"latents": n, "antithetic": a} for n, a in (
        (1, False), (2, True), (2, False), (4, True), (4, False), (8, True),
    ))),
)  # fmt: skip
TIE = 0.003
"""What a dearer value must win by: less is chance on so few pictures."""


def score(rows: Sequence[Row]) -> float:
    """What is maximised: mIoU over thresholds, with AUC and pointing as lesser parts of it."""
    return macro(rows, "miou_heat") + 0.25 * macro(rows, "auc") + 0.25 * macro(rows, "pointing")


class Search:
    """Coordinate search over `AXES` on one set of cases; every result is cached."""

    def __init__(self, denoiser: Denoiser, cases: Sequence[Case], kept: Path, stamp: str) -> None:
        self.denoiser, self.cases, self.kept, self.stamp = denoiser, cases, kept, stamp

    def rows(self, recipe: Recipe) -> list[Row]:
        name = f"{self.stamp} {recipe_hash(replace(recipe, name='fast'))}"
        return run(self.cases, {name: method_of(recipe, self.denoiser)}, self.kept, _silent, METRICS)

    def baseline(self, name: str, method: Method) -> list[Row]:
        return run(self.cases, {name: method}, self.kept, _silent, METRICS)

    def best(self, start: Recipe, most_rows: int) -> tuple[Recipe, list[str]]:
        """The chosen recipe and the lines of the table; no more than `most_rows` latents."""
        recipe, lines = start, []
        for axis, changes in AXES:
            able = [c for c in changes if c.get("latents", 0) <= most_rows]
            tried = [(change, self.rows(replace(recipe, **change))) for change in able]
            most = max(score(rows) for _, rows in tried)
            chosen = next(change for change, rows in tried if score(rows) >= most - TIE)
            for change, rows in tried:
                mark = "**chosen**" if change is chosen else ""
                lines.append(f"| {axis} | {_told(change)} | {_cells(rows)} | {mark} |")
            recipe = replace(recipe, **chosen)
            print(f"{axis}: {_told(chosen)}", flush=True)
        return recipe, lines


def _silent(_line: str) -> None:
    """A search tells one line a setting, not one a recipe."""


def _told(change: Change) -> str:
    return ", ".join(f"{key} {value}" for key, value in change.items()).replace("|", "/")


def _cells(rows: Sequence[Row]) -> str:
    return " | ".join(f"{macro(rows, m):.3f}" for m in METRICS)


def ablation_text(
    lines: list[str], chosen: Recipe, checked: list[str], counts: tuple[int, int], stamp: str
) -> str:
    """The whole table."""
    head = f"| {' | '.join(HEADERS[m] for m in METRICS)} |"
    rule = "---|" * len(METRICS)
    shipped = load_recipe("fast")
    fields = sorted({key for _, changes in AXES for change in changes for key in change})
    settings = "\n".join(f"- `{key}`: {getattr(chosen, key)!r}" for key in fields)
    differing = [key for key in fields if getattr(chosen, key) != getattr(shipped, key)]
    verdict = f"The shipped `fast` differs in: {', '.join(differing)}." if differing else "`fast` ships so."
    return f"""# How `fast` was chosen for pocket-diffusion

Made by `python -m foveate.pocket.diffusion.ablate` (weights {stamp}) on {counts[0]} mildly warped cuts
through blocks of patients A and B that were never trained on; never on patient C. One setting after the
other, in this order, the others as chosen so far; what is maximised is mIoU over thresholds + AUC / 4 +
pointing / 4 (macro means over structures, truth: the labels' pixels). Of values within {TIE} of the best, the
first in the table, which is the simplest and cheapest, is chosen.

| setting | value {head} |
|---|---|{rule}---|
{chr(10).join(lines)}

## The choice

{settings}

{verdict}

## On {counts[1]} other cuts through the same blocks

| method {head}
|---|{rule}
{chr(10).join(checked)}

The blocks are neighbours of slices that were trained on, so these figures are above what another patient
would give; they serve to choose, not to report.
"""


def main() -> None:
    """Searches, checks, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--checked", type=int, default=6)
    parser.add_argument("--most", type=int, default=8, help="most noised latents of an image")
    parser.add_argument("--threads", type=int, default=1)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    denoiser, stamp = load_denoiser(str(told.weights), "cpu"), weights_hash(told.weights)
    kept = RUN / "ablation.jsonl"
    search = Search(denoiser, held_out_cases(told.pictures), kept, stamp)
    chosen, lines = search.best(load_recipe("fast"), told.most)
    check = Search(denoiser, held_out_cases(told.checked, first=1000), kept, stamp)
    others = {name: recipe for name, recipe in recipes().items() if name != "fast"}
    checked = [f"| {name} | {_cells(check.rows(recipe))} |" for name, recipe in others.items()]
    checked.insert(0, f"| fast, as chosen | {_cells(check.rows(chosen))} |")
    for name, method in zip(BASELINES, (centre_gaussian, location_prior), strict=True):
        checked.append(f"| {name} | {_cells(check.baseline(name, method))} |")
    counts = (told.pictures, told.checked)
    ABLATION.write_text(ablation_text(lines, chosen, checked, counts, stamp))
    print("\n".join(checked))


if __name__ == "__main__":
    main()

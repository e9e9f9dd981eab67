"""Calibrates a presence score of `fast` on patients A and B: `python -m
foveate.pocket.diffusion.calibrate`.

Cuts through the held-out blocks, each asked for structures that it shows and for as many that it does
not. Of the scores the one that parts them better is kept; its fit goes to presence.json beside the weights,
where the grounder finds it. Never patient C.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from foveate.pocket.anatomy import LESION, structures
from foveate.pocket.diffusion.cases import held_out_cases
from foveate.pocket.diffusion.measure import Case
from foveate.pocket.diffusion.train import WEIGHTS
from foveate.tools.grounding.diffusion.load import load_denoiser
from foveate.tools.grounding.diffusion.locate import locate
from foveate.tools.grounding.diffusion.presence import ScoreOf, calibrate, save_calibrations
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe

SCORES: tuple[ScoreOf, ...] = ("noise", "attention")


def asked(case: Case, rng: np.random.Generator) -> tuple[list[str], list[bool]]:
    """The names on a picture and as many that are not on it, and which are which."""
    every = [s.name for s in structures() if s.kind != "several" and s.name != LESION]
    here = list(case.masks)
    missing = [name for name in every if name not in case.masks]
    absent = [str(n) for n in rng.choice(missing, min(len(here), len(missing)), replace=False)]
    return [*here, *absent], [True] * len(here) + [False] * len(absent)


def scores(cases: list[Case], recipe: Recipe, denoiser: Denoiser) -> tuple[list[float], list[bool]]:
    """Presence score and truth of every question."""
    found: list[float] = []
    truth: list[bool] = []
    for n, case in enumerate(cases):
        names, present = asked(case, np.random.default_rng(n))
        located = locate(case.grey, names, recipe, denoiser)
        assert located.presence is not None
        found.extend(float(v) for v in located.presence)
        truth.extend(present)
    return found, truth


def main() -> None:
    """Fits and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    cases, denoiser = held_out_cases(told.pictures, seed=78), load_denoiser(str(told.weights), "cpu")
    fitted = []
    for kind in SCORES:
        found, truth = scores(cases, replace(load_recipe("fast"), presence=kind), denoiser)
        fitted.append(calibrate("fast", kind, np.array(found), np.array(truth)))
        print(fitted[-1], flush=True)
    save_calibrations(told.weights, [max(fitted, key=lambda each: each.auc)])


if __name__ == "__main__":
    main()

"""Measures pocket-diffusion on patient C and writes REPORT.md: `python -m
foveate.pocket.diffusion.report`.

Every recipe and two baselines on every slice; results are kept under runs/ by weights and recipe, so a
cut run goes on. Nothing is chosen here: choices are made by `ablate` on patients A and B.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from foveate.pocket.diffusion.cases import case_of_c, centre_gaussian, location_prior
from foveate.pocket.diffusion.measure import (
    METRICS,
    Case,
    Heat,
    Method,
    Row,
    by_structure,
    macro,
    paired_difference,
    recipe_hash,
    run,
    weights_hash,
)
from foveate.pocket.diffusion.model import load
from foveate.pocket.diffusion.train import RUN, WEIGHTS
from foveate.tools.grounding.diffusion.load import load_denoiser
from foveate.tools.grounding.diffusion.locate import heatmaps
from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.recipes import Recipe, load_recipe

REPORT = Path(__file__).with_name("REPORT.md")
SAMPLES = Path(__file__).with_name("samples.png")
RECIPES = ("fast", "ldm", "ldm-2025", "g2g", "g2g-bbm")
BASELINES = ("centre Gaussian", "location prior")
CAPTIONS = (
    "liver, spleen and stomach", "bright left kidney and dark right kidney", "heart and lungs",
    "lung window: left lung, right lung and lung nodule in the upper left of the image",
    "bone window: hip bones and sacrum",
    "vertebra in the middle of the image",
)  # fmt: skip
HEADERS = {
    "miou_heat": "mIoU over thresholds", "miou_heat_boxes": "the same, boxes",
    "miou_fgbg": "(fg + bg IoU)/2, GMM",
    "cnr": "signed CNR", "auc": "AUC-ROC", "pointing": "pointing",
}  # fmt: skip


def recipes() -> dict[str, Recipe]:
    """The shipped recipes, and `ldm` read at 16² as well: the published layers are 16 x 16, which this
    small UNet has only at its latents' own grid.
    """
    made = {name: load_recipe(name) for name in RECIPES}
    made["ldm, 16²"] = replace(made["ldm"], name="ldm, 16²", layers=(), halvings=(), sides=(16,))
    return made


def method_of(recipe: Recipe, denoiser: Denoiser) -> Method:
    """A recipe as a function from a case to maps; all structures of a picture are asked in one call."""

    def maps(case: Case) -> Heat:
        found: Heat = heatmaps(case.grey, list(case.masks), recipe, denoiser)
        return found

    return maps


def methods(weights: Path) -> dict[str, tuple[str, Method]]:
    """Shown name → (name under which results are kept, method)."""
    denoiser, stamp = load_denoiser(str(weights), "cpu"), weights_hash(weights)
    made = {n: (f"{n} {stamp} {recipe_hash(r)}", method_of(r, denoiser)) for n, r in recipes().items()}
    return {
        **made, BASELINES[0]: (BASELINES[0], centre_gaussian), BASELINES[1]: (BASELINES[1], location_prior),
    }  # fmt: skip


def draw_samples(weights: Path, path: Path, steps: int = 40, guidance: float = 3.0, seed: int = 1) -> None:
    """Two pictures per caption, a column each, as one grey PNG."""
    pipe, columns = load(weights), []
    for caption in CAPTIONS:
        noise = torch.Generator().manual_seed(seed)
        made = pipe(
            caption, num_inference_steps=steps, guidance_scale=guidance, num_images_per_prompt=2,
            generator=noise, output_type="np",
        )  # fmt: skip
        columns.append(np.concatenate([np.asarray(image)[..., 0] for image in made.images], 0))
    sheet = np.clip(np.concatenate(columns, 1), 0, 1)
    Image.fromarray((sheet * 255).astype(np.uint8)).save(path, optimize=True)


def overall(rows: dict[str, list[Row]]) -> str:
    """The macro table with paired differences."""
    lines = [
        "| method | " + " | ".join(HEADERS[m] for m in METRICS) + " | fast − this: mIoU over thresholds |",
        "|---|" + "---|" * (len(METRICS) + 1),
    ]
    for name, some in rows.items():
        cells = [f"{macro(some, m):.3f}" for m in METRICS]
        cells.append("–" if name == "fast" else _difference(rows["fast"], some, "miou_heat"))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _difference(a: Sequence[Row], b: Sequence[Row], metric: str) -> str:
    found = paired_difference(a, b, metric)
    return f"{found.estimate:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def against_ldm(rows: dict[str, list[Row]]) -> str:
    """`fast` against `ldm` in every metric."""
    lines = ["| metric | fast | ldm | difference (95 % interval) |", "|---|---|---|---|"]
    for metric in METRICS:
        a, b = macro(rows["fast"], metric), macro(rows["ldm"], metric)
        lines.append(
            f"| {HEADERS[metric]} | {a:.3f} | {b:.3f} | {_difference(rows['fast'], rows['ldm'], metric)} |"
        )
    return "\n".join(lines)


def per_structure(rows: dict[str, list[Row]], metric: str) -> str:
    """One row per structure, one column per method."""
    values = {name: by_structure(some, metric) for name, some in rows.items()}
    counts = {name: sum(r["structure"] == name for r in rows["fast"]) for name in values["fast"]}
    lines = ["| structure | slices | " + " | ".join(values) + " |", "|---|---|" + "---|" * len(values)]
    for name in sorted(counts):
        cells = [f"{found[name]:.2f}" for found in values.values()]
        lines.append(f"| {name} | {counts[name]} | " + " | ".join(cells) + " |")
    means = [f"**{macro(some, metric):.3f}**" for some in rows.values()]
    lines.append("| **macro mean** | | " + " | ".join(means) + " |")
    return "\n".join(lines)


def report_text(rows: dict[str, list[Row]], slices: int, stamp: str) -> str:
    """The whole report."""
    structure_tables = "\n\n".join(
        f"### {HEADERS[m]}\n\n{per_structure(rows, m)}" for m in METRICS if m != "miou_heat_boxes"
    )
    captions = "; ".join(f"“{c}”" for c in CAPTIONS)
    return f"""# pocket-diffusion: how well its words point

Made by `python -m foveate.pocket.diffusion.report` (weights {stamp}). For research; not a medical device.

## Samples

![samples](samples.png)

Two samples a caption, 40 DDIM steps, guidance 3; from left to right: {captions}.

## Patient C, {slices} slices

Structures are asked by their plain name. Pictures: soft-tissue window, 256 x 256 (the source has 512 x
512). Truth: the labels' pixels; “boxes”: the boxes round their connected parts, as in 2404.12920. Macro
means: over structures, of the mean over slices. The two “mIoU”s are the two papers' and do not compare
with each other. The interval in brackets is a paired 95 % bootstrap over slices.

{overall(rows)}

- “ldm” reads where the paper's recipe puts the layers (two halvings of the latent grid: 4² here); “ldm,
  16²” reads the layers of the published grid size.
- The location prior was made from the labels of A and B (the share of their slices in which a place,
  relative to the body, belongs to the structure). It knows no pixel but where the body is; it also knows
  each structure's usual size, which no attention map does.

### fast against ldm

{against_ldm(rows)}

## By structure

{structure_tables}

{LIMITS}
"""


LIMITS = """## What this does not show

- One patient: neighbouring slices look alike, so intervals over slices are narrower than intervals over
  patients would be, and say nothing about another patient, scanner or disease.
- The labels are the output of TotalSegmentator, not of people. C's slices cover 40 mm of upper abdomen.
- The words were told where to look: training adds TokenCompose's grounding losses (arXiv 2312.03626) on
  A's and B's labels to the denoising loss. The published recipes are run on models that had only captions;
  here they read attention that was supervised, every recipe the same weights. This compares recipes; it says
  nothing of how well captions alone teach places.
- `fast` was chosen on held-out slices of A and B (ABLATION.md), never on C.
- The model is small and saw two patients: it exercises the code. It is not for use on patients.
"""


def main() -> None:
    """Measures, draws, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--every", type=int, default=1, help="measure every n-th slice of patient C")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-samples", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    cases = [case_of_c(i) for i in range(0, 20, told.every)]
    wanted = methods(told.weights)
    found = run(cases, dict(wanted.values()), RUN / "report.jsonl", lambda line: print(line, flush=True))
    rows = {shown: [r for r in found if r["method"] == kept] for shown, (kept, _) in wanted.items()}
    if not told.no_samples:
        draw_samples(told.weights, SAMPLES)
    REPORT.write_text(report_text(rows, len(cases), weights_hash(told.weights)))
    print(overall(rows))


if __name__ == "__main__":
    main()

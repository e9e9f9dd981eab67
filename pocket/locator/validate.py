"""Held-out blocks of A and B: figures and the calibration of presence. Never patient C."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foveate.pocket.anatomy import distractors, parts, structures
from foveate.pocket.augment import HELD_OUT, block, degrade, slice_sample
from foveate.pocket.locator.loss import exclusive, masks_of
from foveate.tools.grounding.compete import Vocabulary, compete
from foveate.tools.grounding.dense import DenseLocator
from foveate.tools.grounding.heatmap import PEAK_PIXELS
from foveate.tools.grounding.inputs import hu_channels

SIDE = 192


@cache
def held_out_inputs(copies: int = 3, seed: int = 7) -> tuple[Tensor, Tensor]:
    """(N, 5, S, S) inputs and (N, S, S) labels: each held-out slice plain, then strongly augmented copies."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for name, first, last in HELD_OUT:
        depth = block(name, first, last).size_mm[0] / (last - first + 1)
        for k in range(last - first + 1):
            for c in range(copies):
                mm = 2.0 if c == 0 else float(rng.uniform(1.4, 2.8))
                made = slice_sample(
                    rng, SIDE, mm, 0.3 if c else 0.0, 0.3 if mm > 2.2 else 0.0, 0.3 if c else 0.0,
                    warp=float(c > 0), where=(name, first, last), z_mm=(k + 0.5) * depth,
                )  # fmt: skip
                hu = torch.from_numpy(made.hu.astype(np.float32))
                images.append(hu_channels((degrade(rng, hu) if c else hu)[None])[0])
                labels.append(torch.from_numpy(made.labels))
    return torch.stack(images), torch.stack(labels)


@torch.inference_mode()
def calibrated(model: DenseLocator) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what goes into config.json, figures): logistic presence from the peak score, mask IoU, accuracy."""
    inputs, labels = held_out_inputs()
    names = [s.name for s in structures()]
    strange = distractors()["phrases"]
    text = model.encode_text([*names, *strange])
    pixels = torch.cat([model.encode_image(chunk) for chunk in inputs.split(8)])
    table = {
        s.name: {"kind": s.kind, "side": s.side, "parts": list(s.parts), "exclusive": exclusive(s)}
        for s in structures()
    }
    vocabulary = Vocabulary.of(table, text[: len(names)])
    rivals = [vocabulary.rivals(vector) for vector in text]
    every = torch.arange(len(names))
    half = labels[:, ::2, ::2]
    masks = torch.cat([masks_of(part, every) for part in half.split(8)])
    scores, overlap = [], []
    for k in range(len(inputs)):
        raw = model.logits(pixels[k : k + 1], text)[0]
        known = raw[: len(names)]
        logits = torch.stack([compete(one, known, who) for one, who in zip(raw, rivals, strict=True)])
        scores.append(logits.flatten(1).topk(PEAK_PIXELS, dim=1).values.mean(1))
        hit, true = logits[: len(names)] > 0, masks[k]
        overlap.append((hit & true).sum((1, 2)) / (hit | true).sum((1, 2)).clamp(min=1))
    score, iou = torch.stack(scores), torch.stack(overlap)
    area = masks.sum((2, 3))
    present = torch.cat([area >= 4, torch.zeros(len(area), len(strange), dtype=torch.bool)], 1)
    unsure = torch.cat([(area > 0) & (area < 4), torch.zeros(len(area), len(strange), dtype=torch.bool)], 1)
    # names of real structures are the hard negatives; nonsense is far easier and would lower the threshold
    own = torch.zeros_like(present)
    own[:, : len(names)] = True
    slope, offset = logistic(score[own & ~unsure].double().numpy(), present[own & ~unsure].numpy())
    said = slope * score + offset > 0
    right = (said == present)[~unsure]
    seen = present[:, : len(names)]
    per = {n: round(float(iou[seen[:, i], i].mean()), 2) for i, n in enumerate(names) if seen[:, i].any()}
    figures = {
        "macro_mask_iou": round(float(np.mean(list(per.values()))), 3),
        "sensitivity": round(float(said[present].float().mean()), 3),
        "specificity": round(float(1 - said[own & ~present & ~unsure].float().mean()), 3),
        "presence": round(float(right.float().mean()), 4),
        "false_alarm_strange": round(float(said[:, len(names) :].float().mean()), 4),
        "per_structure": per,
    }  # fmt: skip
    extra = {
        "name": "pocket-locator", "mm_per_pixel": 2.0, "scales_mm": [2.0, 1.5], "map_mm": 1.6,
        "presence": {"slope": slope, "offset": offset},
        "mask_logit": 0.0, "held_out": figures, "parts": list(parts()),
        "structures": table,
    }  # fmt: skip
    return extra, figures


def logistic(score: np.ndarray[Any, Any], present: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Slope and offset of P(present | score), both classes with equal total weight, by Newton's method."""
    middle, width = float(score.mean()), float(score.std()) or 1.0
    x = np.stack([(score - middle) / width, np.ones_like(score)], 1)
    weight = np.where(present, 0.5 / max(present.sum(), 1), 0.5 / max((~present).sum(), 1))
    beta = np.array([1.0, 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (weight * (present - p)) - 1e-4 * beta
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-4 * np.eye(2)
        beta = beta + np.clip(np.linalg.solve(hessian, gradient), -2, 2)
    return float(beta[0] / width), float(beta[1] - beta[0] * middle / width)

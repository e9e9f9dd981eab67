"""Random training pictures for pocket-diffusion: an augmented axial cut of patient A or B in some window,
and what of it is visible where.

Some structures are made brighter or darker and some are painted away, so that a caption tells something
that the rest of the picture does not. Never patient C, never the slices that hold the real nodule, and
(for training) never the held-out blocks: `augment.slice_sample` sees to that. Knows nothing of words or
models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from foveate.pocket.anatomy import LESION, Structure, part_ids, structures
from foveate.pocket.augment import AIR, HOLLOW, SOLID, degrade, slice_sample

SIDE = 64
OVERSAMPLED = 4
MIN_PIXELS = 4
VISIBLE_CHANGE = 0.12
HALF = 0.85
WINDOWS = {
    "soft tissue": (40.0, 400.0),
    "lung": (-600.0, 1500.0),
    "bone": (400.0, 1800.0),
    "liver": (60.0, 180.0),
}
WINDOW_ODDS = (0.58, 0.18, 0.12, 0.12)
ERASED_HU = -100.0

Shade = Literal["bright", "dark", ""]
Labels = npt.NDArray[np.uint8]
Window = tuple[str, float, float]


@dataclass(frozen=True)
class Fact:
    """One visible structure: its share of the picture, the shares of its pixels in the left and the upper
    half of the picture, and whether it was made brighter or darker.
    """

    name: str
    share: float
    left: float
    top: float
    shade: Shade

    def place(self) -> str:
        """Where in the picture it lies: "upper left", "right", "bottom" …; empty where no half holds most
        of it.
        """
        across = "left" if self.left >= HALF else "right" if self.left <= 1 - HALF else ""
        down = (
            ("upper", "top")
            if self.top >= HALF
            else ("lower", "bottom")
            if self.top <= 1 - HALF
            else ("", "")
        )
        return f"{down[0]} {across}".strip() if across else down[1]


@dataclass(frozen=True)
class Picture:
    """`grey` uint8 and `labels` uint8 (part ids) of shape (SIDE, SIDE), the window's name, what is
    visible, and the structure that was painted away (or "").
    """

    grey: Labels
    labels: Labels
    window: str
    facts: tuple[Fact, ...]
    erased: str


def random_picture(
    rng: np.random.Generator,
    where: tuple[str, int, int] | None = None,
    warp: float = 1.0,
    alone: bool = False,
) -> Picture:
    """One picture from a random training block, or from the block `where` (then for validation). With
    `alone` it shows one to three structures on an empty ground.
    """
    whole = rng.random() < 0.6
    field = float(rng.uniform(300, 520) if whole else math.exp(rng.uniform(math.log(90), math.log(300))))
    arms = 0.5 if field > 390 else 0.1 if field > 320 else 0.0
    side = SIDE * OVERSAMPLED
    sample = slice_sample(
        rng, side, field / side, nodules=0.35, arms=arms, mirrored=0.25, warp=warp, where=where
    )  # fmt: skip
    hu = degrade(rng, torch.from_numpy(sample.hu.astype(np.float32))).numpy()
    return compose(rng, hu, sample.labels, random_window(rng), alone)


def random_window(rng: np.random.Generator) -> Window:
    """A usual window's name, with its centre and width jittered."""
    name = str(rng.choice(list(WINDOWS), p=WINDOW_ODDS))
    centre, width = WINDOWS[name]
    return name, centre + float(rng.normal(0, 0.05)) * width, width * float(rng.uniform(0.85, 1.2))


def compose(
    rng: np.random.Generator, hu: npt.NDArray[Any], labels: Labels, window: Window, alone: bool = False
) -> Picture:
    """HU and labels of OVERSAMPLED times the picture's side → the picture, some structures recoloured or
    painted away.
    """
    labels = labels.copy()
    if alone:
        _isolate(rng, hu, labels, window)
    erased = _erase(rng, hu, labels) if rng.random() < 0.1 else ""
    before = to_grey(hu, window)
    shifted, shades = _recolour(rng, hu, labels, window[2])
    grey, small = to_grey(shifted, window), np.ascontiguousarray(labels[::OVERSAMPLED, ::OVERSAMPLED])
    quantised = np.rint(grey * 255).astype(np.uint8)
    return Picture(quantised, small, window[0], facts_of(small, grey - before, shades), erased)


def to_grey(hu: npt.NDArray[Any], window: Window) -> npt.NDArray[np.float32]:
    """Windowed grey values in [0, 1] at the picture's size."""
    grey = torch.from_numpy(np.clip((hu - window[1]) / window[2] + 0.5, 0, 1).astype(np.float32))
    pooled: npt.NDArray[np.float32] = F.avg_pool2d(grey[None, None], OVERSAMPLED)[0, 0].numpy()
    return pooled


def facts_of(
    labels: Labels, change: npt.NDArray[Any], shades: dict[str, tuple[int, ...]]
) -> tuple[Fact, ...]:
    """What is visible. `shades` holds the parts of each recoloured structure; whether it really became
    brighter or darker is read from `change`, the difference in grey values.
    """
    counts = np.bincount(labels.ravel(), minlength=256)
    recoloured = [set(ids) for ids in shades.values()]
    made = []
    for item in structures():
        ids = [i for i in part_ids(item) if counts[i]]
        if counts[ids].sum() < MIN_PIXELS:
            continue
        mask = np.isin(labels, ids)
        inside = any(set(ids) <= group for group in recoloured)
        shade = _shade(float(np.median(change[mask]))) if inside else ""
        half, total = len(mask) // 2, mask.sum()
        left, top = mask[:, :half].sum() / total, mask[:half].sum() / total
        made.append(Fact(item.name, float(mask.mean()), float(left), float(top), shade))
    return tuple(made)


def _shade(change: float) -> Shade:
    return "bright" if change > VISIBLE_CHANGE else "dark" if change < -VISIBLE_CHANGE else ""


def _visible(labels: Labels) -> list[Structure]:
    counts = np.bincount(labels.ravel(), minlength=256)
    least = MIN_PIXELS * OVERSAMPLED**2
    return [s for s in structures() if counts[part_ids(s)].sum() >= least and s.name != LESION]


def _isolate(rng: np.random.Generator, hu: npt.NDArray[Any], labels: Labels, window: Window) -> None:
    """Leaves one to three structures and makes all else one even grey that sets them off, in place.

    In a whole slice the rest of the anatomy tells what a caption would tell; here only the caption does, and
    the words begin to be read in minutes instead of hours.
    """
    able = _visible(labels)
    if not able:
        return
    areas = np.array([np.isin(labels, part_ids(s)).sum() ** 0.5 for s in able])
    kept = rng.choice(
        len(able), min(len(able), int(rng.integers(1, 4))), replace=False, p=areas / areas.sum()
    )
    mask = np.isin(labels, [i for k in kept for i in part_ids(able[int(k)])])
    _, centre, width = window
    inside = np.clip((np.median(hu[mask]) - centre) / width + 0.5, 0, 1)
    ground = float(rng.uniform(0.0, 0.3) if inside > 0.5 else rng.uniform(0.7, 1.0))
    hu[~mask] = (ground - 0.5) * width + centre
    labels[~mask] = 0


def _erase(rng: np.random.Generator, hu: npt.NDArray[Any], labels: Labels) -> str:
    """Turns one soft organ into fat, in place. Its name, or "" where there is none."""
    soft = (*SOLID, *HOLLOW, "kidney")
    able = [s for s in _visible(labels) if s.kind != "several" and s.parts[0].startswith(soft)]
    if not able:
        return ""
    item = able[int(rng.integers(len(able)))]
    mask = np.isin(labels, part_ids(item))
    hu[mask] = ERASED_HU + rng.normal(0, 15, int(mask.sum()))
    labels[mask] = 0
    return item.name


def _recolour(
    rng: np.random.Generator, hu: npt.NDArray[Any], labels: Labels, width: float
) -> tuple[npt.NDArray[Any], dict[str, tuple[int, ...]]]:
    """Moves up to three structures' intensities by a share of the window's width; their names and parts."""
    count = int(rng.choice(4, p=(0.3, 0.25, 0.25, 0.2)))
    able, table = _visible(labels), np.zeros(256, np.float32)
    done: dict[str, tuple[int, ...]] = {}
    for _ in range(count if able else 0):
        item = able[int(rng.integers(len(able)))]
        ids = part_ids(item)
        if (table[ids] == 0).all():
            table[ids] = rng.uniform(0.2, 0.5) * width * (1 if rng.random() < 0.5 else -1)
            done[item.name] = tuple(ids)
    if not done:
        return hu, done
    moved = F.avg_pool2d(torch.from_numpy(table[labels])[None, None], 3, 1, 1)[0, 0].numpy()
    return np.clip(hu + moved, AIR, 3071), done

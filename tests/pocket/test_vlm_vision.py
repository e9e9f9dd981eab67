"""Stage 1: what lies in each patch, and the random views that it is learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.vlm.model import MERGE, PATCH, image_processor
from foveate.pocket.vlm.scenes import (
    CLASSES,
    LESION_ID,
    LUNG_PARTS,
    SIDE,
    paint_lesion,
    random_view_of,
)
from foveate.pocket.vlm.vision import dense_loss, patch_f1, patch_targets

from . import synthetic

sizes = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(lambda n: (28 * n[0], 28 * n[1]))
label_images = sizes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, CLASSES - 1)))


def slow_targets(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Token by token, patch by patch, pixel by pixel."""
    made = []
    step = PATCH * MERGE
    for top in range(0, labels.shape[0], step):
        for left in range(0, labels.shape[1], step):
            token = np.zeros((MERGE * MERGE, CLASSES), np.float32)
            for row in range(step):
                for col in range(step):
                    patch = row // PATCH * MERGE + col // PATCH
                    token[patch, labels[top + row, left + col]] += 1 / PATCH**2
            made.append(token)
    return np.stack(made)


@given(label_images)
@settings(deadline=None, max_examples=25)
def test_targets_are_shares_and_agree_with_counting_pixels(labels: npt.NDArray[np.uint8]) -> None:
    height, width = labels.shape
    shares = patch_targets(labels, width, height)
    assert shares.shape == (height * width // 28**2, 4, CLASSES)
    assert np.allclose(shares.sum(-1), 1)
    assert np.allclose(shares, slow_targets(labels), atol=1e-5)


def test_targets_come_in_the_order_of_the_processor() -> None:
    """A bright patch must be the same entry of the targets and of the pixels that the tower reads."""
    from PIL import Image

    picture = np.zeros((56, 84), np.uint8)
    picture[42:56, 14:28] = 1
    targets = patch_targets(picture, 84, 56)[..., 1].reshape(-1)
    made = image_processor()(images=[Image.fromarray(picture * 255).convert("RGB")], return_tensors="pt")
    assert made["image_grid_thw"].tolist() == [[1, 4, 6]]
    assert int(targets.argmax()) == int(made["pixel_values"].mean(-1).argmax())


@pytest.mark.parametrize("seed", range(12))
def test_a_random_view_fits_the_model_and_its_labels_fit_the_view(seed: int) -> None:
    scene = synthetic.scene()
    picture, labels = random_view_of(np.random.default_rng(seed), scene)
    assert labels.shape == (picture.height, picture.width)
    assert picture.width % 28 == picture.height % 28 == 0
    assert max(picture.size) <= 224
    assert set(np.unique(labels)) <= set(np.unique(scene.labels))


def _lungs() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[60:300, 40:160] = LUNG_PARTS[0]
    labels[60:300, 200:320] = part_ids(structure("liver"))[0]
    return np.where(labels == LUNG_PARTS[0], -800, 40).astype(np.float32), labels


@pytest.mark.parametrize("seed", range(6))
def test_a_lesion_is_painted_into_lung_and_nowhere_else(seed: int) -> None:
    hu, labels = _lungs()
    before, lung = hu.copy(), labels == LUNG_PARTS[0]
    diameter = paint_lesion(np.random.default_rng(seed), hu, labels, 1.2)
    assert diameter is not None
    assert 5 <= diameter <= 38
    lesion = labels == LESION_ID
    assert lesion.any()
    assert not (lesion & ~lung).any()
    assert hu[lesion].mean() > before[lesion].mean() + 300
    assert np.array_equal(hu[:, 170:], before[:, 170:])


def test_no_lesion_without_lung() -> None:
    labels = np.full((SIDE, SIDE), part_ids(structure("liver"))[0], np.uint8)
    hu = np.zeros((SIDE, SIDE), np.float32)
    assert paint_lesion(np.random.default_rng(0), hu, labels, 1.2) is None
    assert not hu.any()
    assert LESION_ID not in labels


def _logits(targets: torch.Tensor, size: float) -> torch.Tensor:
    return torch.where(targets > 0.25, size, -size)


def test_the_loss_falls_and_the_score_rises_with_the_truth() -> None:
    labels: npt.NDArray[Any] = synthetic.scene().labels[:224, :224]
    targets = torch.from_numpy(patch_targets(labels, 224, 224))
    right, unsure = _logits(targets, 6.0), torch.zeros_like(targets)
    assert dense_loss(right, targets) < dense_loss(unsure, targets) < dense_loss(-right, targets)
    assert patch_f1(right, targets) == pytest.approx(1)
    assert patch_f1(-right, targets) < 0.1

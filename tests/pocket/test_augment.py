"""Augmentation: image and labels move together, and nothing that is held out is ever read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from foveate.pocket import augment
from foveate.pocket.anatomy import parts
from foveate.pocket.augment import HELD_OUT, TRAIN_BLOCKS, Block, mirror_slice, slice_sample
from foveate.pocket.lesions import lung_ids, paint_arms, paint_nodule, part_id

NODULE = range(86, 95)


@pytest.fixture(autouse=True)
def phantom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block is a box of box-shaped organs whose HU tell their labels."""
    labels = torch.zeros(1, 1, 6, 60, 60)
    labels[..., 10:30, 10:26], labels[..., 32:50, 20:50] = 1.0, 5.0
    size, means = (15.0, 180.0, 180.0), np.zeros(len(parts()) + 1)
    made = Block("phantom", labels * 100, labels, size, (90.0, 90.0), means)
    monkeypatch.setattr(augment, "block", lambda *_: made)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.2, 2.5))
def test_image_and_labels_move_together(seed: int, mm: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment, "recontrast", lambda rng, hu, labels, means: hu)
        made = slice_sample(np.random.default_rng(seed), 192, mm, nodules=0, arms=0, mirrored=0)
    for label in (1, 5):
        inside = ndimage.binary_erosion(made.labels == label, iterations=5)
        # away from edges, where bilinear and nearest sampling differ, a pixel has its organ's own intensity
        assert (made.hu[inside] == label * 100).all()
    far = ndimage.binary_erosion(made.labels == 0, iterations=5)
    assert np.isin(made.hu[far], [0, augment.AIR]).mean() > 0.9


@given(st.integers(0, 1000))
def test_mirroring_twice_is_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hu = rng.integers(-1000, 1000, (12, 17)).astype(np.int16)
    alone = [part_id("lung_middle_lobe_right")]
    labels = rng.choice([i for i in range(len(parts()) + 1) if i not in alone], (12, 17)).astype(np.uint8)
    again, ids = mirror_slice(*mirror_slice(hu, labels))
    assert np.array_equal(again, hu) and np.array_equal(ids, labels)


def test_the_same_seed_gives_the_same_slice() -> None:
    a, b = (slice_sample(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(a.hu, b.hu) and np.array_equal(a.labels, b.labels)


def test_training_blocks_leave_out_the_nodule_and_the_held_out() -> None:
    for name, first, last, weight in TRAIN_BLOCKS:
        used = set(range(first, last + 1))
        assert weight > 0 and name in ("A", "B")
        assert not (name == "A" and used & set(NODULE))
        for other, low, high in HELD_OUT:
            assert other != name or not used & set(range(low - 1, high + 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_painted_nodule_stays_in_its_lung(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((80, 80), dtype=np.uint8)
    labels[10:70, 5:35], labels[10:70, 45:75] = lung_ids("right")[0], lung_ids("left")[0]
    hu, before = np.full((80, 80), -850.0, dtype=np.float32), labels.copy()
    if paint_nodule(rng, hu, labels, 2.0):
        changed = labels != before
        assert changed.any() and hu[changed].mean() > -700
        side = "right" if changed[:, :40].any() else "left"
        assert set(np.unique(before[changed])) == {lung_ids(side)[0]}
        assert set(np.unique(labels[changed])) == {part_id(f"lung_nodule_{side}")}


def test_no_lung_no_nodule() -> None:
    hu, labels = np.full((40, 40), 40.0), np.zeros((40, 40), dtype=np.uint8)
    assert not paint_nodule(np.random.default_rng(0), hu, labels, 2.0) and (hu == 40).all()


def test_arms_lie_beside_the_body_each_on_its_side() -> None:
    hu, labels = np.full((120, 240), -1024.0), np.zeros((120, 240), dtype=np.uint8)
    hu[20:100, 70:170] = 40.0
    for seed in range(5):
        painted, ids = hu.copy(), labels.copy()
        paint_arms(np.random.default_rng(seed), painted, ids, 2.0)
        assert (painted[20:100, 70:170] == 40).all()
        assert not (ids[:, 120:] == part_id("humerus_right")).any()
        assert not (ids[:, :120] == part_id("humerus_left")).any()

"""Losses and calibration of the locator on tensors small enough to reason about; the reader of patients."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.pocket import data
from foveate.pocket.anatomy import part_ids, structure, structures
from foveate.pocket.evaluate_locator import box_iou
from foveate.pocket.locator.loss import balanced_loss, exclusive_mask, masks_of, membership, partition_loss
from foveate.pocket.locator.validate import logistic


def _masks() -> torch.Tensor:
    masks = torch.zeros(2, 3, 16, 16, dtype=torch.bool)
    masks[0, 0, 2:9, 3:8] = True
    masks[1, 1, 4:6, 4:6] = True
    return masks


def test_the_right_map_costs_least() -> None:
    masks = _masks()
    right = torch.where(masks, 6.0, -6.0)
    for wrong in (torch.full_like(right, -6.0), torch.full_like(right, 6.0), -right):
        assert balanced_loss(right, masks) < balanced_loss(wrong, masks)


def test_a_small_structure_weighs_as_much_as_a_large_one() -> None:
    masks, right = _masks(), torch.where(_masks(), 6.0, -6.0)
    costs = []
    for image, phrase in ((0, 0), (1, 1)):
        wrong = right.clone()
        wrong[image, phrase] = -6.0
        costs.append(float(balanced_loss(wrong, masks) - balanced_loss(right, masks)))
    assert costs[1] == pytest.approx(costs[0], rel=0.2)


def test_softmax_classes_never_share_a_label() -> None:
    table = membership()[exclusive_mask()]
    assert int(table.sum(0).max()) == 1 and bool(table[:, 1:].any(0).all())


def test_partition_loss_rewards_the_true_class() -> None:
    chosen = torch.tensor([i for i, s in enumerate(structures()) if s.name in ("liver", "spleen")])
    liver, spleen = (part_ids(structure(n))[0] for n in ("liver", "spleen"))
    labels = torch.tensor([[[liver, spleen], [0, 0]]])
    right = torch.full((1, 2, 2, 2), -5.0)
    order = [structures()[int(i)].name for i in chosen]
    right[0, order.index("liver"), 0, 0] = right[0, order.index("spleen"), 0, 1] = 5.0
    assert partition_loss(right, labels, chosen) < 0.1 < partition_loss(right.flip(1), labels, chosen)
    assert masks_of(labels, chosen).sum() == 2


@settings(max_examples=15, deadline=None)
@given(st.floats(-3, 3), st.floats(0.3, 3))
def test_logistic_splits_what_can_be_split(middle: float, width: float) -> None:
    rng = np.random.default_rng(0)
    score = np.concatenate(
        [rng.normal(middle - 2 * width, width, 400), rng.normal(middle + 2 * width, width, 100)]
    )
    present = np.arange(500) >= 400
    slope, offset = logistic(score, present)
    assert slope > 0 and -offset / slope == pytest.approx(middle, abs=0.6 * width)


@settings(max_examples=40)
@given(st.tuples(*[st.floats(0, 50)] * 2), st.floats(1, 30), st.floats(1, 30))
def test_iou_is_one_with_itself_and_symmetric(at: tuple[float, float], w: float, h: float) -> None:
    a = (at[0], at[1], at[0] + w, at[1] + h)
    b = (10.0, 10.0, 30.0, 25.0)
    assert box_iou(a, a) == pytest.approx(1.0) and box_iou(a, b) == pytest.approx(box_iou(b, a))
    assert 0 <= box_iou(a, b) <= 1 + 1e-9


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "PIR"])
def test_volumes_become_left_posterior_superior(tmp_path: Path, codes: str) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    ras = nib.nifti1.Nifti1Image(voxels, np.diag([2.0, 3.0, 4.0, 1.0]))
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(ras.affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    nib.save(ras.as_reoriented(turn), tmp_path / "v.nii.gz")
    array, affine = data._canonical(nib.load(tmp_path / "v.nii.gz"))
    # RAS index (i, j, k) counts to the Right, Anterior... reversed in rows and columns here
    assert np.array_equal(array, voxels.T[:, ::-1, ::-1])
    assert np.allclose(np.diag(affine), [2.0, 3.0, 4.0, 1.0])


def test_missing_patients_are_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path))
    data.load_patient.cache_clear()
    with pytest.raises(data.DataError, match=r"foveate\.pocket\.data"):
        data.load_patient("A")

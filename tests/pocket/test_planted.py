"""Planted claims are what they are said to be, by the labels of a synthetic patient."""

from __future__ import annotations

import numpy as np
import pytest

from foveate.pocket import asked, planted
from foveate.pocket.anatomy import part_ids, structure
from foveate.pocket.data import Patient
from foveate.pocket.scores import iou
from foveate.tools.checks.geometry import verify
from foveate.tools.evidence import seen_at
from foveate.tools.imaging.views import overview


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Patient:
    """One slice with a liver, a spleen, both kidneys and a vertebra on their sides."""
    labels = np.zeros((1, 200, 200), np.uint8)
    places = {"liver": (60, 20, 130, 90), "spleen": (70, 150, 120, 185), "left kidney": (130, 120, 160, 145)}
    places |= {"right kidney": (130, 55, 160, 80), "vertebra": (120, 90, 150, 110)}
    for name, (y0, x0, y1, x1) in places.items():
        labels[0, y0:y1, x0:x1] = part_ids(structure(name))[0]
    made = Patient("C", np.zeros((1, 200, 200), np.int16), labels, (5.0, 1.5, 1.5), (0.0, 0.0, 0.0), ())
    for module in (asked, planted):
        monkeypatch.setattr(module, "load_patient", lambda name: made)
    asked.box_of.cache_clear()
    yield made  # type: ignore[misc]
    asked.box_of.cache_clear()


def test_geometry_agrees_with_what_the_labels_say(patient: Patient) -> None:
    image = patient.image(0)
    view = overview(image, 200)
    claims = planted.planted("C", 0, each=20)
    assert {claim.kind for claim in claims} == set(planted.KINDS)
    for claim in claims:
        boxes = [view.frame.from_source(view.frame.source.box(*box)) for box in claim.boxes]
        evidence = [seen_at(box, view, image, label="box", tool="user") for box in boxes]
        told = [v.holds for v in verify(claim.text, evidence, lambda name: image)]
        if claim.kind in ("side", "size", "relation"):
            assert (False not in told) is claim.true, claim.text
        elif claim.true:
            assert False not in told, claim.text


def test_a_loose_box_still_lies_on_its_structure(patient: Patient) -> None:
    loose = planted.planted("C", 0, each=20, kinds=("loose",))
    assert len(loose) == 5 and all(claim.true for claim in loose)
    exact = [row.boxes[0] for row in planted.planted("C", 0, each=20, kinds=("structure",)) if row.true]
    for claim in loose:
        best = max(iou(claim.boxes[0], box) for box in exact)
        assert 0.25 < best < 1

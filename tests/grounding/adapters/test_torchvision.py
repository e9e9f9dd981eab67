"""Detectors of torchvision: run where it is installed (`python -m pytest -m torchvision`), else what is said.

The weights are of torchvision's own builders, random but for a planted head.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

HERE = find_spec("torchvision") is not None
needed = pytest.mark.skipif(not HERE, reason="torchvision is not installed")
BUILDERS = [
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
]


@pytest.mark.skipif(HERE, reason="torchvision is here")
def test_without_torchvision_it_says_what_it_needs() -> None:
    with pytest.raises(GrounderError, match="'torchvision' needs torchvision, which is not installed"):
        load_grounder("torchvision:fasterrcnn_resnet50_fpn@weights.pth")


def save(folder: Path, builder: str, classes: str = "background\nlung: lungs\nliver\n") -> Path:
    from torchvision.models import get_model

    torch.manual_seed(0)
    made: Any = get_model(builder, weights=None, weights_backbone=None, num_classes=3)
    if builder.startswith("retinanet"):  # nothing is background: that is what training would make of it
        made.head.classification_head.cls_logits.bias.data.view(-1, 3)[:, 0] = -20
    folder.mkdir(exist_ok=True)
    torch.save(made.state_dict(), folder / "weights.pth")
    (folder / "classes.txt").write_text(classes)
    return folder / "weights.pth"


@needed
@pytest.mark.torchvision
@pytest.mark.parametrize("builder", BUILDERS)
def test_boxes_are_pixels_of_the_picture(
    builder: str, tmp_path: Path, views: dict[str, View], picture: SourceImage
) -> None:
    """As torchvision's own model says of the same picture, whichever way the view is turned."""
    from torchvision.models import get_model
    from torchvision.transforms.functional import to_tensor

    from foveate.tools.grounding.picture import picture_of, upright

    file = save(tmp_path / "tv", builder)
    grounder = load_grounder(f"torchvision:{builder},threshold=0,iou=1@{file}")
    found = {key: grounder.ground(view, picture, ["lung", "liver"]) for key, view in views.items()}
    low = {"box_score_thresh": 0.0} if "rcnn" in builder else {"score_thresh": 0.0}
    own: Any = get_model(builder, weights=None, weights_backbone=None, num_classes=3, **low).eval()
    own.load_state_dict(torch.load(file, weights_only=True))
    shown = picture_of(upright(views["plain"], picture), picture)
    with torch.inference_mode():
        out = own([to_tensor(shown)])[0]
    labels = set(out["labels"].tolist())
    assert labels and labels <= {1, 2}
    for label in labels:
        boxes, scores = out["boxes"][out["labels"] == label], out["scores"][out["labels"] == label]
        best = boxes[scores > scores.max() - 1e-5]
        for key, view in views.items():
            region = found[key][label - 1].regions[0]
            assert region.box.frame == view.frame
            assert region.score == pytest.approx(float(scores.max()), abs=1e-4)
            plain = torch.tensor(views["plain"].frame.from_source(region.box.to_source()).as_tuple())
            assert float((best - plain).abs().amax(1).min()) < 1e-2
    assert [g.forward_passes for g in found["plain"]] == [1, 0]


@needed
@pytest.mark.torchvision
@pytest.mark.parametrize(
    ("spec", "classes", "told"),
    [
        ("torchvision:nothing@{}", "background\na\nb\n", "torchvision has no detector 'nothing'"),
        ("torchvision:{b}@nowhere.pth", "background\na\nb\n", r"finds no weights 'nowhere\.pth'"),
        ("torchvision:{b}@{}", "a\nb\nc\n", "must begin with a line 'background'"),
        ("torchvision:{b}@{}", "background\na\n", "do not have the shapes|size mismatch|cannot be loaded"),
        (
            "torchvision:{b},classes=nothing.txt@{}",
            "background\n",
            r"class file 'nothing\.txt' cannot be read",
        ),
        ("torchvision:{b},speed=1@{}", "background\na\nb\n", "takes threshold="),
    ],
)
def test_what_does_not_fit(spec: str, classes: str, told: str, tmp_path: Path) -> None:
    file = save(tmp_path / "tv", BUILDERS[0], classes)
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec.replace("{b}", BUILDERS[0]).replace("{}", str(file)))


@needed
@pytest.mark.torchvision
def test_a_file_that_is_no_state_dict(tmp_path: Path) -> None:
    file = save(tmp_path / "tv", BUILDERS[0])
    file.write_bytes(b"junk")
    with pytest.raises(GrounderError, match=r"checkpoint 'weights\.pth' cannot be loaded"):
        load_grounder(f"torchvision:{BUILDERS[0]}@{file}")
    torch.save({"model": sys.exit}, file)  # unpickled code is not run
    with pytest.raises(GrounderError, match=r"checkpoint 'weights\.pth' cannot be loaded"):
        load_grounder(f"torchvision:{BUILDERS[0]}@{file}")

"""Open-vocabulary and fixed-class detectors: real classes, tiny checkpoints, boxes in the view's frame."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from foveate.tools.context import ToolContext, ToolError
from foveate.tools.find import ground
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.picture import picture_of, upright
from foveate.tools.grounding.protocol import Grounding
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View

from . import tiny
from .conftest import source_box

Views = dict[str, View]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One checkpoint of each class."""
    root = tmp_path_factory.mktemp("detectors")
    box = (0.3, 0.6, 0.2, 0.4)
    return {
        "dino": tiny.save_grounding_dino(root / "dino"),
        "mm-dino": tiny.save_grounding_dino(root / "mm-dino", mm=True),
        "owlv2": tiny.save_owlv2(root / "owlv2"),
        "rt-detr": tiny.save_rt_detr(root / "rt-detr", ["lung", "liver"]),
        "detr": tiny.save_detr(root / "detr", ["lung", "liver"], box, [-9.0, 2.0, 0.0]),
        "over": tiny.save_detr(root / "over", ["lung"], (0.95, 0.05, 0.3, 0.3), [2.0, 0.0]),
        "nameless": tiny.save_detr(root / "nameless", ["LABEL_0", "LABEL_1"], box, [2.0, 0.0, 0.0]),
    }


def same_source(a: Grounding, b: Grounding) -> None:
    assert len(a.regions) == len(b.regions) > 0
    for one, other in zip(a.regions, b.regions, strict=True):
        assert one.box.to_source().as_tuple() == pytest.approx(other.box.to_source().as_tuple(), abs=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        "grounding-dino:threshold=0@dino",
        "grounding-dino:threshold=0@mm-dino",
        "owlv2:threshold=0@owlv2",
        "detr:threshold=0@rt-detr",
    ],
)
def test_turning_the_view_does_not_move_a_box(
    spec: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    head, _, name = spec.partition("@")
    grounder = load_grounder(f"{head}@{folders[name]}")
    found = {key: grounder.ground(view, picture, ["lung"])[0] for key, view in views.items()}
    for key, view in views.items():
        assert all(region.box.frame == view.frame for region in found[key].regions)
        assert (found[key].score_kind, found[key].absent, found[key].forward_passes) == (
            "fixed_scale",
            False,
            1,
        )
        same_source(found["plain"], found[key])


@pytest.mark.parametrize("name", ["dino", "mm-dino"])
def test_grounding_dino_agrees_with_its_own_post_processing(
    name: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    """transformers' processor maps the raw boxes of the same model to a 120 x 60 picture."""
    view = views["plain"]
    [found] = load_grounder(f"grounding-dino:threshold=0,iou=1@{folders[name]}").ground(
        view, picture, ["lung"]
    )
    cls: Any = (
        hf.MMGroundingDinoForObjectDetection if name == "mm-dino" else hf.GroundingDinoForObjectDetection
    )
    model, processor = (
        cls.from_pretrained(folders[name]).eval(),
        hf.AutoProcessor.from_pretrained(folders[name]),
    )
    inputs = processor(images=picture_of(upright(view, picture), picture), text="lung.", return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs)
    [told] = processor.post_process_grounded_object_detection(out, threshold=0.0, target_sizes=[(60, 120)])
    order = told["scores"].argsort(descending=True, stable=True)[: len(found.regions)]
    limit = torch.tensor([120.0, 60.0, 120.0, 60.0])
    for region, box, score in zip(found.regions, told["boxes"][order], told["scores"][order], strict=True):
        cut = torch.minimum(box.clamp(min=0), limit)
        assert region.box.as_tuple() == pytest.approx(tuple(cut.tolist()), abs=1e-3)
        assert region.score == pytest.approx(float(score), abs=1e-5)


def test_owlv2_counts_in_the_padded_square(
    folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    """A fraction of 0.5 down is 60 pixels of the 120 x 60 picture: its lower edge."""
    view = views["plain"]
    found = load_grounder(f"owlv2:threshold=0,iou=1@{folders['owlv2']}").ground(
        view, picture, ["lung", "liver"]
    )
    assert [g.forward_passes for g in found] == [1, 0]
    model, processor = hf.Owlv2ForObjectDetection.from_pretrained(folders["owlv2"]).eval(), None
    processor = hf.Owlv2Processor.from_pretrained(folders["owlv2"])
    shown = picture_of(upright(view, picture), picture)
    inputs = processor(images=shown, text=[["lung", "liver"]], return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs)
    cx, cy, w, h = out.pred_boxes[0].T * 120
    boxes = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    sized = torch.minimum(w, h) > 1e-3
    inside = ((boxes[:, 1] < 60 - 1e-3) & sized).tolist()
    assert (sized.sum() > sum(inside)) and any(inside), "some patch must lie in the padding"
    for query, one in enumerate(found):
        scores = out.logits[0, :, query].sigmoid()
        best = max((s, i) for i, s in enumerate(scores.tolist()) if inside[i])
        expected = np.clip(boxes[best[1]].numpy(), 0, [120, 60, 120, 60])
        assert one.regions[0].box.as_tuple() == pytest.approx(tuple(expected), abs=1e-3)
        assert one.regions[0].score == pytest.approx(best[0], abs=1e-5)
        assert one.detail["boxes_outside"] + one.detail.get("boxes_empty", 0) == inside.count(False)


@pytest.mark.parametrize("key", ["plain", "turned", "mirrored"])
def test_detr_comes_back_through_resize_crop_and_turn(
    key: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    """The planted box is at (0.3, 0.6) of the picture as it is read, whichever way it is shown."""
    grounder = load_grounder(f"detr@{folders['detr']}")
    liver, lung, other = grounder.ground(views[key], picture, ["The Livers", "lung", "left kidney"])
    [region] = liver.regions
    assert region.box.frame == views[key].frame
    assert region.box.to_source().as_tuple() == pytest.approx(source_box((0.3, 0.6, 0.2, 0.4)), abs=1e-3)
    assert region.score == pytest.approx(np.exp(2) / (np.exp(-9) + np.exp(2) + 1), abs=1e-4)
    assert liver.absent is False and liver.threshold == 0.5
    assert lung.absent is True and not lung.regions and lung.best_score == pytest.approx(0.0, abs=1e-3)
    assert other.absent is None and not other.regions
    assert other.detail["reason"] == "'left kidney' is no class of this detector; it has: lung, liver."


def test_the_agents_tool_tells_the_reason(
    folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    store, grounder = ImageStore(), load_grounder(f"detr@{folders['detr']}")
    store.put(picture)
    context = ToolContext(store, {"V0": views["turned"]}, {}, grounder)
    [evidence] = ground(context, "liver").evidence
    assert evidence.score_kind == "fixed_scale" and evidence.label == "liver"
    with pytest.raises(ToolError, match="'left kidney' is no class of this detector; it has: lung, liver"):
        ground(context, "left kidney")


def test_a_box_over_the_edge_is_cut_and_told(
    folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    [found] = load_grounder(f"detr@{folders['over']}").ground(views["plain"], picture, ["lung"])
    assert found.regions[0].box.as_tuple() == pytest.approx((0.8 * 120, 0, 120, 0.2 * 60), abs=1e-3)
    assert found.detail == {"boxes_cut": 1}  # both queries wrote it, and are one box


def test_a_class_file_names_the_outputs(
    folders: dict[str, Path], views: Views, picture: SourceImage, tmp_path: Path
) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("# in order\npulmonary nodule: nodule, spot\n\nmass\n")
    spec = f"detr:classes={file}@{folders['nameless']}"
    named, spot, mass = load_grounder(spec).ground(views["plain"], picture, ["Nodules", "the spot", "mass"])
    assert named.absent is False and spot.regions[0].box == named.regions[0].box and mass.absent is True
    with pytest.raises(GrounderError, match="does not name its classes"):
        load_grounder(f"detr@{folders['nameless']}")


def test_classes_in_the_order_of_their_numbers_letters(
    folders: dict[str, Path], views: Views, picture: SourceImage, tmp_path: Path
) -> None:
    """As facebook/detr-resnet-50 lists them: 0, 1, 10, 11, 2."""
    names = [f"finding {letter}" for letter in "abcdefghijkl"]
    logits = [-9.0] * 13
    logits[2], logits[10] = 3.0, 1.0
    folder = tiny.save_detr(tmp_path / "many", names, (0.3, 0.6, 0.2, 0.4), logits)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = dict(sorted(config["id2label"].items()))
    (folder / "config.json").write_text(json.dumps(config))
    assert list(config["id2label"])[2] == "10"
    third, eleventh = load_grounder(f"detr@{folder}").ground(views["plain"], picture, [names[2], names[10]])
    assert third.absent is False and eleventh.absent is True
    assert third.regions[0].score > 0.8 and eleventh.best_score < 0.2


def test_unused_outputs_are_not_told_as_classes(
    folders: dict[str, Path], views: Views, picture: SourceImage, tmp_path: Path
) -> None:
    folder = tiny.save_detr(tmp_path / "coco", ["N/A", "cat", "N/A", "dog"], (0.3, 0.6, 0.2, 0.4), [0.0] * 5)
    [found] = load_grounder(f"detr@{folder}").ground(views["plain"], picture, ["N/A"])
    assert found.detail["reason"] == "'N/A' is no class of this detector; it has: cat, dog."
    assert found.detail["unknown_phrase"] is True and found.forward_passes == 0


def test_weights_in_half_precision(
    folders: dict[str, Path], views: Views, picture: SourceImage, tmp_path: Path
) -> None:
    model = hf.DetrForObjectDetection.from_pretrained(folders["detr"]).half()
    shutil.copytree(folders["detr"], tmp_path / "half")
    model.save_pretrained(tmp_path / "half")
    half, full = (load_grounder(f"detr@{f}") for f in (tmp_path / "half", folders["detr"]))
    [one], [other] = (g.ground(views["plain"], picture, ["liver"]) for g in (half, full))
    assert one.regions[0].score == pytest.approx(other.regions[0].score, abs=1e-2)


@pytest.mark.parametrize("spec", ["owlv2", "grounding-dino"])
def test_a_phrase_too_long_to_be_read_is_refused(
    spec: str, folders: dict[str, Path], views: Views, picture: SourceImage
) -> None:
    """Its end would be cut off in silence, or the model would fail."""
    grounder = load_grounder(f"{spec}@{folders['dino' if spec == 'grounding-dino' else 'owlv2']}")
    with pytest.raises(GrounderError, match=r"The phrase 'lung lung.*' has \d+ tokens; '\w+' reads \d+"):
        grounder.ground(views["plain"], picture, ["lung " * 60])


def break_file(folder: Path, name: str, content: bytes | None) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.safetensors", None, "Error no file named model.safetensors"),
        ("model.safetensors", b"junk", "SafetensorError"),
        ("config.json", b"{", "not a valid JSON file"),
        ("config.json", b"[]", "Unrecognized model in broken"),
        ("preprocessor_config.json", None, "Can't load image processor for 'broken'"),
    ],
)
def test_files_that_are_broken(
    name: str, content: bytes | None, told: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folders["detr"], broken)
    break_file(broken, name, content)
    with pytest.raises(GrounderError, match=told) as caught:
        load_grounder(f"detr@{broken}")
    assert "checkpoint 'broken' cannot be loaded" in str(caught.value) and str(tmp_path) not in str(
        caught.value
    )


def test_weights_of_other_shapes(folders: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders["detr"], other)
    config = json.loads((other / "config.json").read_text()) | {"d_model": 32}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(GrounderError, match=r"weights do not have the shapes that its config\.json tells"):
        load_grounder(f"detr@{other}")


@pytest.mark.parametrize(
    ("text", "told"),
    [("one\n", "names 1 classes, the model has 2"), ("a: b\nc: B.\n", "gives 'b' to two classes")],
)
def test_a_class_file_that_does_not_fit(
    text: str, told: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "other.txt"
    file.write_text(text)
    with pytest.raises(GrounderError, match=f"class file 'other.txt' {told}"):
        load_grounder(f"detr:classes={file}@{folders['detr']}")
    with pytest.raises(GrounderError, match=r"class file 'none\.txt' cannot be read"):
        load_grounder(f"detr:classes={tmp_path / 'none.txt'}@{folders['detr']}")


def test_checkpoints_of_the_wrong_class(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(GrounderError, match="'detr' holds a detr model; 'owlv2' reads these: owlv2"):
        load_grounder(f"owlv2@{folders['detr']}")
    with pytest.raises(
        GrounderError, match="'grounding-dino' needs a checkpoint: write grounding-dino@MODEL"
    ):
        load_grounder("grounding-dino")
    with pytest.raises(GrounderError, match="finds no folder 'nowhere'"):
        load_grounder(f"detr@{tmp_path / 'nowhere'}")
    hf.DetrModel(hf.DetrConfig.from_pretrained(folders["detr"])).save_pretrained(tmp_path / "headless")
    with pytest.raises(GrounderError, match=r"'headless' lacks \d+ weights of .*another class"):
        load_grounder(f"detr@{tmp_path / 'headless'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GrounderError, match="checkpoint 'empty' cannot be loaded"):
        load_grounder(f"detr@{tmp_path / 'empty'}")


def test_code_of_a_checkpoint_is_never_run(folders: dict[str, Path], tmp_path: Path) -> None:
    """Nor is the user asked whether to: one clear line."""
    copy = tmp_path / "foreign"
    shutil.copytree(folders["detr"], copy)
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "their-own", "auto_map": {"AutoConfig": "theirs.Config"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "theirs.py").write_text("raise SystemExit('run')\n")
    with pytest.raises(GrounderError, match="checkpoint 'foreign' cannot be loaded"):
        load_grounder(f"detr@{copy}")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("detr:speed=2@x", "takes threshold=0.5, iou=0.7, classes="),
        ("owlv2:iou=high@x", "iou must be a number"),
        ("detr:threshold=nan@x", "threshold must be a number"),
        ("florence2:beams=2.5@x", "beams must be a whole number"),
    ],
)
def test_recipes_that_cannot_be_read(spec: str, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        load_grounder(spec)

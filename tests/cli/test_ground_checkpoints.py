"""`foveate ground` with checkpoints that do not fit: exit code 2 and one clear line, which names no path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ..grounding.adapters import tiny
from .conftest import Foveate, Ran


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    made = {
        "detr": tiny.save_detr(root / "detr", ["lung", "liver"], (0.3, 0.6, 0.2, 0.4), [-9.0, 2.0, 0.0]),
        "clipseg": tiny.save_clipseg(root / "clipseg"),
    }
    (root / "empty").mkdir()
    shutil.copytree(made["detr"], root / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    (root / "three.txt").write_text("lung\nliver\nspleen\n")
    (root / "twice.txt").write_text("lung: lobe\nliver: lobe\n")
    return made | {name: root / name for name in ("empty", "bare", "three.txt", "twice.txt")}


def refused(ran: Ran, folders: dict[str, Path]) -> str:
    assert ran.code == 2, ran
    assert ran.out == "" and ran.err.startswith("foveate: ") and ran.err.count("\n") == 1
    # the parts of a combination are told as they were written
    assert str(folders["detr"].parent) not in ran.err or " grounders of " in ran.err
    return ran.err


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("owlv2@{detr}", "'detr' holds a detr model; 'owlv2' reads these: owlv2"),
        ("florence2@{clipseg}", "'clipseg' holds a clipseg model; 'florence2' reads these: florence2"),
        ("detr@{empty}", "checkpoint 'empty' cannot be loaded"),
        ("detr@{bare}", "checkpoint 'bare' cannot be loaded: Error no file named model.safetensors"),
        ("detr@{empty}/nowhere", "finds no folder 'nowhere'"),
        ("detr:classes={three.txt}@{detr}", "class file 'three.txt' names 3 classes, the model has 2"),
        ("detr:classes={twice.txt}@{detr}", "class file 'twice.txt' gives 'lobe' to two classes"),
        ("detr:classes=nothing.txt@{detr}", "class file 'nothing.txt' cannot be read"),
        ("radzero@{detr}", "runs Python code of its own: read it, then write radzero:code=trusted"),
        ("biovil@{detr}", "biovil"),
        ("torchvision:ssd300_vgg16@nothing.pth", "torchvision"),
        ("tighten(pocket+sam@{clipseg})", "'clipseg' holds a clipseg model; 'sam' reads these: sam"),
        ("tighten(pocket+sam-med2d@{empty})", "'sam-med2d' finds no file 'empty'"),
        ("masks(sam)", "'sam' needs a checkpoint: write sam@MODEL"),
        ("fuse(detr@{empty}+owlv2@{detr})", "2 of the 2 grounders of 'fuse' fail: (1)"),
        ("nonsense", "There is no grounder 'nonsense'; there are: pocket, "),
        ("vlm@nonsense", "'vlm' cannot load 'nonsense'"),
    ],
)
def test_what_cannot_be_a_grounder(
    spec: str, told: str, foveate: Foveate, picture: Path, folders: dict[str, Path]
) -> None:
    for name, path in folders.items():
        spec = spec.replace(f"{{{name}}}", str(path))
    assert told in refused(foveate("ground", picture, "liver", "--grounder", spec, "--json"), folders)


def test_a_phrase_that_no_class_names(foveate: Foveate, picture: Path, folders: dict[str, Path]) -> None:
    grounder = f"detr@{folders['detr']}"
    ran = foveate("ground", picture, "left kidney", "--grounder", grounder, "--json")
    told = "'left kidney' is no class of this detector; it has: lung, liver."
    assert told in refused(ran, folders)
    both = foveate("ground", picture, "left kidney", "liver", "--grounder", grounder, "--json")
    unknown, known = both.json["results"]
    assert both.code == 0 and unknown["absent"] is None and unknown["detail"]["reason"] == told
    assert known["absent"] is False and len(known["regions"]) == 1


def test_all_grounders_of_a_fusion_fail_on_the_picture(
    foveate: Foveate, picture: Path, folders: dict[str, Path]
) -> None:
    """Each reads the phrase only up to its length, and says so."""
    part = f"clipseg@{folders['clipseg']}"
    ran = foveate("ground", picture, "very long " * 20, "--grounder", f"fuse({part}+{part})", "--json")
    told = refused(ran, folders)
    assert "All grounders of " in told and "(1) " in told and "(2) " in told and "tokens" in told

"""`foveate ground --grounder diffusion:…@FOLDER`: the contract, with a real grounder of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..grounding.diffusion.tiny import picture, save_pipeline
from .conftest import Foveate


def test_a_diffusion_model_by_path_draws_its_map(foveate: Foveate, tmp_path: Path) -> None:
    model, shown = save_pipeline(tmp_path / "model"), tmp_path / "in.png"
    Image.fromarray((picture() * 255).astype(np.uint8)).save(shown)
    out = tmp_path / "out.png"
    spec = f"diffusion:g2g@{model}"
    ran = foveate("ground", shown, "left lung", "nodule", "--grounder", spec, "--json", "--out", out)
    first, second = ran.json["results"]
    assert (first["score_kind"], first["absent"]) == ("relative", None)
    assert first["forward_passes"] == 80 and second["forward_passes"] == 0 and first["regions"]
    assert first["detail"]["recipe"] == "g2g"
    assert Image.open(first["overlay"]).size == Image.open(first["heatmap"]).size == Image.open(out).size
    bad = foveate("ground", shown, "<b>lung</b>", "--grounder", spec)
    assert bad.code == 2 and "markup" in bad.err and bad.err.count("\n") == 1

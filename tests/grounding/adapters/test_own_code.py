"""RadZero, ConceptCLIP and BioViL on stand-ins: real torch modules with the interface of their authors' code,
loaded as the real ones are. Where their authors' package is here, BioViL's real classes as well.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional as F

from foveate.tools.grounding.adapters.biovil import Biovil
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.grounding.similarity import map_grounder
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

from .conftest import views_of
from .tiny import bert_tokenizer

Views = dict[str, View]
CODE = '''
import torch
from torch import nn
from torch.nn import functional as F
from transformers import PretrainedConfig, PreTrainedModel


class TinyConfig(PretrainedConfig):
    model_type = "tiny-own-code"


class Tiny(PreTrainedModel):
    """4 x 4 patches of 8 pixels; each word and each patch is a vector. `bright` is the axis of brightness."""

    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(64, 4)
        self.patches = nn.Conv2d(3, 4, 8, stride=8)
        self.post_init()

    def tokens(self, pixels):
        return self.patches(pixels).flatten(2).transpose(1, 2)

    def compute_logits(self, pixel_values, encoded_key_phrases, **kwargs):
        ids = encoded_key_phrases[0]["input_ids"]
        mask = encoded_key_phrases[0]["attention_mask"][..., None]
        text = (self.words(ids) * mask).sum(1) / mask.sum(1)
        cosine = F.normalize(text, dim=-1) @ F.normalize(self.tokens(pixel_values)[0], dim=-1).T
        return {"similarity_scores": cosine[None] / 0.07}

    def forward(self, image=None, text=None):
        return {"image_token_features": self.tokens(image), "text_token_features": self.words(text)}
'''


def save_own_code(folder: Path, center_crop: bool) -> Path:
    """A word "lung" points at bright patches and "liver" at dark ones."""
    folder.mkdir()
    (folder / "modeling_tiny.py").write_text(CODE)
    tokenizer = bert_tokenizer()
    words = torch.zeros(64, 4)
    words[tokenizer.convert_tokens_to_ids("lung"), 0] = 1.0
    words[tokenizer.convert_tokens_to_ids("liver"), 0] = -1.0
    patches = torch.zeros(4, 3, 8, 8)
    patches[0] = 1.0
    from safetensors.torch import save_file

    weights = {"words.weight": words, "patches.weight": patches, "patches.bias": torch.zeros(4)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    auto = {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.Tiny"}
    config = {"model_type": "tiny-own-code", "architectures": ["Tiny"], "auto_map": auto}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save_pretrained(folder)
    if center_crop:
        size = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
        hf.CLIPImageProcessorPil(**size).save_pretrained(folder)
    else:
        hf.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers copies the code that it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def dark() -> SourceImage:
    """96 x 60, dark but for a square at (20..35, 10..17.5) of the source, the first patch of the crop."""
    pixels = np.full((1, 60, 96), 20, np.uint8)
    pixels[0, 10:18, 20:35] = 250
    return SourceImage(pixels)


def test_radzero_says_whether_and_where(tmp_path: Path, dark: SourceImage) -> None:
    """The whole 120 x 60 picture is 4 x 4 patches; its first one, (0..30, 0..15), is bright."""
    folder = save_own_code(tmp_path / "own", center_crop=False)
    grounder = load_grounder(f"radzero:code=trusted@{folder}")
    for view in views_of(dark).values():
        there, not_there = grounder.ground(view, dark, ["lung", "cat"])
        assert there.score_kind == "fixed_scale" and there.absent is False and there.threshold == 0.5
        x0, y0, x1, y1 = there.regions[0].box.to_source().as_tuple()
        assert (x0, y0) == pytest.approx((20, 10), abs=0.6) and x1 < 45 and y1 < 24
        assert 0.99 < there.best_score <= 1 and there.heatmap is not None and there.heatmap.min() >= 0
        assert not_there.absent is True and not_there.best_score <= 0.5 + 1e-6


def test_radzero_maps_lie_in_what_its_processor_leaves(tmp_path: Path, dark: SourceImage) -> None:
    folder = save_own_code(tmp_path / "own", center_crop=True)
    view = views_of(dark)["plain"]
    [found] = load_grounder(f"radzero:code=trusted@{folder}").ground(view, dark, ["liver"])
    assert found.detail["field"] == [36.0, 6.0, 84.0, 54.0]
    assert found.heatmap is not None and not found.heatmap[:, :36].any() and not found.heatmap[:6].any()


def test_conceptclip_ranks_by_the_words_own_tokens(tmp_path: Path, dark: SourceImage) -> None:
    folder = save_own_code(tmp_path / "own", center_crop=False)
    grounder = load_grounder(f"conceptclip:code=trusted@{folder}")
    bright, other = grounder.ground(views_of(dark)["plain"], dark, ["lung", "liver"])
    assert bright.score_kind == "relative" and bright.absent is None and bright.threshold is None
    assert bright.regions[0].box.x0 == 0 and bright.regions[0].box.y0 == 0 and bright.regions[0].box.x1 < 50
    assert bright.heatmap is not None and other.heatmap is not None
    np.testing.assert_allclose(bright.heatmap, 1 - other.heatmap, atol=1e-4)


@pytest.mark.parametrize("name", ["radzero", "conceptclip"])
def test_own_code_is_run_only_when_it_is_trusted(name: str, tmp_path: Path) -> None:
    folder = save_own_code(tmp_path / "own", center_crop=False)
    (folder / "modeling_tiny.py").write_text("raise SystemExit('run')\n")
    with pytest.raises(
        GrounderError, match=f"runs Python code of its own: read it, then write {name}:code=trusted"
    ):
        load_grounder(f"{name}@{folder}")
    with pytest.raises(GrounderError, match="download the checkpoint, read the code in it"):
        load_grounder(f"{name}:code=trusted@Some/Hub-Id")
    with pytest.raises(GrounderError, match="download the checkpoint"):
        load_grounder(name)
    (folder / "modeling_tiny.py").write_text("import no_such_package_at_all\n")
    with pytest.raises(GrounderError, match="checkpoint 'own' cannot be loaded"):
        load_grounder(f"{name}:code=trusted@{folder}")


class Patches(nn.Module):
    """health_multimodal's image model: 14 x 14 unit vectors, one of them unlike all others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 32, stride=32)

    def get_patchwise_projected_embeddings(self, pixels: torch.Tensor, normalize: bool) -> torch.Tensor:
        assert pixels.shape == (1, 3, 448, 448) and normalize
        return F.normalize(self.conv(pixels), dim=1).permute(0, 2, 3, 1)


class Words(nn.Module):
    """Its text model: the vector that a black patch has, turned round."""

    def __init__(self, images: Patches) -> None:
        super().__init__()
        self.images = images

    def get_projected_text_embeddings(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert ids.shape == mask.shape
        black = self.images.get_patchwise_projected_embeddings(torch.zeros(1, 3, 448, 448), normalize=True)
        return -black[0, 0, :1].expand(len(ids), -1)


def reader(picture: Any) -> torch.Tensor:
    """Its transform: short side to 512, the middle 448, three channels."""
    width, height = picture.size
    scale = 512 / min(width, height)
    large = np.asarray(picture.resize((round(width * scale), round(height * scale))), dtype=np.float32) / 255
    top, left = (large.shape[0] - 448) // 2, (large.shape[1] - 448) // 2
    return torch.from_numpy(large[top : top + 448, left : left + 448]).repeat(3, 1, 1)


def test_biovils_map_lies_in_the_middle_square() -> None:
    """60 source rows of 120 x 60 are 512; the middle 448 of them are (33.75, 3.75) to (86.25, 56.25)."""
    torch.manual_seed(0)
    pixels = np.zeros((1, 60, 96), np.uint8)
    pixels[0, 28:32, 56:60] = 255  # in the view: (72..80, 36..44)
    images, image = Patches(), SourceImage(pixels)
    views = views_of(image)
    grounder = map_grounder("biovil", Biovil(images, Words(images), bert_tokenizer(), reader, 448))
    found = {key: grounder.ground(view, image, ["x"])[0] for key, view in views.items()}
    assert found["plain"].detail["field"] == [33.75, 3.75, 86.25, 56.25]
    for key, view in views.items():
        heat = found[key].heatmap
        assert heat is not None and heat.shape == (view.height, view.width)
        box = found[key].regions[0].box.to_source()
        assert box.x0 < 58 < box.x1 and box.y0 < 30 < box.y1 and found[key].absent is None
    assert not found["plain"].heatmap[:, :33].any()  # type: ignore[index]


def test_biovil_says_what_to_install(tmp_path: Path) -> None:
    if find_spec("health_multimodal") is None:
        told = "needs .*health_multimodal.*, which is not installed: pip install hi-ml-multimodal"
    else:
        told = "finds none of biovil_t_image_model_proj_size_128.pt"
    with pytest.raises(GrounderError, match=told):
        load_grounder(f"biovil@{tmp_path}")


@pytest.mark.torchvision
@pytest.mark.skipif(find_spec("health_multimodal") is None, reason="hi-ml-multimodal is not installed")
def test_biovils_real_classes(
    tmp_path: Path, views: Views, picture: SourceImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own engine says of the same picture in a file what the adapter says of it in memory."""
    from health_multimodal.image.inference_engine import ImageInferenceEngine
    from health_multimodal.image.model.model import ImageModel
    from health_multimodal.text.inference_engine import TextInferenceEngine
    from health_multimodal.text.model import CXRBertConfig, CXRBertModel, CXRBertTokenizer
    from health_multimodal.vlp.inference_engine import ImageTextInferenceEngine

    from foveate.tools.grounding.picture import picture_of, upright

    torch.manual_seed(0)
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}
    tokenizer = bert_tokenizer()
    CXRBertModel(CXRBertConfig(vocab_size=len(tokenizer), **small)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    CXRBertTokenizer.from_pretrained(tmp_path)
    images = ImageModel("resnet50_multi_image", joint_feature_size=128)
    torch.save(images.state_dict(), tmp_path / "biovil_t_image_model_proj_size_128.pt")
    grounder = load_grounder(f"biovil@{tmp_path}")
    model: Any = grounder.finder.model  # type: ignore[attr-defined]
    view = views["plain"]
    shown = picture_of(upright(view, picture), picture)
    with torch.inference_mode():
        ours = model.maps(shown, ["left lung"])[0]
    shown.convert("L").save(tmp_path / "picture.png")

    # their text engine calls a method of tokenizers that transformers 5 has no more
    def encode(self: Any, batch_text_or_text_pairs: list[str], **kwargs: Any) -> Any:
        return self(batch_text_or_text_pairs, **kwargs)

    monkeypatch.setattr(CXRBertTokenizer, "batch_encode_plus", encode, raising=False)
    text = TextInferenceEngine(model.tokenizer, model.words)
    engine = ImageTextInferenceEngine(ImageInferenceEngine(model.images, model.reader), text)
    theirs = engine.get_similarity_map_from_raw_data(tmp_path / "picture.png", "left lung")
    rows, cols = (np.flatnonzero(np.isfinite(theirs).any(axis)) for axis in (1, 0))
    x0, y0, x1, y1 = model.field(*shown.size)
    assert (cols[0], cols[-1] + 1) == pytest.approx((x0, x1), abs=1.5)
    assert (rows[0], rows[-1] + 1) == pytest.approx((y0, y1), abs=1.5)
    inside = theirs[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    centers = [int((i + 0.5) * len(inside) / len(ours)) for i in range(len(ours))]
    np.testing.assert_allclose(inside[centers][:, centers], ours, atol=1e-4)
    [found] = grounder.ground(view, picture, ["left lung"])
    assert found.score_kind == "relative" and found.heatmap is not None

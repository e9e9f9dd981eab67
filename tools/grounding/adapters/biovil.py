"""BioViL-T (arXiv 2301.04558) and BioViL (ECCV 2022): "biovil@FOLDER", for chest radiographs.

FOLDER is a copy of the hub's repository, read by their authors' package; the map is a smoothed cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image
from scipy.ndimage import gaussian_filter

from foveate.tools.grounding.card import Card
from foveate.tools.grounding.checkpoint import explained, quiet
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners
from foveate.tools.grounding.protocol import Grounder
from foveate.tools.grounding.similarity import center_crop, map_grounder

CARD = Card(
    line="BioViL-T and BioViL: similarity of chest radiograph patches and phrase; a relative map",
    licence="MIT",
    size="0.14 B",
    boxes="patches of the middle 448 (BioViL: 480) of a picture resized to a short side of 512",
    usual=("microsoft/BiomedVLP-BioViL-T", "microsoft/BiomedVLP-CXR-BERT-specialized"),
    needs=("health_multimodal",),
    install="pip install hi-ml-multimodal",
    example="@FOLDER",
)
SHORT, SIGMA, WIDTH = 512, 1.5, 128
IMAGE_MODELS = {f"biovil_t_image_model_proj_size_{WIDTH}.pt": ("resnet50_multi_image", 448)}
IMAGE_MODELS |= {f"biovil_image_resnet50_proj_size_{WIDTH}.pt": ("resnet50", 480)}


def load(recipe: str, model: str) -> Grounder:
    """The image and text model of a folder. Raises GrounderError."""
    read_options("biovil", recipe)
    folder = Path(model or "FOLDER")
    file = next((folder / name for name in IMAGE_MODELS if (folder / name).is_file()), None)
    if file is None:
        raise GrounderError(f"'biovil' finds none of {', '.join(IMAGE_MODELS)} in {folder.name!r}.")
    from health_multimodal.image.data.transforms import create_chest_xray_transform_for_inference
    from health_multimodal.image.model.model import ImageModel
    from health_multimodal.text.model import CXRBertModel, CXRBertTokenizer

    kind, crop = IMAGE_MODELS[file.name]
    with quiet(), explained(folder.name, str(folder)):
        images = ImageModel(kind, WIDTH, pretrained_model_path=file).eval()
        words, reads = CXRBertModel.from_pretrained(folder), CXRBertTokenizer.from_pretrained(folder)
    reader = create_chest_xray_transform_for_inference(SHORT, crop)
    return map_grounder(f"biovil@{folder.name}", Biovil(images, words.eval(), reads, reader, crop))


@dataclass(frozen=True)
class Biovil:
    """Their image and text model, tokenizer and transform, which cuts out the middle."""

    images: Any
    words: Any
    tokenizer: Any
    reader: Any
    crop: int
    fixed_scale: float | None = None

    def maps(self, picture: Image, phrases: Sequence[str]) -> npt.NDArray[Any]:
        pixels = self.reader(picture.convert("L"))
        patches = self.images.get_patchwise_projected_embeddings(pixels[None], normalize=True)[0]
        ids = self.tokenizer(list(phrases), padding=True, return_tensors="pt")
        words = self.words.get_projected_text_embeddings(ids["input_ids"], ids["attention_mask"])
        cosine = (patches @ words.T).permute(2, 0, 1).float().cpu()
        return np.stack([gaussian_filter(one, SIGMA) for one in cosine.numpy()])

    def field(self, width: int, height: int) -> Corners:
        scale = SHORT / min(width, height)
        return center_crop(width, height, (width * scale, height * scale), (self.crop, self.crop))

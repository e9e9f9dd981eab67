"""Loads a checkpoint's processor, with or without torchvision.

The stock Qwen-VL processors need torchvision for video alone. Where it is missing, a subclass without the
video part and with the PIL image processor does the same work for images. Knows no model and no chat.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

QWEN_PROCESSORS = {
    "qwen2_vl": ("transformers.models.qwen2_vl.processing_qwen2_vl", "Qwen2VLProcessor"),
    "qwen2_5_vl": ("transformers.models.qwen2_5_vl.processing_qwen2_5_vl", "Qwen2_5_VLProcessor"),
    "qwen3_vl": ("transformers.models.qwen3_vl.processing_qwen3_vl", "Qwen3VLProcessor"),
    "qwen3_vl_moe": ("transformers.models.qwen3_vl.processing_qwen3_vl", "Qwen3VLProcessor"),
}


def has_torchvision() -> bool:
    """Whether torchvision is installed (not whether it works: `foveate doctor` tries that)."""
    try:
        version("torchvision")
    except PackageNotFoundError:
        return False
    return True


def load_processor(path: str, model_type: str, local_only: bool) -> Any:
    """The processor of a checkpoint: text, images and chat template."""
    if has_torchvision() or model_type not in QWEN_PROCESSORS:
        from transformers import AutoProcessor

        stock: Any = AutoProcessor  # untyped in transformers
        return stock.from_pretrained(path, local_files_only=local_only, trust_remote_code=False)
    return _load_image_only(path, QWEN_PROCESSORS[model_type], local_only)


def _load_image_only(path: str, stock: tuple[str, str], local_only: bool) -> Any:
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local_only, trust_remote_code=False)
    pictures = Qwen2VLImageProcessorPil.from_pretrained(path, local_files_only=local_only)
    template = tokenizer.chat_template or _template_file(path)
    return image_only_class(stock)(pictures, tokenizer, chat_template=template)


def image_only_class(stock: tuple[str, str]) -> type[Any]:
    """The stock processor class without its video part."""
    from importlib import import_module

    from transformers.processing_utils import ProcessorMixin

    mixin: Any = ProcessorMixin  # untyped in transformers
    base = getattr(import_module(stock[0]), stock[1])

    def __init__(
        self: Any, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None
    ) -> None:
        for kind, token in (("image", "<|image_pad|>"), ("video", "<|video_pad|>")):
            setattr(self, f"{kind}_token", token)
            setattr(self, f"{kind}_token_id", tokenizer.convert_tokens_to_ids(token))
        for kind in ("start", "end"):
            setattr(self, f"vision_{kind}_token", f"<|vision_{kind}|>")
            setattr(self, f"vision_{kind}_token_id", tokenizer.convert_tokens_to_ids(f"<|vision_{kind}|>"))
        mixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    # transformers writes the name into processor_config.json, so that another machine loads the stock class.
    return type(stock[1], (base,), {"__init__": __init__, "__module__": __name__})


def _template_file(path: str) -> str | None:
    folder = Path(path)
    for name in ("chat_template.jinja", "chat_template.json"):
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8")
            return text if name.endswith("jinja") else str(json.loads(text)["chat_template"])
    return None

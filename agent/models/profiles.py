"""Model profiles: what each family of vision-language models declares about itself.

A profile says how a family writes boxes, how it calls tools, how it takes an image that a tool made, and
how its processor resizes. Declared, never inferred from a reply. `source` says where the declaration was
read. Knows no image, no prompt text (only the key of a prompt file) and no server.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from foveate.agent.models import boxtext, resize
from foveate.agent.models.boxtext import BoxText, TextBox
from foveate.agent.models.conventions import BoxConvention
from foveate.agent.models.resize import ResizeRule

ToolCallFormat = Literal["native", "hermes", "json_text", "none"]
ToolImage = Literal["tool_message", "next_user_message"]
Style = Literal["compact", "full"]


@dataclass(frozen=True)
class Profile:
    """The declarations of one family. Lengths are pixels of a view; `patterns` match a model's name."""

    name: str
    patterns: tuple[str, ...]  # lower-case parts of model ids; the longest match wins
    model_types: tuple[str, ...]  # `model_type` of config.json
    box: BoxConvention
    box_text: BoxText
    tool_calls: ToolCallFormat
    resize: ResizeRule
    box_instruction: str  # key of the prompt file that tells the model how to write boxes
    source: str
    tool_image: ToolImage = "next_user_message"
    max_side: int = 1024
    min_side: int = 224
    style: Style = "full"
    has_chat_template: bool = True  # False: the processor takes one image and one plain prompt

    def box_to_view(
        self, numbers: Sequence[float], view_width: int, view_height: int
    ) -> tuple[float, float, float, float]:
        """Numbers as written -> (x0, y0, x1, y1) in view pixels; BoxConventionError if illegal."""
        return self.box.to_view(numbers, view_width, view_height, self.resize)

    def box_from_view(self, box: Sequence[float], view_width: int, view_height: int) -> tuple[float, ...]:
        """(x0, y0, x1, y1) in view pixels -> the numbers this family would write."""
        return self.box.from_view(box, view_width, view_height, self.resize)

    def parse_boxes(self, text: str) -> tuple[TextBox, ...]:
        """Boxes in the family's own text form, numbers untouched; BoxTextError if one is malformed."""
        return self.box_text.parse(text)

    def write_boxes(self, boxes: Sequence[TextBox]) -> str:
        """The inverse of `parse_boxes`."""
        return self.box_text.write(boxes)


_THOUSAND = BoxConvention("xyxy", "0-1000")
_GOOGLE = BoxConvention("yxyx", "0-1000")

PROFILES: tuple[Profile, ...] = (
    Profile(
        name="pocket",
        patterns=("pocket",),
        model_types=(),
        box=BoxConvention("xyxy", "absolute_view"),
        box_text=boxtext.PLAIN_LIST,
        tool_calls="hermes",
        resize=resize.smart_resize(28, 56 * 56, 28 * 28 * 1280),
        box_instruction="absolute_view",
        source="trained in this repository",
        max_side=224,
        min_side=112,
        style="compact",
    ),
    Profile(
        name="qwen2-vl",
        patterns=("qwen2-vl", "qwen2_vl"),
        model_types=("qwen2_vl",),
        box=_THOUSAND,
        box_text=boxtext.QWEN2_TOKENS,
        tool_calls="hermes",
        resize=resize.smart_resize(28, 56 * 56, 14 * 14 * 4 * 16384),
        box_instruction="thousand_xyxy",
        source="benchmarks.md 2.0; QwenLM/Qwen3-VL issue 1486",
    ),
    Profile(
        name="qwen2.5-vl",
        patterns=("qwen2.5-vl", "qwen2_5_vl", "qwen2-5-vl", "qwen25-vl", "lingshu"),
        model_types=("qwen2_5_vl",),
        box=BoxConvention("xyxy", "absolute_resized"),
        box_text=boxtext.JSON_BBOX_2D,
        tool_calls="hermes",
        resize=resize.smart_resize(28, 56 * 56, 14 * 14 * 4 * 16384),
        box_instruction="absolute_resized",
        source="QwenLM/Qwen3-VL issue 676: absolute coordinates of the size after the processor",
    ),
    Profile(
        name="qwen3-vl",
        patterns=("qwen3-vl", "qwen3_vl", "qwen3vl", "qwen3.5"),
        model_types=("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"),
        box=_THOUSAND,
        box_text=boxtext.JSON_BBOX_2D,
        tool_calls="hermes",
        resize=resize.smart_resize(32, 256 * 256, 4096 * 4096),
        box_instruction="thousand_xyxy",
        source="QwenLM/Qwen3-VL README and issue 1741: relative coordinates, 0 to 1000",
    ),
    Profile(
        name="internvl",
        patterns=("internvl",),
        model_types=("internvl", "internvl_chat"),
        box=_THOUSAND,
        box_text=boxtext.INTERNVL,
        tool_calls="json_text",
        resize=resize.unchanged,
        box_instruction="thousand_xyxy",
        source="benchmarks.md 2.0",
    ),
    Profile(
        name="gemma",
        patterns=("gemma",),
        model_types=("gemma3", "gemma3n", "gemma4"),
        box=_GOOGLE,
        box_text=boxtext.JSON_BOX_2D,
        tool_calls="json_text",
        resize=resize.square(896),
        box_instruction="thousand_yxyx",
        source="declared",
        max_side=896,
    ),
    Profile(
        name="paligemma",
        patterns=("paligemma",),
        model_types=("paligemma",),
        box=BoxConvention("yxyx", "loc1024"),
        box_text=boxtext.PALIGEMMA,
        tool_calls="none",
        resize=resize.square(448),
        box_instruction="paligemma",
        source="declared",
        max_side=896,
        has_chat_template=False,
    ),
    Profile(
        name="florence-2",
        patterns=("florence-2", "florence2"),
        model_types=("florence2",),
        box=BoxConvention("xyxy", "loc1000"),
        box_text=boxtext.FLORENCE2,
        tool_calls="none",
        resize=resize.square(768),
        box_instruction="florence2",
        source="transformers 5.23 Florence2PostProcessor (dequantised at the middle of a bin)",
        max_side=768,
        has_chat_template=False,
    ),
    Profile(
        name="maira-2",
        patterns=("maira-2", "maira2"),
        model_types=("maira2",),
        box=BoxConvention("xyxy", "bins100", field="center_square"),
        box_text=boxtext.MAIRA2,
        tool_calls="none",
        resize=resize.square(518),
        box_instruction="maira2",
        source="the model's own processing code: (bin + 0.5) / 100 on the centre-cropped square",
        max_side=1036,
    ),
    Profile(
        name="radvlm",
        patterns=("radvlm",),
        model_types=(),
        box=BoxConvention("xyxy", "0-1", decimals=2),
        box_text=boxtext.RADVLM,
        tool_calls="none",
        resize=resize.unchanged,
        box_instruction="unit_xyxy",
        source="benchmarks.md 2.0",
    ),
    Profile(
        name="chexagent",
        patterns=("chexagent",),
        model_types=("chexagent",),
        box=BoxConvention("xyxy", "percent100"),
        box_text=boxtext.CHEXAGENT,
        tool_calls="none",
        resize=resize.unchanged,
        box_instruction="chexagent",
        source="benchmarks.md 2.0",
    ),
    Profile(
        name="gemini",
        patterns=("gemini",),
        model_types=(),
        box=_GOOGLE,
        box_text=boxtext.JSON_BOX_2D,
        tool_calls="native",
        resize=resize.unchanged,
        box_instruction="thousand_yxyx",
        source="ai.google.dev, image understanding: box_2d is [ymin, xmin, ymax, xmax], 0 to 1000",
    ),
    Profile(
        name="generic",
        patterns=(),
        model_types=(),
        box=_THOUSAND,
        box_text=boxtext.PLAIN_LIST,
        tool_calls="native",
        resize=resize.unchanged,
        box_instruction="thousand_xyxy",
        source="no family convention: the prompt tells the model to write 0 to 1000, x first",
    ),
)

_BY_NAME = {profile.name: profile for profile in PROFILES}


def profile_named(name: str) -> Profile:
    """The profile with this exact name. Raises ValueError listing the names."""
    if name not in _BY_NAME:
        raise ValueError(f"no model profile is called {name!r}; there are: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def profile_for(model_spec: str) -> Profile:
    """The profile of a model specification ("pocket", "hf:PATH_OR_ID", "openai:NAME", "scripted:FILE").

    A local checkpoint folder is matched by the `model_type` it declares in config.json, and its declared
    pixel limits replace the family's; any other model by its name. A model of no known family gets
    "generic", whose convention the prompt states to the model.
    """
    kind, _, rest = model_spec.partition(":")
    if kind in ("pocket", "scripted"):
        return _BY_NAME["pocket"]
    folder = Path(rest)
    if kind == "hf" and (folder / "config.json").is_file():
        return _profile_of_folder(folder)
    return _match_name(rest or kind)


def _match_name(name: str) -> Profile:
    lowered = name.lower()
    matches = [(len(p), profile) for profile in PROFILES for p in profile.patterns if p in lowered]
    return max(matches, key=lambda match: match[0])[1] if matches else _BY_NAME["generic"]


def _profile_of_folder(folder: Path) -> Profile:
    config = _read_json(folder / "config.json")
    if config.get("foveate_profile"):
        return profile_named(str(config["foveate_profile"]))
    model_type = config.get("model_type")
    family = next((p for p in PROFILES if model_type in p.model_types), None)
    if family is None:
        return _match_name(folder.resolve().name)
    if not family.name.startswith("qwen"):
        return family
    return _with_pixel_limits(family, folder)


def _with_pixel_limits(family: Profile, folder: Path) -> Profile:
    """Qwen-VL checkpoints declare their own patch size and pixel limits; boxes depend on them."""
    declared: dict[str, Any] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        content = _read_json(folder / name) if (folder / name).is_file() else {}
        declared |= content.get("image_processor", content)
    size = declared.get("size") or {}
    low = declared.get("min_pixels") or size.get("shortest_edge")
    high = declared.get("max_pixels") or size.get("longest_edge")
    factor = declared.get("patch_size", 0) * declared.get("merge_size", 0)
    if not (low and high and factor):
        return family
    return replace(family, resize=resize.smart_resize(factor, low, high))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} of the model is not readable JSON") from error
    return loaded if isinstance(loaded, dict) else {}

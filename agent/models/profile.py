"""What a family of vision-language models declares about itself: the `Profile` type.

How it writes boxes, calls tools, takes an image that a tool made, and resizes. Declared, never inferred
from a reply. Knows no image, no prompt text (only the key of a prompt file) and no server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
    source: str  # where the box convention was read; "declared" where no source could be found
    tool_image: ToolImage = "next_user_message"
    max_side: int = 1024
    min_side: int = 224
    style: Style = "full"
    box_tokens_special: bool = False  # box marks are special tokens, which servers strip unless told not to
    fine_tune: bool = False  # of another family's `model_type`, with a box convention of its own
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

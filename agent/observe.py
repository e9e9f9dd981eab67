"""What the model is shown: messages with image references, and the references turned into pixels at the last
moment.

Messages in the state hold {"type": "image_ref", "view": "V1"} blocks. Words come from the prompt files of the
profile's style, boxes are written in the profile's convention. Knows no graph and calls no model.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage

from foveate import prompts
from foveate.agent.models.profiles import Profile
from foveate.tools.context import ToolArtifact
from foveate.tools.evidence import Evidence
from foveate.tools.imaging.frames import Box
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View
from foveate.tools.wording import observation

Block = dict[str, Any]


class PngCache:
    """The PNGs, in base64, of the views used last, so that a long conversation renders each view once."""

    def __init__(self, render: Callable[[View], bytes], size: int = 64) -> None:
        self._render, self._size = render, size
        self._kept: OrderedDict[str, str] = OrderedDict()

    def __call__(self, view: View) -> str:
        png = self._kept.pop(view.id, None) or base64.b64encode(self._render(view)).decode("ascii")
        self._kept[view.id] = png
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return png


def structured(profile: Profile) -> bool:
    """Whether calls and their results have messages of their own kind, and are not mere text."""
    return profile.tool_calls in ("native", "hermes")


def image_ref(view: str) -> Block:
    return {"type": "image_ref", "view": view}


def view_line(profile: Profile, name: str, view: View, image: SourceImage) -> str:
    """The header of a view: its name, its size in the pixels that the model's boxes are in, and its slice."""
    width, height = shown_size(profile, view)
    last = image.slice_count(view.plane) - 1
    fields = {"name": name, "width": width, "height": height}
    if last == 0:
        return prompts.line(profile.style, "view", **fields)
    return prompts.line(
        profile.style, "view_slice", **fields, plane=view.plane, index=view.slice_index, last=last
    )


def shown_size(profile: Profile, view: View) -> tuple[int, int]:
    """The size that a model with absolute coordinates counts in, which its own processor may have changed."""
    resized = profile.box.scale == "absolute_resized"
    return profile.resize(view.width, view.height) if resized else (view.width, view.height)


def check_shape(profile: Profile, view: View) -> None:
    """Raises ValueError, in one sentence, for a view that the model's processor refuses."""
    profile.resize(view.width, view.height)


def box_text(profile: Profile, box: Box) -> str:
    """A box of a view's frame as the profile's model would write it, without brackets."""
    frame = box.frame
    numbers = profile.box_from_view(box.as_tuple(), round(frame.width), round(frame.height))
    return ",".join(f"{number:.{profile.box.decimals}f}" for number in numbers)


def result_text(
    profile: Profile,
    artifact: ToolArtifact,
    view_names: Sequence[str],
    evidence: Sequence[Evidence],
    views: Mapping[str, View],
    image_of: Callable[[str], SourceImage],
) -> str:
    """A tool's result in words, with the names that the run gave to what it made."""
    boxes = []
    for found in evidence:
        source = found.source_box(image_of(found.image))
        boxes.append(box_text(profile, views[found.view].frame.from_source(source)))
    return observation(profile.style, artifact, view_names, evidence, boxes)


def system_message(profile: Profile, use_tools: bool, tools: str) -> SystemMessage:
    """The instructions; `tools` describes the tools to families that have no channel for them."""
    name = "system_no_tools" if not use_tools else "system"
    if profile.tool_calls == "none":
        name = "system_plain"
    text = prompts.text(f"{profile.style}/{name}.txt")
    if profile.style == "compact":
        return SystemMessage(text)
    parts = [text, prompts.text(f"boxes/{profile.box_instruction}.txt")]
    if profile.tool_calls == "json_text":
        parts.append(prompts.fill("full/json_tools.txt", tools=tools))
    return SystemMessage("\n\n".join(parts))


def marked_line(profile: Profile, evidence: Evidence, view: View, image: SourceImage) -> str:
    """A region that the user marked on an opening view."""
    box = view.frame.from_source(evidence.source_box(image))
    return prompts.line(profile.style, "given", id=evidence.id, box=box_text(profile, box))


def question_message(
    profile: Profile, question: str, views: Mapping[str, str], marked: Sequence[str] = ()
) -> HumanMessage:
    """The question under the headers of the views that open it (none in a follow-up on known views)."""
    refs = [image_ref(name) for name in views]
    if not views or profile.tool_calls == "none":
        # families without calls know one image and one question, and no names of views
        return HumanMessage([*refs, {"type": "text", "text": question}])
    lines = "\n".join([*views.values(), *marked])
    text = prompts.fill(f"{profile.style}/look.txt", views=lines, question=question)
    return HumanMessage([*refs, {"type": "text", "text": text}])


def reflect_message(profile: Profile, names: Sequence[str], views: Mapping[str, View]) -> HumanMessage:
    """The new views, and the question whether they show what is claimed."""
    blocks = [] if profile.tool_image == "tool_message" else [image_ref(name) for name in names]
    lines = []
    for name in names:
        width, height = shown_size(profile, views[name])
        lines.append(prompts.line(profile.style, "view_again", name=name, width=width, height=height))
    text = prompts.fill(f"{profile.style}/reflect.txt", views=" ".join(lines))
    return HumanMessage([*blocks, {"type": "text", "text": text}])


def with_pixels(messages: Sequence[AnyMessage], png: Callable[[str], str]) -> list[BaseMessage]:
    """The messages with every image reference replaced by the view's PNG; the originals stay as they are."""
    return [_with_pixels(message, png) for message in messages]


def merged(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages with neighbouring user messages made one, for chat templates that want strict turns."""
    out: list[AnyMessage] = []
    for message in messages:
        if out and isinstance(message, HumanMessage) and isinstance(out[-1], HumanMessage):
            out[-1] = HumanMessage([*_blocks(out[-1]), *_blocks(message)])
        else:
            out.append(message)
    return out


def _blocks(message: BaseMessage) -> list[Any]:
    content = message.content
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _with_pixels(message: BaseMessage, png: Callable[[str], str]) -> BaseMessage:
    content = message.content
    if isinstance(content, str) or not any(_is_ref(block) for block in content):
        return message
    blocks = [_image(png(block["view"])) if _is_ref(block) else block for block in content]  # type: ignore[index]
    return message.model_copy(update={"content": blocks})


def _is_ref(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "image_ref"


def _image(png: str) -> Block:
    return {"type": "image", "base64": png, "mime_type": "image/png"}

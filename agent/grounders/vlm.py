"""A vision-language model's own boxes as a grounder: "vlm[:base_url=URL,profile=NAME,temperature=T]@MODEL".

MODEL is a specification as `--model` takes it (pocket, hf:PATH_OR_ID, openai:NAME). What it is asked and what
its numbers mean is declared by its profile: that of its name (Qwen-VL, MAIRA-2, RadVLM, UniVG-R1,
MedSeq-Grounder and others), or the one named here for a checkpoint whose name does not tell. Boxes have no
scores: the order in which they are written ranks them, and none written does not mean absent. It answers
greedily; a model that can draw its words is also a source of samples, at the temperature T:
"sure:samples=5(vlm@MODEL)".
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage
from PIL.Image import Image, Resampling

from foveate import prompts
from foveate.agent.models.boxtext import BoxTextError
from foveate.agent.models.conventions import BoxConventionError
from foveate.agent.models.errors import ModelError
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import Profile, profile_for, profile_named
from foveate.tools.grounding.card import Card
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.options import read_options
from foveate.tools.grounding.picture import Corners, Finder, PictureGrounder, Seen
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import View

CARD = Card(
    line="a vision-language model asked for boxes in its family's own form; says where, not whether",
    licence="see the model card",
    size="any",
    boxes="declared by the model's profile (agent/models/families.py)",
    usual=("MedSG-Bench/MedSeq-Grounder", "GD-ML/UniVG-R1", "Qwen/Qwen3-VL-4B-Instruct"),
    embedded="vlm",
    example="[:base_url=URL,profile=NAME,temperature=0.7]@MODEL",
)
TEMPERATURE = 0.7
"""Of samples: what `refine` draws with too."""
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def load(recipe: str, model: str) -> Grounder:
    """The chat model of a specification. Raises GrounderError."""
    told = read_options("vlm", recipe, base_url="", profile="", temperature=TEMPERATURE)
    if told["temperature"] <= 0:
        raise GrounderError(f"'vlm' draws at a temperature above 0, not {told['temperature']:g}.")
    spec = model or "pocket"
    try:
        profile = profile_named(told["profile"]) if told["profile"] else profile_for(spec)
        return vlm_grounder(chat_model(spec, told["base_url"] or None), profile, spec, told["temperature"])
    except (ModelError, ValueError) as error:
        raise GrounderError(f"'vlm' cannot load {spec!r}: {error}") from error


def vlm_grounder(
    model: BaseChatModel, profile: Profile, name: str, temperature: float = TEMPERATURE
) -> PictureGrounder:
    """A grounder of any LangChain chat model that reads pictures, with the profile of its family; one of
    Foveate's models, which have `sampling`, can be drawn from."""
    finder, named = VlmFinder(model, profile), f"vlm@{name}"
    sampling = getattr(model, "sampling", None)
    if sampling is None:
        return PictureGrounder(named, finder, "relative")

    def drawn(seed: int) -> VlmFinder:
        return VlmFinder(sampling(temperature, seed), profile)

    return VlmSampler(named, finder, "relative", drawn=drawn)


@dataclass
class VlmSampler(PictureGrounder):
    """A model that can draw its words: a `Sampler` of tools/grounding/uncertainty. `drawn`: from a seed to
    the same finder with a model that draws with it."""

    drawn: Callable[[int], Finder] = field(kw_only=True)

    def draw(self, view: View, image: SourceImage, phrases: Sequence[str], seed: int) -> list[Grounding]:
        """As `ground`, words drawn at the temperature. Raises GrounderError."""
        return replace(self, finder=self.drawn(seed)).ground(view, image, phrases)


@dataclass(frozen=True)
class VlmFinder:
    """One question a phrase, about the picture at a size that the family takes."""

    model: BaseChatModel
    profile: Profile

    def find(self, picture: Image, phrases: Sequence[str]) -> list[Seen]:
        shown = self._sized(picture)
        return [self._one(shown, phrase, picture.width / shown.width) for phrase in phrases]

    def _sized(self, picture: Image) -> Image:
        """As the agent shows an image: no side above the family's largest, none too small to be read."""
        side, top = max(picture.size), self.profile.max_side
        wanted = top if self.profile.style == "compact" else min(top, max(side, self.profile.min_side))
        if wanted == side:
            return picture
        width, height = (max(1, round(edge * wanted / side)) for edge in picture.size)
        return picture.resize((width, height), Resampling.LANCZOS)

    def _one(self, shown: Image, phrase: str, scale: float) -> Seen:
        try:
            text = str(self.model.invoke([self._message(shown, phrase)]).text)
            written = self.profile.parse_boxes(_answer(text))
            drawn = [self.profile.box_to_view(b.numbers, *shown.size) for b in written]
        except ModelError as error:
            raise GrounderError(f"The model failed: {error}.") from error
        except (BoxTextError, BoxConventionError, ValueError) as error:
            raise GrounderError(f"The model wrote a box that cannot be read: {error}.") from error
        boxes: list[Corners] = [(a * scale, b * scale, c * scale, d * scale) for a, b, c, d in drawn]
        scores = [1 / number for number in range(1, len(boxes) + 1)]
        return Seen(boxes, scores, passes=1, detail={"boxes_written": len(boxes)})

    def _message(self, shown: Image, phrase: str) -> HumanMessage:
        asked = prompts.table("ground_native.toml")
        width, height = self.profile.resize(*shown.size)
        if self.profile.box.scale != "absolute_resized":
            width, height = shown.size
        text = asked.get(self.profile.name, asked["default"]).format(
            phrase=phrase, width=width, height=height, form=self.profile.box_text.name,
            boxes=prompts.text(f"boxes/{self.profile.box_instruction}.txt"),
        )  # fmt: skip
        buffer = io.BytesIO()
        shown.save(buffer, "PNG")
        png = base64.b64encode(buffer.getvalue()).decode("ascii")
        image = {"type": "image", "base64": png, "mime_type": "image/png"}
        return HumanMessage(content=[image, {"type": "text", "text": text}])


def _answer(text: str) -> str:
    """What a model that thinks aloud answers in the end: boxes that it only considered do not count."""
    marked = _ANSWER.search(text)
    return marked.group(1) if marked else text.rpartition("</think>")[2]

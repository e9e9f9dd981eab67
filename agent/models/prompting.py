"""From messages to what a transformers model takes, and from its tokens back to text.

Knows templates, processors and their traps; decodes nothing and knows no graph.
"""

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from foveate.agent.models.content import flatten_tool_turns, template_messages
from foveate.agent.models.errors import ModelError
from foveate.agent.models.loading import Loaded, first_line
from foveate.agent.models.profile import Profile


@dataclass(frozen=True)
class Asked:
    """One reply to be written: `given` tokens of prompt, `room` for new ones; `seen` counts what semantic
    sampling does.
    """

    ready: Loaded
    inputs: Any
    given: int
    room: int
    stop: list[str]
    seen: Any

    @property
    def encoder_decoder(self) -> bool:
        return bool(self.ready.model.config.is_encoder_decoder)

    def new(self, tokens: list[int]) -> list[int]:
        """What was written, of all that `generate` gave."""
        return tokens if self.encoder_decoder else tokens[self.given :]

    def text(self, written: list[int]) -> str:
        """The text of written tokens, up to a stop word."""
        text = self._whole(written)
        for word in self.stop:
            text = text.split(word, 1)[0]
        return text

    def text_of(self, tokens: list[int]) -> str:
        return self.text(self.new(tokens)).strip()

    def stopped(self, written: list[int]) -> bool:
        text = self._whole(written)
        return any(word in text for word in self.stop)

    def _whole(self, written: list[int]) -> str:
        kept = [token for token in written if token not in self.ready.trims]
        return str(self.ready.processor.tokenizer.decode(kept, skip_special_tokens=False))


def inputs_of(ready: Loaded, profile: Profile, messages: list[BaseMessage], tools: Any) -> Any:
    if not profile.has_chat_template:
        return _plain_inputs(ready, messages)
    if not ready.processor.chat_template:
        raise ModelError("the model has no chat template")
    if profile.tool_calls in ("json_text", "none"):
        messages, tools = flatten_tool_turns(messages), None
    conversation = template_messages(messages)
    written = _control_token_in(ready, conversation)
    options = {"sanitize_control_tokens": True} if written else {}
    try:
        inputs = ready.processor.apply_chat_template(
            conversation,
            tools=tools or None,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **options,
        )
    except Exception as error:  # Jinja templates and processors raise anything
        if written:
            raise ModelError(f"this model cannot take {written!r} as plain text; leave it out") from error
        raise ModelError(f"the model's chat template refused the talk: {first_line(error)}") from error
    return inputs.to(ready.device)


def _control_token_in(ready: Loaded, conversation: list[dict[str, Any]]) -> str | None:
    """A control token that a text writes out: a question must not be able to end its own turn."""
    tokens = [str(token) for token in ready.processor.tokenizer.added_tokens_decoder.values()]
    texts = [b["text"] for message in conversation for b in message["content"] if b["type"] == "text"]
    return next((t for t in tokens if not t.isspace() and any(t in text for text in texts)), None)


def _plain_inputs(ready: Loaded, messages: list[BaseMessage]) -> Any:
    """Families without a chat: the last image and the last text, as the processor wants them."""
    blocks = [b for m in template_messages(messages) if m["role"] == "user" for b in m["content"]]
    pictures = [block["image"] for block in blocks if block["type"] == "image"]
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    if not pictures or not texts:
        raise ModelError("this model needs one image and one text")
    prompt = getattr(ready.processor, "image_token", "") * _writes_image_token(ready) + texts[-1]
    inputs = ready.processor(images=pictures[-1], text=prompt, return_tensors="pt")
    return inputs.to(ready.device)


def _writes_image_token(ready: Loaded) -> int:
    """PaliGemma wants its image token in the prompt, Florence-2 writes it itself."""
    return int(ready.model.config.model_type == "paligemma")


def room_of(ready: Loaded, given: int, wanted: int) -> int:
    if ready.context and given >= ready.context:
        raise ModelError(f"the conversation has {given} tokens; the model takes {ready.context}")
    return min(wanted, ready.context - given) if ready.context else wanted

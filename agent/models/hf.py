"""A chat model in this process over transformers' AutoModelForImageTextToText.

Loads lazily, once per process and path; decodes greedily unless told otherwise; runs fp32 on a CPU whatever
the file holds (bf16 is 10-20 times slower there). Never runs code from a checkpoint. Knows no graph.
"""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from foveate.agent.models.content import flatten_tool_turns, template_messages
from foveate.agent.models.decoding import NEARLY_GREEDY, Decoding
from foveate.agent.models.errors import ModelError
from foveate.agent.models.loading import Loaded, first_line, load
from foveate.agent.models.parsing import calls_in_text
from foveate.agent.models.profile import Profile
from foveate.agent.models.profiles import profile_for


class HFChatModel(BaseChatModel):
    """A LangChain chat model over a transformers checkpoint in this process.

    `path`: a folder or a hub id. `logits_processors`: transformers LogitsProcessor objects, run on every
    step. `temperature` 0 is greedy. `decoding` and its `table`: semantic sampling; what it did is in
    the reply's `response_metadata["decoding"]`. Raises ModelError.
    """

    path: str
    max_new_tokens: int = 512
    max_seconds: float | None = None  # stops a reply that nobody waits for any more
    device: str = ""  # "" means: a GPU if there is one
    temperature: float = 0.0
    seed: int = 0
    logits_processors: list[Any] = Field(default_factory=list, exclude=True)
    decoding: Any = Field(default=None, exclude=True)
    table: Any = Field(default=None, exclude=True, repr=False)

    @classmethod
    def with_decoding(
        cls, decoding: Decoding | None, path: str, max_tokens: int, seconds: float | None
    ) -> "HFChatModel":
        """A model that decodes like that; its table is found and checked now. Raises TableError."""
        table = None
        if decoding is not None:
            from foveate.tools.semsam.store import table_of

            table = table_of(path, decoding.table, decoding.options.k)
        return cls(path=path, max_new_tokens=max_tokens, max_seconds=seconds, decoding=decoding, table=table)

    @property
    def _llm_type(self) -> str:
        return "foveate-transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"path": self.path, "max_new_tokens": self.max_new_tokens, "temperature": self.temperature}

    @property
    def profile_of_model(self) -> Profile:
        return profile_for(f"hf:{self.path}")

    def loaded(self) -> Loaded:
        """The model in memory; loads it on the first call."""
        import torch

        return load(self.path, self.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The tools reach the chat template as JSON schemas. A forced choice is not supported: ModelError."""
        if tool_choice not in (None, "auto", "any"):
            raise ModelError("a model in this process cannot be forced to call a named tool")
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        ready = self.loaded()
        profile = self.profile_of_model
        inputs = _inputs(ready, profile, messages, kwargs.get("tools"))
        given = int(inputs["input_ids"].shape[1])
        room = _room(ready, given, int(kwargs.get("max_tokens") or self.max_new_tokens))
        seen = self._diagnostics(ready)
        if not ready.turn.acquire(timeout=self.max_seconds or -1):
            raise ModelError("the model was busy with other questions for too long; ask again")
        try:
            tokens = self._decode(ready, inputs, room, stop, seen)
        finally:
            ready.turn.release()
        new = tokens if ready.model.config.is_encoder_decoder else tokens[given:]
        result = _result(ready, profile, new, given, room, self.path, stop)
        if seen is not None:
            result.generations[0].message.response_metadata["decoding"] = seen.report()
        return result

    def _decode(
        self, ready: Loaded, inputs: Any, room: int, stop: list[str] | None, seen: Any = None
    ) -> list[int]:
        import torch
        from transformers import LogitsProcessorList

        sampling: dict[str, Any] = {"do_sample": False}
        temperature = self.temperature
        if self.decoding is not None and self.decoding.draws:
            temperature = temperature or NEARLY_GREEDY
        if temperature > 0:
            torch.manual_seed(self.seed)
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if stop:
            sampling |= {"stop_strings": stop, "tokenizer": ready.processor.tokenizer}
        with torch.inference_mode():
            out = ready.model.generate(
                **inputs,
                max_new_tokens=room,
                max_time=self.max_seconds,
                logits_processor=LogitsProcessorList(
                    [*self.logits_processors, *self._rescorer(temperature, seen)]
                ),
                **sampling,
            )
        return [int(token) for token in out[0]]

    def sampling(self, temperature: float, seed: int) -> "HFChatModel":
        """This model, drawing its tokens: by semantic sampling where that speaks, else at a temperature."""
        how = {
            "temperature": temperature,
            "seed": seed,
            "decoding": self.decoding and self.decoding.drawing(),
        }
        return self.model_copy(update=how)

    def _rescorer(self, temperature: float, seen: Any) -> list[Any]:
        """Semantic sampling as a logits processor, if it is wanted."""
        if self.decoding is None:
            return []
        from foveate.tools.semsam.hf import SemSamLogitsProcessor

        heat, options = temperature or 1.0, self.decoding.options
        return [SemSamLogitsProcessor(self.table, options, temperature=heat, diagnostics=seen)]

    def _diagnostics(self, ready: Loaded) -> Any:
        """Counts what semantic sampling does in one reply; None without it. Raises OptionError for beams."""
        if self.decoding is None:
            return None
        from foveate.tools.semsam.diagnostics import Diagnostics
        from foveate.tools.semsam.hf import beam_free

        beam_free(ready.model.generation_config)
        tokenizer = ready.processor.tokenizer
        return Diagnostics(self.table, lambda token: str(tokenizer.decode([token])))


def _inputs(ready: Loaded, profile: Profile, messages: list[BaseMessage], tools: Any) -> Any:
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


def _room(ready: Loaded, given: int, wanted: int) -> int:
    if ready.context and given >= ready.context:
        raise ModelError(f"the conversation has {given} tokens; the model takes {ready.context}")
    return min(wanted, ready.context - given) if ready.context else wanted


def _result(
    ready: Loaded,
    profile: Profile,
    tokens: list[int],
    given: int,
    room: int,
    name: str,
    stop: list[str] | None,
) -> ChatResult:
    kept = [token for token in tokens if token not in ready.trims]
    text = ready.processor.tokenizer.decode(kept, skip_special_tokens=False)
    stopped = any(word in text for word in stop or [])
    for word in stop or []:
        text = text.split(word, 1)[0]
    ended = any(token in ready.ends for token in tokens[-1:])
    calls: list[ToolCall] = []
    if profile.tool_calls == "hermes" and "<tool_call>" in text:
        parsed, _ = calls_in_text(text)
        calls = [ToolCall(name=c.name, args=c.arguments, id=c.id, type="tool_call") for c in parsed]
    finish = "tool_calls" if calls else "stop" if ended or stopped else "length"
    usage = UsageMetadata(input_tokens=given, output_tokens=len(tokens), total_tokens=given + len(tokens))
    message = AIMessage(
        content=text.split("<tool_call>", 1)[0].strip() if calls else text.strip(),
        tool_calls=calls,
        usage_metadata=usage,
        response_metadata={"finish_reason": finish, "model_name": name},
    )
    return ChatResult(generations=[ChatGeneration(message=message)])

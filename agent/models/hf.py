"""A chat model in this process over transformers' AutoModelForImageTextToText.

Loads lazily, once per process and path; decodes greedily unless told otherwise; runs fp32 on a CPU whatever
the file holds (bf16 is 10-20 times slower there). Never runs code from a checkpoint. Knows no graph.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from foveate.agent.models.decoding import NEARLY_GREEDY, Decoding
from foveate.agent.models.errors import ModelError
from foveate.agent.models.loading import Loaded, load
from foveate.agent.models.parsing import calls_in_text
from foveate.agent.models.profile import Profile
from foveate.agent.models.profiles import profile_for
from foveate.agent.models.prompting import Asked, inputs_of, room_of
from foveate.agent.models.streaming import Stopping, Telling, TokenFeed, written


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
        asked = self._asked(messages, stop, kwargs)
        with self._turn(asked.ready):
            tokens = self._decode(asked)
        return ChatResult(generations=[ChatGeneration(message=self._reply(asked, tokens))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """The text as it is written, calls in the form in which the model writes them; the last chunk has the
        calls, the usage and the rest of what `_generate` gives.
        """
        asked, telling = self._asked(messages, stop, kwargs), Telling(stop or [])

        def generate(feed: TokenFeed, stopping: Stopping) -> list[int]:
            with self._turn(asked.ready):
                return self._decode(asked, feed, stopping)

        heard: list[int] = []
        for told in written(generate, first=not asked.encoder_decoder):
            if isinstance(told, list):
                chunk = _last_chunk(self._reply(asked, told), telling.end(asked.text_of(told)))
                yield ChatGenerationChunk(message=chunk)
                return
            heard.append(told)
            if delta := telling.feed(asked.text(heard)):
                yield ChatGenerationChunk(message=AIMessageChunk(content=delta))

    def _asked(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Asked:
        """Everything that one reply needs, checked."""
        ready = self.loaded()
        inputs = inputs_of(ready, self.profile_of_model, messages, options.get("tools"))
        given = int(inputs["input_ids"].shape[1])
        room = room_of(ready, given, int(options.get("max_tokens") or self.max_new_tokens))
        return Asked(ready, inputs, given, room, stop or [], self._diagnostics(ready))

    @contextmanager
    def _turn(self, ready: Loaded) -> Iterator[None]:
        if not ready.turn.acquire(timeout=self.max_seconds or -1):
            raise ModelError("the model was busy with other questions for too long; ask again")
        try:
            yield
        finally:
            ready.turn.release()

    def _reply(self, asked: Asked, tokens: list[int]) -> AIMessage:
        message = _message(asked, asked.new(tokens), self.profile_of_model, self.path)
        if asked.seen is not None:
            message.response_metadata["decoding"] = asked.seen.report()
        return message

    def _decode(
        self, asked: Asked, feed: TokenFeed | None = None, stopping: Stopping | None = None
    ) -> list[int]:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        sampling: dict[str, Any] = {"do_sample": False}
        temperature = self.temperature
        if self.decoding is not None and self.decoding.draws:
            temperature = temperature or NEARLY_GREEDY
        if temperature > 0:
            torch.manual_seed(self.seed)
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if asked.stop:
            sampling |= {"stop_strings": asked.stop, "tokenizer": asked.ready.processor.tokenizer}
        processors = [*self.logits_processors, *self._rescorer(temperature, asked.seen)]
        criteria: list[Any] = [] if stopping is None else [stopping]
        with torch.inference_mode():
            out = asked.ready.model.generate(
                **asked.inputs,
                max_new_tokens=asked.room,
                max_time=self.max_seconds,
                logits_processor=LogitsProcessorList(processors),
                stopping_criteria=StoppingCriteriaList(criteria),
                streamer=feed,
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


def _message(asked: Asked, tokens: list[int], profile: Profile, name: str) -> AIMessage:
    text = asked.text(tokens)
    calls: list[ToolCall] = []
    if profile.tool_calls == "hermes" and "<tool_call>" in text:
        parsed, _ = calls_in_text(text)
        calls = [ToolCall(name=c.name, args=c.arguments, id=c.id, type="tool_call") for c in parsed]
    ended = any(token in asked.ready.ends for token in tokens[-1:]) or asked.stopped(tokens)
    finish = "tool_calls" if calls else "stop" if ended else "length"
    given, count = asked.given, len(tokens)
    usage = UsageMetadata(input_tokens=given, output_tokens=count, total_tokens=given + count)
    return AIMessage(
        content=text.split("<tool_call>", 1)[0].strip() if calls else text.strip(),
        tool_calls=calls,
        usage_metadata=usage,
        response_metadata={"finish_reason": finish, "model_name": name},
    )


def _last_chunk(reply: AIMessage, rest: str) -> AIMessageChunk:
    """What a stream has not told yet of a finished reply."""
    calls: list[ToolCallChunk] = [
        tool_call_chunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"], index=i)
        for i, c in enumerate(reply.tool_calls)
    ]
    return AIMessageChunk(
        content=rest,
        tool_call_chunks=calls,
        usage_metadata=reply.usage_metadata,
        response_metadata=reply.response_metadata,
        chunk_position="last",
    )

"""A chat model that replays the replies of a recorded trace: for tests and for deterministic replay.

The file is JSON with "replies": [{"content", "tool_calls"?, "usage"?}], as `Result.trace()` writes it. The
reply given is the one whose number is the count of replies already in the conversation, so that a replay
depends on nothing but the messages. Knows no graph.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field

from foveate.agent.models.errors import ModelError


class ScriptedChatModel(BaseChatModel):
    """Replays `replies`, AIMessages in order. Raises ModelError when the script is at its end."""

    # not in its representation: LangChain makes one for its callbacks, which costs seconds for a long trace
    replies: list[AIMessage] = Field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> "ScriptedChatModel":
        """Reads a trace. Raises ModelError for a file that is not one."""
        trace = read_trace(path)
        try:
            return cls(replies=[_message(reply) for reply in trace["replies"]])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path.name} is not a trace: a reply in it cannot be read") from error

    @property
    def _llm_type(self) -> str:
        return "foveate-scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tools change nothing in a replay."""
        return self.bind()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        number = sum(isinstance(message, AIMessage) for message in messages)
        if number >= len(self.replies):
            raise ModelError(f"the script has {len(self.replies)} replies and was asked for one more")
        # a copy: LangChain writes a run id into the message it hands on
        return ChatResult(generations=[ChatGeneration(message=self.replies[number].model_copy(deep=True))])


def read_trace(path: Path) -> dict[str, Any]:
    """The trace in a file, with its "replies" checked to be a list. Raises ModelError."""
    try:
        trace = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"the trace {path.name} is not a readable JSON file") from error
    if not isinstance(trace, dict) or not isinstance(trace.get("replies"), list):
        raise ModelError(f'{path.name} is not a trace: it has no list of "replies"')
    return trace


def _message(reply: dict[str, Any]) -> AIMessage:
    fields: dict[str, Any] = {"content": reply["content"]}
    if reply.get("tool_calls"):
        fields["tool_calls"] = reply["tool_calls"]
    if reply.get("usage"):
        fields["usage_metadata"] = reply["usage"]
    return AIMessage(**fields)

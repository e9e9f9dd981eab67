"""A chat model whose replies are made by code, so that the real agent graph runs what a program plays.

Subclasses write `reply`; binding tools changes nothing for them. Knows no graph and no task.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool


class PlayedModel(BaseChatModel):
    """Gives what `reply` makes of the messages."""

    @abstractmethod
    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        """The next message of the conversation."""

    @property
    def _llm_type(self) -> str:
        return "foveate-played"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.reply(messages))])

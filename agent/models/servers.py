"""A chat model behind an OpenAI-compatible server: vLLM, transformers serve, llama.cpp, OpenAI itself.

A thin layer over langchain-openai: streams only where somebody listens, sends images as data URLs, and turns
every failure into a ModelError of one sentence that holds no key. Knows no graph; what a reply means is
`parsing.py`.
"""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field, SecretStr

from foveate.agent.models.content import flatten_tool_turns
from foveate.agent.models.decoding import NEARLY_GREEDY, Decoding, check_server
from foveate.agent.models.errors import ModelError
from foveate.agent.models.gather import gather
from foveate.agent.models.profiles import profile_for

KEY_VARIABLES = ("FOVEATE_API_KEY", "OPENAI_API_KEY")
NO_KEY = "EMPTY"  # what vLLM and its kin take when they ask for none
MAX_RETRIES = 1
_MESSAGE_LIMIT = 200
# Reasoning models refuse a temperature.
_NO_TEMPERATURE = re.compile(r"^(o\d|gpt-5)")


class ServerChatModel(ChatOpenAI):
    """A model of an OpenAI-compatible server. Use `connect`; raises ModelError."""

    decoding: Any = Field(default=None, exclude=True)

    @classmethod
    def connect(
        cls,
        name: str,
        base_url: str | None,
        api_key_env: str | None,
        *,
        max_tokens: int,
        timeout: float,
        decoding: Decoding | None = None,
    ) -> "ServerChatModel":
        """`name` as the server lists it; `base_url` ends in /v1, None means OpenAI's own.

        With a `decoding` the server is asked whether it can: ModelError if not.
        """
        if decoding is not None and base_url is None:
            check_server(None, name, NO_KEY, decoding)
        key = api_key(api_key_env, needed=base_url is None)
        if base_url is None:
            limit: dict[str, Any] = {"max_completion_tokens": max_tokens}
        else:
            check_base_url(base_url)
            limit = {"extra_body": _server_body(name, max_tokens)}
        temperature = None if _NO_TEMPERATURE.match(name) else 0.0
        if decoding is not None:
            check_server(base_url, name, key, decoding)
            limit["extra_body"] |= decoding.server_body()
            temperature = NEARLY_GREEDY if decoding.draws else 0.0
        if not os.environ.get("OPENAI_PROXY"):  # langchain-openai makes its own client for that
            hooks = {"response": [gather]}
            limit["http_async_client"] = openai.DefaultAsyncHttpxClient(timeout=timeout, event_hooks=hooks)
        return cls(
            model=name,
            base_url=base_url,
            api_key=SecretStr(key),
            temperature=temperature,
            timeout=timeout,
            max_retries=MAX_RETRIES,
            stream_usage=True,
            use_responses_api=False,
            decoding=decoding,
            **limit,
        )

    def sampling(self, temperature: float, seed: int) -> "ServerChatModel":
        """This model, drawing its tokens: by semantic sampling where that speaks, else at a temperature."""
        how = self.decoding and self.decoding.drawing()
        body = {**(self.extra_body or {}), **(how.server_body() if how else {})}
        changed = {"temperature": temperature, "seed": seed, "extra_body": body, "decoding": how}
        return self.model_copy(update=changed)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        messages, kwargs = self._prepared(messages, kwargs)
        try:
            return _with_a_choice(super()._generate(messages, stop, run_manager, **kwargs))
        except Exception as error:
            raise self._translated(error) from None

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        messages, kwargs = self._prepared(messages, kwargs)
        try:
            return _with_a_choice(await super()._agenerate(messages, stop, run_manager, **kwargs))
        except Exception as error:
            raise self._translated(error) from None

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        messages, kwargs = self._prepared(messages, kwargs)
        some = False
        try:
            for chunk in super()._stream(messages, *args, **kwargs):
                some = True
                yield chunk
            _with_a_chunk(some)
        except Exception as error:
            raise self._translated(error) from None

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        messages, kwargs = self._prepared(messages, kwargs)
        some = False
        try:
            async for chunk in super()._astream(messages, *args, **kwargs):
                some = True
                yield chunk
            _with_a_chunk(some)
        except Exception as error:
            raise self._translated(error) from None

    def _prepared(
        self, messages: list[BaseMessage], kwargs: dict[str, Any]
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """Families without tool turns get them as text, and no tool schemas."""
        if profile_for(f"openai:{self.model_name}").tool_calls in ("native", "hermes"):
            return messages, kwargs
        dropped = ("tools", "tool_choice", "parallel_tool_calls")
        return flatten_tool_turns(messages), {k: v for k, v in kwargs.items() if k not in dropped}

    def _translated(self, error: Exception) -> ModelError:
        """One sentence about the failure, without the key. The cause is dropped: it may quote the request."""
        if isinstance(error, ModelError):
            return error
        return ModelError(self._hidden(_sentence(error, self.model_name, _shown_url(self.openai_api_base))))

    def _hidden(self, text: str) -> str:
        key = self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""
        return text.replace(key, "***") if key and key != NO_KEY else text


def api_key(variable: str | None, *, needed: bool) -> str:
    """The key from the environment. Raises ModelError when a key is needed or named and there is none."""
    names = (variable,) if variable else KEY_VARIABLES
    key = next((value for name in names if (value := os.environ.get(name, "").strip())), None)
    if key is not None:
        return key
    if variable or needed:
        raise ModelError(f"no API key: set the environment variable {names[-1]}")
    return NO_KEY


def check_base_url(base_url: str) -> None:
    """Raises ModelError for anything but an http(s) address with a host."""
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port is not False
    except ValueError:
        usable = False
    if not usable:
        raise ModelError("the base URL must look like http://HOST:PORT/v1")


def _with_a_choice(result: ChatResult) -> ChatResult:
    if not result.generations:
        raise ValueError("no choices")
    return result


def _with_a_chunk(some: bool) -> None:
    if not some:
        raise ValueError("no choices")


def _server_body(name: str, max_tokens: int) -> dict[str, Any]:
    """The body's plain `max_tokens` is understood by every server, unlike OpenAI's own newer name."""
    body: dict[str, Any] = {"max_tokens": max_tokens}
    if profile_for(f"openai:{name}").box_tokens_special:
        body["skip_special_tokens"] = False  # else the server strips the box tokens from the text
    return body


def _shown_url(base_url: str | None) -> str:
    """Host and path without user, password or query."""
    if not base_url:
        return "the OpenAI API"
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _sentence(error: Exception, model: str, server: str) -> str:
    # From the most to the least specific: a timeout is a connection error, a 401 a status error.
    if isinstance(error, openai.APITimeoutError):
        return f"{server} did not answer in time"
    if isinstance(error, openai.APIConnectionError):
        return f"{server} cannot be reached or dropped the connection"
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"{server} refused the API key (HTTP {error.status_code})"
    if isinstance(error, openai.NotFoundError):
        return f"{server} has no model {model!r}, or its address does not end in /v1 (HTTP 404)"
    if isinstance(error, openai.RateLimitError):
        return f"{server} is over its rate limit or quota (HTTP 429)"
    if isinstance(error, openai.APIStatusError):
        return f"{server} failed with HTTP {error.status_code}: {_detail(error)}"
    if isinstance(error, json.JSONDecodeError | openai.APIResponseValidationError):
        return f"{server} answered with something that is not a chat completion"
    if isinstance(error, TypeError | KeyError | AttributeError | ValueError | IndexError):
        return f"{server} answered with something that is not a chat completion ({type(error).__name__})"
    return f"the call to {server} failed: {type(error).__name__}"


def _detail(error: openai.APIStatusError) -> str:
    body: Any = error.body
    message = body.get("message") if isinstance(body, dict) else None
    text = message if isinstance(message, str) else error.message
    return " ".join(text.split())[:_MESSAGE_LIMIT]

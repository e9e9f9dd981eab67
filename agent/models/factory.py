"""Makes a LangChain chat model from a model specification.

"pocket", "hf:PATH_OR_ID", "openai:NAME" (with or without a base URL), "scripted:FILE". Knows no graph and
no prompt. Providers are imported only when they are asked for.
"""

from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from foveate.agent.models.errors import ModelError
from foveate.agent.models.pocket import pocket_folder

SPECS = "pocket, hf:PATH_OR_ID, openai:NAME, scripted:FILE"
DEFAULT_MAX_TOKENS = 512
DEFAULT_TIMEOUT = 120.0


def chat_model(
    spec: str,
    base_url: str | None = None,
    api_key_env: str | None = None,
    *,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    timeout: float = DEFAULT_TIMEOUT,
) -> BaseChatModel:
    """The chat model of a specification.

    `api_key_env` names the environment variable that holds the key (default FOVEATE_API_KEY, then
    OPENAI_API_KEY). `timeout` is seconds per reply. Raises ModelError.
    """
    kind, _, rest = spec.partition(":")
    if kind == "openai" and rest:
        from foveate.agent.models.servers import ServerChatModel

        return ServerChatModel.connect(rest, base_url, api_key_env, max_tokens=max_tokens, timeout=timeout)
    if base_url is not None:
        raise ModelError(f"--base-url needs a model of the form openai:NAME, not {spec!r}")
    if spec == "pocket":
        from foveate.agent.models.hf import HFChatModel

        return HFChatModel(path=str(pocket_folder()), max_new_tokens=max_tokens, max_seconds=timeout)
    if kind == "hf" and rest:
        from foveate.agent.models.hf import HFChatModel

        return HFChatModel(path=rest, max_new_tokens=max_tokens, max_seconds=timeout)
    if kind == "scripted" and rest:
        from foveate.agent.models.scripted import ScriptedChatModel

        return ScriptedChatModel.from_file(Path(rest))
    raise ModelError(f"{spec!r} is not a model; use one of {SPECS}")

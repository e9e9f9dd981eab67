"""Makes a LangChain chat model from a model specification.

"pocket", "hf:PATH_OR_ID", "openai:NAME" (with or without a base URL), "scripted:FILE". Knows no graph and
no prompt. Providers are imported only when they are asked for.
"""

from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from foveate.agent.models.decoding import read_decoding
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
    decoding: str | None = None,
) -> BaseChatModel:
    """The chat model of a specification.

    `api_key_env` names the environment variable that holds the key (default FOVEATE_API_KEY, then
    OPENAI_API_KEY). `timeout` is seconds per reply. `decoding` is "default" or "semsam[:k=16,m=20,…]", for
    models whose logits can be reached. Raises ModelError, OptionError or TableError.
    """
    how = read_decoding(decoding)
    kind, _, rest = spec.partition(":")
    if kind == "openai" and rest:
        from foveate.agent.models.servers import ServerChatModel

        return ServerChatModel.connect(
            rest, base_url, api_key_env, max_tokens=max_tokens, timeout=timeout, decoding=how
        )
    if base_url is not None:
        raise ModelError(f"--base-url needs a model of the form openai:NAME, not {spec!r}")
    if spec == "pocket":
        from foveate.agent.models.hf import HFChatModel

        return HFChatModel.with_decoding(how, str(pocket_folder()), max_tokens, timeout)
    if kind == "hf" and rest:
        from foveate.agent.models.hf import HFChatModel

        return HFChatModel.with_decoding(how, rest, max_tokens, timeout)
    if kind == "scripted" and rest:
        if how is not None:
            raise ModelError("semantic sampling needs logits: a scripted model has none")
        from foveate.agent.models.scripted import ScriptedChatModel

        return ScriptedChatModel.from_file(Path(rest))
    raise ModelError(f"{spec!r} is not a model; use one of {SPECS}")

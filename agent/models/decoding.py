"""`--decoding`: how a model's next token is chosen; ordinary decoding, or semantic sampling where logits are.

Reads the option, and asks a server whether it can. Knows no graph and no table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foveate.agent.models.errors import ModelError
from foveate.agent.models.vllm_server import ALIAS
from foveate.tools.semsam.options import NAME, OptionError, Options, parse_decoding

NEARLY_GREEDY = 0.01
"""The temperature beside mode=softmax: deferred steps take the likeliest token, tau rules the others. vLLM
takes no smaller one."""
PROBE_SECONDS = 20.0


@dataclass(frozen=True)
class Decoding:
    """Semantic sampling with these options; `table`: a file, None for the one in the cache."""

    options: Options
    table: Path | None = None

    @property
    def draws(self) -> bool:
        return self.options.mode == "softmax"

    def drawing(self) -> Decoding:
        """The same, drawn from scores."""
        return replace(self, options=replace(self.options, mode="softmax"))

    def told(self) -> dict[str, Any]:
        """What a result says of it."""
        return {"name": NAME, "options": self.options.text() or "defaults"}

    def server_body(self) -> dict[str, Any]:
        """What a request to a vLLM server carries; scores are cut already, so nothing may cut them again."""
        body: dict[str, Any] = {"vllm_xargs": {NAME: self.options.text()}}
        return body | ({"top_p": 1.0, "top_k": 0, "min_p": 0.0} if self.draws else {})


def read_decoding(text: str | None) -> Decoding | None:
    """`default` or None, or `semsam[:OPTIONS]`, where `table=FILE` names a table. Raises OptionError."""
    if text is None:
        return None
    name, colon, rest = text.partition(":")
    parts = rest.split(",")
    tables = [part.strip().removeprefix("table=") for part in parts if part.strip().startswith("table=")]
    if len(tables) > 1 or "" in tables:
        raise OptionError("semsam: table=FILE names one file")
    left = ",".join(part for part in parts if not part.strip().startswith("table="))
    options = parse_decoding(f"{name}{colon}{left}" if left or not tables else name)
    if options is None:
        return None
    return Decoding(options, Path(tables[0]) if tables else None)


def decoding_report(model: object, seen: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """How a model decodes, with what was seen of it; None where it decodes in the ordinary way.

    A server does not tell what it did.
    """
    decoding = getattr(model, "decoding", None)
    return decoding.told() | (seen or {}) if isinstance(decoding, Decoding) else None


def check_server(base_url: str | None, model: str, key: str, decoding: Decoding) -> None:
    """Raises ModelError unless the server is a vLLM that does semantic sampling; asks it, at once."""
    import openai

    if base_url is None:
        raise ModelError("semantic sampling needs logits: OpenAI's own API gives none; use a vLLM server")
    if decoding.table is not None:
        raise ModelError(
            "a vLLM server has its own table: set FOVEATE_SEMSAM_TABLE there, leave table= out here"
        )
    client = openai.OpenAI(base_url=base_url, api_key=key, timeout=PROBE_SECONDS, max_retries=0)
    try:
        owners = {getattr(entry, "owned_by", None) for entry in client.models.list().data}
        if "vllm" not in owners:
            raise ModelError(
                "the server is not vLLM: semantic sampling needs logits, which other servers do not give"
            )
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "."}],
            max_tokens=1,
            extra_body={"vllm_xargs": {NAME: "probe"}},
        )
    except openai.BadRequestError as error:
        if NAME in str(error):
            return  # it reads the option, and refuses this one
        raise ModelError("the server refused to be asked about semantic sampling (HTTP 400)") from None
    except (openai.OpenAIError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the server could not be asked about semantic sampling: {type(error).__name__}"
        ) from None
    raise ModelError(
        f"the vLLM server does no semantic sampling: start it with --logits-processors {ALIAS}"
        " and FOVEATE_SEMSAM_TABLE=FILE"
    )

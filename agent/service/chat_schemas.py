"""What OpenAI's chat protocol sends, as far as it means something here. Knows no session."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_MESSAGES = 400
DISC = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAbklEQVR42u2WQQ7AIAgEhfQxPsLn8zBPvdSmC7Hehp"
    "Os7gQiMVpve+ENAAAAvwCuzKFxL2Lds563vyK85n9kGcAQuRf9i3L6GofUGGUACUBI7XgLoRRZQYhctxDfFVnmh7L5"
    "JjLKAAAAAAAAQCUm3roMH59TokIAAAAASUVORK5CYII="
)
EXAMPLE: dict[str, Any] = {
    "model": "foveate",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Is there a nodule? Where?"},
                {"type": "image_url", "image_url": {"url": DISC}},
            ],
        }
    ],
}


class ImageUrl(BaseModel):
    """A data URL, or an address of an allowed host."""

    url: Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A piece of a message: text or an image; other kinds are refused."""

    type: Literal["text", "image_url"]
    text: str = ""
    image_url: ImageUrl | str | None = None


class Message(BaseModel):
    """One message. System messages are taken as none: the agent has instructions of its own."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """All its text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def images(self) -> list[str]:
        """The addresses of its images."""
        parts = self.content if isinstance(self.content, list) else []
        urls = (part.image_url for part in parts if part.type == "image_url")
        return [url.url if isinstance(url, ImageUrl) else url for url in urls if url]


class StreamOptions(BaseModel):
    """`include_usage`: a last chunk with the tokens."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat completion. Sampling options are accepted and have no effect: the server's model decides."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    model: Annotated[str, Field(max_length=200)] = "foveate"
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int | None, Field(ge=1, le=1)] = None


class ChatOut(BaseModel):
    """A chat completion as OpenAI gives it, and `foveate`: session, turn, claims, evidence with boxes in
    source pixels, steps, abstention, confidence and overlays' addresses."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]
    foveate: dict[str, Any]


class ModelOut(BaseModel):
    """A model as OpenAI lists it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsOut(BaseModel):
    """The list of models: this server has one."""

    object: Literal["list"]
    data: list[ModelOut]

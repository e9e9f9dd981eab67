"""The arguments of the tools that only MCP has, and how a session is added to those of the look tools.

Descriptions are prompt text from `prompts/mcp.toml`. Knows no protocol.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from foveate import prompts
from foveate.agent.budget import MAX_QUESTION
from foveate.tools.arguments import Arguments, BoxNumbers, RegionName, ViewName


def about(tool: str, argument: str = "about") -> str:
    """What a client's model is told of a tool or an argument."""
    words: str = prompts.table("mcp.toml")[tool][argument]
    return words


def _told(tool: str, argument: str, **checks: Any) -> Any:
    return Field(description=about(tool, argument), **checks)


SessionName = Annotated[str, _told("shared", "session", max_length=64)]


class OpenArguments(Arguments):
    path: Annotated[str | None, _told("open_image", "path", max_length=4096)] = None
    data: Annotated[str | None, _told("open_image", "data")] = None
    session: Annotated[str | None, _told("open_image", "session", max_length=64)] = None
    window: Annotated[str | None, _told("open_image", "window", max_length=60)] = None
    slice: Annotated[int | None, _told("open_image", "slice", ge=0)] = None
    plane: Annotated[str | None, _told("open_image", "plane", max_length=20)] = None


class AskArguments(Arguments):
    session: SessionName
    question: Annotated[str, _told("ask", "question", min_length=1, max_length=MAX_QUESTION)]
    region: RegionName = None
    box: BoxNumbers = None
    view: ViewName = None


class CloseArguments(Arguments):
    session: SessionName


def with_session(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a look tool's arguments, with the session in front."""
    told = schema.model_json_schema()
    session = {"type": "string", "description": about("shared", "session"), "maxLength": 64}
    return {
        **told,
        "properties": {"session": session, **told.get("properties", {})},
        "required": ["session", *told.get("required", [])],
    }

"""`foveate mcp`: the image tools and `ask` for MCP clients, over standard input and output or over HTTP.

Heavy things are imported when the command runs. Knows options; `agent.mcp` knows the rest.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveate.agent.cli_errors import InputError, say
from foveate.agent.listening import is_loopback, listen

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

KEY = "FOVEATE_MCP_KEY"
SHORTEST_KEY = 20


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP at /mcp, not stdio.")] = False,
    host: Annotated[
        str, typer.Option("--host", help=f"Address for HTTP; others than loopback need {KEY} set.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8601,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name that HTTP clients call the server by.")
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root", metavar="DIR", help="Folder whose files may be opened; default for stdio: here."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="For ask: pocket, hf:PATH_OR_ID, openai:NAME.")
    ] = "pocket",
    base_url: Annotated[str | None, typer.Option("--base-url", help="An OpenAI-compatible server.")] = None,
    grounder: Annotated[
        str, typer.Option("--grounder", help="What finds phrases; none for none.")
    ] = "pocket",
    max_steps: Annotated[int, typer.Option("--max-steps", min=1, help="Turns of the model at most.")] = 8,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.1, help="Seconds a question.")] = 120,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Serve the image tools and ask to MCP clients."""
    _needs_extra()
    from foveate.agent.budget import Budget
    from foveate.agent.mcp.server import Service, make_server
    from foveate.agent.models.profiles import profile_for
    from foveate.agent.run import Agent

    profile_for(model)  # a wrong name is told now, not at the first question
    budget = Budget(steps=max_steps, seconds=max_seconds)
    roots = [folder.resolve() for folder in (root or ([] if http else [Path()]))]
    for folder in roots:
        if not folder.is_dir():
            raise InputError(f"--root {folder} is no folder; name one that exists.")
    service = Service(
        lambda store: Agent(model, base_url, grounder, budget=budget, store=store), grounder, roots
    )
    server = make_server(service)
    if http:
        run_http(server, host, port, tuple(allow_host or ()))
    else:
        asyncio.run(_stdio(server))


def run_http(server: Server[dict[str, Any]], host: str, port: int, hosts: tuple[str, ...]) -> None:
    """Serves until it is told to stop. Raises InputError for an address that needs a key."""
    import uvicorn

    from foveate.agent.mcp.http import http_app

    key = os.environ.get(KEY) or None
    if key is not None and len(key) < SHORTEST_KEY:
        raise InputError(f"{KEY} is too short; take {SHORTEST_KEY} characters or more.")
    if key is None and not is_loopback(host):
        raise InputError(
            f"{host} can be reached from other machines and this server has no key; "
            f"set the environment variable {KEY}, or stay at 127.0.0.1."
        )
    app = http_app(server, host, hosts, key)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)
    listen(config, lambda address: say(f"serving MCP at http://{address}/mcp"))


async def _stdio(server: Server[dict[str, Any]]) -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def _needs_extra() -> None:
    """Raises InputError when the SDK is not installed."""
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise InputError("This command needs the package mcp; install it with: pip install 'foveate[mcp]'.")

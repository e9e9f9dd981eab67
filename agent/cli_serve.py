"""`foveate serve` and `foveate keys`: starts the HTTP service, and makes, lists and revokes its keys.

Heavy things are imported when a command runs. Knows options; the service knows the rest.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveate.agent.checks.level import Level
from foveate.agent.cli_errors import InputError, say
from foveate.agent.listening import listen

if TYPE_CHECKING:
    from foveate.agent.service.database import Database
    from foveate.agent.service.settings import Settings

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Sessions (SQLite), images and temporary files.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="postgresql://… for sessions, instead of SQLite."),
]
DEFAULT_DATA = Path("foveate-data")


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; others need keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8600,
    data: Data = DEFAULT_DATA,
    database: DatabaseUrl = None,
    images: Annotated[
        str | None, typer.Option("--images", metavar="URL", help="Folder or fsspec URL for images.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="pocket, hf:PATH_OR_ID, openai:NAME or scripted:FILE.")
    ] = "pocket",
    base_url: Annotated[str | None, typer.Option("--base-url", help="An OpenAI-compatible server.")] = None,
    no_tools: Annotated[bool, typer.Option("--no-tools", help="Answer in one look, without tools.")] = False,
    grounder: Annotated[str, typer.Option("--grounder", help="What finds phrases.")] = "pocket",
    decoding: Annotated[
        str, typer.Option("--decoding", metavar="default|semsam[:…]", help="How tokens are chosen.")
    ] = "default",
    checks: Annotated[
        Level, typer.Option("--checks", help="What is checked of answers to questions that name no level.")
    ] = "none",
    max_steps: Annotated[int, typer.Option("--max-steps", min=1, help="Turns of the model at most.")] = 8,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.1, help="Seconds a question.")] = 120,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name that the server is called by.")
    ] = None,
    allow_url_host: Annotated[
        list[str] | None, typer.Option("--allow-url-host", help="A host that images may be fetched from.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Serve sessions over HTTP: upload, ask, stream, follow up."""
    _needs_extra()
    from foveate.agent.budget import Budget
    from foveate.agent.service.settings import Settings

    run_server(
        Settings(
            data=data,
            database=database,
            images=images,
            host=host,
            port=port,
            model=model,
            base_url=base_url,
            grounder=grounder,
            decoding=decoding,
            checks=checks,
            use_tools=not no_tools,
            budget=Budget(steps=max_steps, seconds=max_seconds),
            hosts=tuple(allow_host or ()),
            url_hosts=tuple(allow_url_host or ()),
        )
    )


def run_server(settings: Settings) -> None:
    """Serves until it is told to stop. Raises InputError for an address that needs keys."""
    import uvicorn

    from foveate.agent.service.app import create_app
    from foveate.agent.service.logs import configure

    if not settings.loopback and not asyncio.run(_has_keys(settings)):
        raise InputError(
            f"{settings.host} can be reached from other machines and this server has no keys; "
            "make one with 'foveate keys add NAME' (same --data or --database), or stay at 127.0.0.1."
        )
    configure()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        limit_concurrency=1000,
    )
    listen(config, lambda address: say(f"serving at http://{address}"))
    sys.stderr.flush()
    os._exit(0)  # all is closed; a model that hangs in its thread must not hold up the end


async def _has_keys(settings: Settings) -> bool:
    from foveate.agent.service.keys import any_key

    return bool(await _with_database(settings.data, settings.database, any_key))


keys_app = typer.Typer(
    name="keys", help="Make, list and revoke API keys of the server.", no_args_is_help=True
)


@keys_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    data: Data = DEFAULT_DATA,
    database: DatabaseUrl = None,
) -> None:
    """Make a key and print it; it is kept as a hash and cannot be shown again."""
    from foveate.agent.service.keys import make_key

    print(_run(data, database, lambda db: make_key(db, name)))


@keys_app.command("list")
def list_keys(data: Data = DEFAULT_DATA, database: DatabaseUrl = None) -> None:
    """List keys: id, name, when made, whether revoked."""
    from foveate.agent.service.keys import list_keys

    for row in _run(data, database, list_keys):
        made = time.strftime("%Y-%m-%d", time.gmtime(row["created"]))
        print(f"{row['id']}  {made}  {'revoked' if row['revoked'] else 'valid  '}  {row['name']}")


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as 'keys list' shows it.")],
    data: Data = DEFAULT_DATA,
    database: DatabaseUrl = None,
) -> None:
    """Revoke a key; its sessions stay until they are deleted."""
    from foveate.agent.service.keys import revoke_key

    if not _run(data, database, lambda db: revoke_key(db, key_id)):
        raise InputError(f"There is no valid key {key_id[:40]!r}; 'foveate keys list' shows them.")


def _run(data: Path, database: str | None, work: Callable[[Database], Awaitable[Any]]) -> Any:
    _needs_extra()
    return asyncio.run(_with_database(data, database, work))


async def _with_database(data: Path, url: str | None, work: Callable[[Database], Awaitable[Any]]) -> Any:
    from foveate.agent.service.database import open_database
    from foveate.agent.service.ledger import Ledger

    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = await open_database(url, data)
    try:
        await Ledger(database).setup()
        return await work(database)
    finally:
        await database.close()


def _needs_extra() -> None:
    """Raises InputError when the packages of the service are not installed."""
    from importlib.util import find_spec

    needed = ("fastapi", "uvicorn", "structlog", "prometheus_client", "multipart")
    for package in (*needed, "langgraph.checkpoint.sqlite"):
        if find_spec(package) is None:
            raise InputError(
                f"The server needs the package {package}; install it with: pip install 'foveate[serve]'."
            )

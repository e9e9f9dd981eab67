"""What the commands that listen on a port share: who can reach an address, and running until told to stop."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_errors import InputError

if TYPE_CHECKING:
    import uvicorn


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def listen(config: uvicorn.Config, tell: Callable[[str], None]) -> None:
    """Serves until a signal ends it; tells each address, "host:port", once it is known. Raises InputError
    when it cannot start.
    """
    import uvicorn

    server = uvicorn.Server(config)
    startup = server.startup

    async def told(sockets: Any = None) -> None:
        await startup(sockets)
        for listening in server.servers if server.started else []:
            for socket in listening.sockets:
                tell(_shown(socket.getsockname()))

    server.startup = told  # type: ignore[method-assign]  # a port of 0 is known only now
    server.run()
    if not server.started:
        raise InputError(f"The server could not start at {config.host}:{config.port}; see the lines above.")


def _shown(address: Any) -> str:
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

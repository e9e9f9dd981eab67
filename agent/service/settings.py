"""What a server is told when it starts. Knows no default of a model beyond its name, and opens nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from foveate.agent.budget import Budget
from foveate.agent.checks.level import Level
from foveate.agent.listening import is_loopback
from foveate.tools.imaging.errors import Limits

MIB = 2**20


@dataclass(frozen=True)
class Bounds:
    """How much one caller, and all together, may ask of the server.

    Sizes in bytes, times in seconds. `rate` is requests a minute and key, with bursts of as many; `running`
    and `running_per_key` count turns that are being answered.
    """

    upload: int = 512 * MIB
    body: int = 1 * MIB
    chat_body: int = 64 * MIB
    files: int = 3000
    sessions: int = 10_000
    turns: int = 500
    rate: int = 600
    running: int = 64
    running_per_key: int = 32
    decoders: int = 2
    decode_seconds: float = 60.0
    decode_memory: int = 4096 * MIB
    wait: float = 300.0

    @property
    def limits(self) -> Limits:
        """What opening one upload may cost."""
        return Limits(max_pixels=2**27, max_bytes=2 * self.upload, max_files=self.files)


@dataclass(frozen=True)
class Settings:
    """`data` holds the SQLite file, images and temporary files. `database` is a PostgreSQL URL or None for
    SQLite; `images` an fsspec URL or None for a folder in `data`. `hosts` are names the server may be
    called by besides loopback; `url_hosts` the only ones that images may be fetched from."""

    data: Path
    database: str | None = None
    images: str | None = None
    host: str = "127.0.0.1"
    port: int = 8600
    model: str = "pocket"
    base_url: str | None = None
    grounder: str = "pocket"
    decoding: str = "default"
    checks: Level = "none"
    use_tools: bool = True
    budget: Budget = field(default_factory=Budget)
    bounds: Bounds = field(default_factory=Bounds)
    hosts: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return is_loopback(self.host)

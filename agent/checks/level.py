"""How much is checked before an answer leaves. Knows nothing else, so that options can be read at once."""

from __future__ import annotations

from typing import Literal

Level = Literal["none", "basic", "full"]

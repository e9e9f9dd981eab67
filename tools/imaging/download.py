"""Fetch one allowed URL into a temporary file that is gone afterwards. Only http and https."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from foveate.tools.imaging.errors import ImageError, Limits

_CHUNK = 1 << 20


def shown_url(url: str) -> str:
    """Scheme and host only: user names, paths and queries may hold secrets or identifiers."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "'a URL'"
    return repr(f"{parts.scheme}://{host}/..."[:160])


@contextmanager
def downloaded(url: str, limits: Limits) -> Iterator[Path]:
    """The path of the downloaded file. Raises ImageError, also when it is larger than max_bytes."""
    if urlsplit(url).scheme.lower() not in ("http", "https"):
        raise ImageError(f"{shown_url(url)} is neither http nor https; download it and give the file.")
    with tempfile.TemporaryDirectory(prefix="foveate-") as folder:
        path = Path(folder) / "download"
        try:
            _fetch(url, path, limits)
        except ImageError:
            raise
        except (OSError, ValueError, urllib.error.URLError):
            raise ImageError(f"{shown_url(url)} could not be downloaded; check the address.") from None
        yield path


def _fetch(url: str, path: Path, limits: Limits) -> None:
    with urllib.request.urlopen(url, timeout=limits.url_seconds) as answer, path.open("wb") as file:
        total = 0
        while chunk := answer.read(_CHUNK):
            total += len(chunk)
            limits.check_bytes(shown_url(url), total)
            file.write(chunk)

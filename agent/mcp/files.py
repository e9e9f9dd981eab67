"""Opens what a client names: a path below the folders that it may read, or bytes that it sends.

Knows files and images; knows no session.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from foveate.agent.cli_images import parse_window
from foveate.agent.mcp.arguments import OpenArguments
from foveate.tools.context import ToolError
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.open import open_image


def opened(given: OpenArguments, roots: Sequence[Path]) -> SourceImage:
    """The image. Raises ToolError, ImageError, or the window's error."""
    if (given.path is None) == (given.data is None):
        raise ToolError("give either a path or data")
    image = _from_path(given.path, roots) if given.path is not None else _from_data(str(given.data))
    if given.window is None:
        return image
    if image.color:
        raise ToolError("a colour image has no intensities to window; leave the window out")
    return replace(image, default_window=parse_window(given.window))


def _from_path(path: str, roots: Sequence[Path]) -> SourceImage:
    if not roots:
        raise ToolError("this server reads no files; send the bytes as data")
    # a link is followed before it is judged, so that none leads out of the folders
    real = (roots[0] / Path(path).expanduser()).resolve()
    if not any(real.is_relative_to(root) for root in roots):
        raise ToolError(
            "the path lies outside the folders that this server may read; its operator names them with --root"
        )
    return open_image(real)


def _from_data(data: str) -> SourceImage:
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ToolError("data is not base64; send the file's bytes encoded so") from None
    with tempfile.TemporaryDirectory(prefix="foveate-mcp-") as folder:
        path = Path(folder) / "image"
        path.write_bytes(content)
        return open_image(path)

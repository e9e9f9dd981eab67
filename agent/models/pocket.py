"""Where the embedded model lies. Found by path, never imported; knows nothing of what is inside."""

from importlib.util import find_spec
from pathlib import Path

from foveate.agent.models.errors import ModelError


def pocket_path() -> Path:
    """The folder of the pocket model's weights in this installation, whether it is there or not."""
    found = find_spec("foveate.pocket")
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0] if places else "foveate/pocket") / "weights" / "vlm"


def pocket_folder() -> Path:
    """`pocket_path`, checked. Raises ModelError when the weights are missing."""
    folder = pocket_path()
    if not (folder / "config.json").is_file():
        raise ModelError(f"the pocket model's weights are missing: there is no {folder / 'config.json'}")
    return folder

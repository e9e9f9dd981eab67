"""Finds the profile of a model: by specification, by the checkpoint's own config.json, or by name.

Never looks at a reply. `Profile` and the table of families are re-exported, so that this is the one module to
import.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from foveate.agent.models import resize
from foveate.agent.models.errors import ModelError
from foveate.agent.models.families import PROFILES
from foveate.agent.models.pocket import pocket_path
from foveate.agent.models.profile import Profile, Style, ToolCallFormat, ToolImage

__all__ = ["PROFILES", "Profile", "Style", "ToolCallFormat", "ToolImage", "profile_for", "profile_named"]

_BY_NAME = {profile.name: profile for profile in PROFILES}


def profile_named(name: str) -> Profile:
    """The profile with this exact name. Raises ValueError listing the names."""
    if name not in _BY_NAME:
        raise ValueError(f"no model profile is called {name!r}; there are: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def profile_for(model_spec: str) -> Profile:
    """The profile of a model specification ("pocket", "hf:PATH_OR_ID", "openai:NAME", "scripted:FILE").

    A local checkpoint folder is matched by what it declares in config.json ("foveate_profile", or else its
    `model_type`, but by its name where that is of a fine-tune with a convention of its own), and its declared
    pixel limits replace the family's; any other model by its name. A model
    of no known family gets "generic", whose convention the prompt states to the model. Raises ModelError
    for a bad trace or folder.
    """
    kind, _, rest = model_spec.partition(":")
    if kind == "pocket":
        return _BY_NAME["pocket"]
    if kind == "scripted":
        return _profile_of_trace(Path(rest))
    folder = Path(rest)
    if kind == "hf" and (folder / "config.json").is_file():
        return _profile_of_folder(folder)
    family = _match_name(rest or kind)
    return _in_process(family) if kind == "hf" else family


def _profile_of_trace(path: Path) -> Profile:
    """A trace names the profile that it was recorded with; a hand-written script may leave it out."""
    from foveate.agent.models.scripted import read_trace

    return profile_named(str(read_trace(path).get("profile", "pocket")))


def _match_name(name: str) -> Profile:
    lowered = name.lower()
    matches = [(len(p), profile) for profile in PROFILES for p in profile.patterns if p in lowered]
    return max(matches, key=lambda match: match[0])[1] if matches else _BY_NAME["generic"]


def _profile_of_folder(folder: Path) -> Profile:
    config = _read_json(folder / "config.json")
    if folder.resolve() == pocket_path().resolve():
        return _BY_NAME["pocket"]
    if "foveate_profile" in config:
        return profile_named(str(config["foveate_profile"]))
    model_type, named = str(config.get("model_type")), _match_name(folder.resolve().name)
    family = next((p for p in PROFILES if model_type in p.model_types), None)
    if family is None:
        return _in_process(named)
    if named.fine_tune:
        family = named
    return _with_pixel_limits(family, folder) if model_type.startswith("qwen") else family


def _in_process(family: Profile) -> Profile:
    """An unknown checkpoint in this process has no server that reads its calls: the prompt asks for JSON."""
    return replace(family, tool_calls="json_text") if family.name == "generic" else family


def _with_pixel_limits(family: Profile, folder: Path) -> Profile:
    """Qwen-VL checkpoints declare their own patch size and pixel limits; boxes depend on them."""
    declared: dict[str, Any] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        content = _read_json(folder / name) if (folder / name).is_file() else {}
        declared |= content.get("image_processor", content)
    size = declared.get("size") or {}
    low = declared.get("min_pixels") or size.get("shortest_edge")
    high = declared.get("max_pixels") or size.get("longest_edge")
    factor = declared.get("patch_size", 0) * declared.get("merge_size", 0)
    if not (low and high and factor):
        return family
    return replace(family, resize=resize.smart_resize(factor, low, high))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} of the model is not readable JSON") from error
    return loaded if isinstance(loaded, dict) else {}

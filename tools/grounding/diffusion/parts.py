"""Where the parts of a diffusion model lie: one pipeline folder, or parts gathered from several.

A folder in diffusers layout has unet/, vae/, text_encoder/, tokenizer/ and scheduler/. A `foveate.json` in
the folder (or a JSON file named instead of a folder) may give other places, relative to itself or as hub ids
with a subfolder ("ID#SUBFOLDER"), and the picture's `value_range` and CT `window`. Loads no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveate.tools.grounding.diffusion.text import first_line, read_json
from foveate.tools.grounding.errors import GrounderError

TOLD = "foveate.json"
NAMES = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
# of the many copies of the same weights in a hub repository, only these
WANTED = ["*.json", "*.txt", "*model.safetensors", "pytorch_model.bin", "models/*.pt", "models/*.pth"]
UNUSED = ["safety_checker/*", "feature_extractor/*", "image_encoder/*"]
PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Parts:
    """Folders of the parts. `value_range` and `window` are None where nothing is told."""

    name: str
    unet: Path
    vae: Path
    text_encoder: Path
    tokenizer: Path
    scheduler: Path
    value_range: tuple[float, float] | None = None
    window: tuple[float, float] | None = None


def find_parts(model: str) -> Parts:
    """A folder, a JSON file, a preset's name or a hub id → its parts. Raises GrounderError."""
    where = locate(model)
    if where.is_file():
        return _gather(where.stem, where.parent, read_json(where, "description"))
    told = read_json(where / TOLD, "description") if (where / TOLD).is_file() else {}
    return _gather(where.name, where, told)


def locate(model: str) -> Path:
    """The local file or folder that a model's name means; a hub id is fetched (or found in the cache)."""
    path, preset = Path(model).expanduser(), PRESETS / f"{model}.json"
    if path.exists():
        return path.resolve()
    if preset.is_file():
        return preset
    return _snapshot(model)


def _gather(name: str, base: Path, told: dict[str, Any]) -> Parts:
    parts = told.get("parts", {})
    unknown = set(parts) - set(NAMES)
    if unknown:
        raise GrounderError(f"The description of {name!r} names unknown parts: {', '.join(sorted(unknown))}.")
    places = {part: _place(base, parts.get(part, part), name, part) for part in NAMES}
    return Parts(
        name, **places, value_range=_pair(told, "value_range", name), window=_pair(told, "window", name)
    )


def part_folder(base: Path, told: dict[str, Any], part: str, otherwise: str) -> Path:
    """One part: where the description says, else the folder of that name, else the given hub place."""
    named = told.get("parts", {}).get(part)
    return _place(base, [named] if isinstance(named, str) else named or [part, otherwise], base.name, part)


def _place(base: Path, wanted: str | list[str], name: str, part: str) -> Path:
    """The first of the places that exists."""
    places = [wanted] if isinstance(wanted, str) else list(wanted)
    hub = ""
    for place in places:
        folder, _, inside = place.partition("#")
        path = base / folder if (base / folder).exists() else None
        if path is None and "/" in folder and not folder.startswith((".", "/")):
            try:
                path = _snapshot(folder)
            except GrounderError:
                hub = f", and the hub could not give {folder!r}"
        if path is not None and (path / inside).is_dir():
            return path / inside
    raise GrounderError(
        f"The diffusion model {name!r} lacks its {part}: there is no folder {places[0]!r} in it{hub}."
    )


def _pair(told: dict[str, Any], key: str, name: str) -> tuple[float, float] | None:
    value = told.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(v, int | float) for v in value):
        raise GrounderError(f"The description of {name!r} has a {key} that is not two numbers.")
    return float(value[0]), float(value[1])


def _snapshot(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        found = Path(snapshot_download(model, allow_patterns=WANTED, ignore_patterns=UNUSED))
        if any(found.rglob("*model.safetensors")) or any(found.rglob("*.pt*")):
            return found
        return Path(snapshot_download(model, allow_patterns="*model.bin", ignore_patterns=UNUSED))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as fault:
        raise GrounderError(
            f"There is no diffusion model {model!r}: no such folder, and the hub could not give it"
            f" ({first_line(fault)})"
        ) from fault

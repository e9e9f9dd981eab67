"""What decides a run's results, and the key made of it: two configurations never share a result.

The key covers the task with its items (prompts, options, image bytes), the model with its weights or server,
decoding, tools, grounder, budgets, seed, judge, and Foveate's own sources and prompts (hashed, whether or not
there is a git repository). How many samples run at once is not in it. Knows no Inspect AI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from foveate.agent.checks.level import Level
from foveate.evals.contract.images import ImageSource
from foveate.evals.contract.questions import Question, Region
from foveate.evals.inspect.images import source_key

SOURCES = ("agent", "tools", "prompts", "evals")
KINDS = {".py", ".txt", ".toml", ".json", ".jinja", ".j2", ".yaml"}
NOT_DECIDING = {"bench", "report"}
"""Folders of `evals` that only show or time what a run gave."""
SAMPLED = 1 << 20
NO_MODEL = "none"


@dataclass(frozen=True)
class Configuration:
    """One way to run a task. `variant` names what was done to the images ("" for nothing).

    `model` NO_MODEL asks the grounder alone.
    """

    task: str
    model: str = "pocket"
    base_url: str | None = None
    use_tools: bool = True
    decoding: str = "default"
    checks: Level = "none"
    grounder: str = "pocket"
    max_steps: int = 8
    max_seconds: float = 120.0
    seed: int = 0
    limit: int | None = None
    judge: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""

    def described(self, questions: Sequence[Question]) -> dict[str, Any]:
        """All that decides the results, JSON-able: the key is the hash of this."""
        return {
            **asdict(self),
            "options": dict(self.options),
            "items": items_digest(questions),
            "samples": len(questions),
            "model_digest": model_digest(self.model),
            "grounder_digest": grounder_digest(self.grounder),
            "judge_digest": None if self.judge is None else model_digest(self.judge),
            "code": code_digest(),
        }


def run_key(described: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a description."""
    return sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of what two descriptions do not share."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def items_digest(questions: Iterable[Question]) -> str:
    """SHA-256 over all questions in order: ids, words, options, marks, and the bytes of their images."""
    total, known = sha256(), dict[Hashable, str]()
    for question in questions:
        told = [
            question.id,
            question.prompt,
            question.kind,
            question.phrase,
            list(question.options),
            [asdict(region) for region in question.marked],
            [_image_digest(image, known) for image in question.images],
        ]
        total.update(json.dumps(told, default=_plain).encode())
    return total.hexdigest()


def _image_digest(image: ImageSource, known: dict[Hashable, str]) -> list[Any]:
    # questions on one volume share its source: it is read once
    key = source_key(image)
    if key not in known:
        known[key] = image.digest()
    return [known[key], image.slice_index]


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, Region) else str(value)


@cache
def code_digest() -> str:
    """SHA-256 over the sources and prompts of the packages that decide an answer or its score."""
    digest = sha256()
    for package in SOURCES:
        for path in _source_files(package):
            digest.update(f"{package}/{path.relative_to(package_folder(package)).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _source_files(package: str) -> list[Path]:
    root = package_folder(package)
    found = (path for path in root.rglob("*") if path.suffix in KINDS and path.is_file())
    return sorted(path for path in found if not NOT_DECIDING & set(path.relative_to(root).parts))


def package_folder(package: str) -> Path:
    """Where `foveate.PACKAGE` lies in this installation. Raises ModuleNotFoundError."""
    found = find_spec(f"foveate.{package}")
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        raise ModuleNotFoundError(f"foveate.{package} is not installed")
    return Path(places[0])


@cache
def model_digest(model: str) -> str | None:
    """A digest of the files behind a specification; None for a server or a hub id, whose name must do."""
    kind, _, rest = model.partition(":")
    if kind == "pocket":
        return weights_digest()
    path = Path(rest)
    if kind not in ("hf", "scripted") or not rest or not path.exists():
        return None
    return _files_digest(sorted(path.rglob("*")) if path.is_dir() else [path])


def grounder_digest(grounder: str) -> str | None:
    """A digest of the files behind a grounder: the embedded weights, and every local path that it names."""
    if grounder == "none":
        return None
    named = [Path(part) for part in re.split(r"[@+()]", grounder) if "/" in part]
    named += [Path(grounder.partition("@")[2])] if "@" in grounder else []
    files = {
        file for path in named if path.exists() for file in (path.rglob("*") if path.is_dir() else [path])
    }
    return f"{weights_digest()} {_files_digest(sorted(files))}" if files else weights_digest()


@cache
def weights_digest() -> str:
    """Of the embedded models' files."""
    return _files_digest(sorted((package_folder("pocket") / "weights").rglob("*")))


def _files_digest(paths: Iterable[Path]) -> str:
    """Names, sizes, and the first and last MiB of each file: whole checkpoints would take minutes."""
    digest = sha256()
    for path in paths:
        if not path.is_file():
            continue
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as stream:
            digest.update(stream.read(SAMPLED))
            stream.seek(max(SAMPLED, size - SAMPLED))
            digest.update(stream.read())
    return digest.hexdigest()

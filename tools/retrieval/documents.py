"""What can be looked up: the knowledge base's entries and a user's own folder of cases.

A case is a text file, or a JSON file with "text" and, where known, "modality" and "region". It is named by a
number: names of files may hold names of patients, and ids reach a model. Knows no index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveate.tools.knowledge.base import Entry, entries

MAX_TEXT = 600
"""Characters of a document that are shown; a longer case is cut at a word."""
MAX_CASES = 10_000
SUFFIXES = (".txt", ".md", ".json")


class LibraryError(ValueError):
    """A folder of cases that cannot be read; one clear sentence."""


@dataclass(frozen=True)
class Document:
    """`text` is shown, `words` are searched. `modality` is empty where it fits any."""

    id: str
    text: str
    words: str
    modality: tuple[str, ...] = ()
    region: str = ""


def knowledge_documents() -> list[Document]:
    """One document an entry of the knowledge base."""
    return [_of_entry(entry) for entry in entries()]


def case_documents(folder: Path) -> list[Document]:
    """The cases of a folder and its folders, in the order of their paths. Raises LibraryError."""
    if not folder.is_dir():
        raise LibraryError(
            f"{folder.name!r} is no folder of cases; name one that holds .txt, .md or .json files."
        )
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise LibraryError(f"The folder {folder.name!r} holds no case: no .txt, .md or .json file.")
    if len(paths) > MAX_CASES:
        raise LibraryError(
            f"The folder {folder.name!r} holds {len(paths)} files; at most {MAX_CASES} are read."
        )
    return [_of_case(path, number) for number, path in enumerate(paths, 1)]


def _of_entry(entry: Entry) -> Document:
    looks = "; ".join((entry.shape, entry.intensity, entry.density, entry.location))
    text = f"{entry.name}: {looks}. Looks like it: {', '.join(entry.confusers)}."
    words = " ".join((*entry.names, *entry.names, text))  # a name counts more than a mention
    return Document(f"knowledge/{entry.name}", text, words, entry.modality, entry.region)


def _of_case(path: Path, number: int) -> Document:
    try:
        content = path.read_text(encoding="utf-8")
        told: Any = json.loads(content) if path.suffix.lower() == ".json" else {"text": content}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise LibraryError(f"Case {number} ({path.suffix}) of the folder cannot be read as text.") from None
    text = told.get("text") if isinstance(told, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise LibraryError(f'Case {number} ({path.suffix}) of the folder has no text (JSON needs "text").')
    words = " ".join(text.split())
    modality = (str(told["modality"]),) if told.get("modality") else ()
    shown = words if len(words) <= MAX_TEXT else words[:MAX_TEXT].rsplit(" ", 1)[0] + " …"
    return Document(f"case/{number}", shown, words, modality, str(told.get("region") or ""))

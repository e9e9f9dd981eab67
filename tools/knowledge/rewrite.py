"""A phrase in other words: as the base names it, by what it looks like, and where it is.

Only what fits the image is said: words about another modality's brightness are left out. The rewriting into
visible attributes is that of K2Sight and AG-KD, in our own words. Knows entries and an image's modality.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from foveate import prompts
from foveate.tools.knowledge.base import Entry, entry_of

ATTRIBUTES = ("shape", "intensity", "density", "location")
_CODES = {"CR": "XR", "DX": "XR", "CXR": "XR", "RG": "XR", "MRI": "MR", "SM": "", "MG": "XR"}
_SAYS = {
    "CT": re.compile(r"\bon (?:fresh )?ct\b|\bhu\b"),
    "MR": re.compile(r"\bon (?:\w+-\w+ )?(?:mr|t1|t2|flair|diffusion)\b|\bon fluid-sensitive"),
    "US": re.compile(r"\bon ultrasound\b"),
    "XR": re.compile(r"\bon radiographs?\b"),
}


def canonical(phrase: str) -> str:
    """The base's own name for what a phrase names, with its side; the phrase itself where it knows none."""
    found = entry_of(phrase)
    if found is None:
        return phrase
    entry, side = found
    return f"{side} {entry.name}" if side and not entry.name.startswith(("left ", "right ")) else entry.name


def shown_in(entry: Entry, modality: str | None) -> bool | None:
    """Whether such an image can show it; None where the image does not say what it is."""
    return same_modality(modality, entry.modality) if _code(modality) else None


def same_modality(modality: str | None, others: Sequence[str]) -> bool:
    """Whether a DICOM code ("DX") or a word ("CXR") is of the same kind as one of the others."""
    return _code(modality) in {_code(each) for each in others}


def attributes(entry: Entry, modality: str | None) -> dict[str, str]:
    """What can be seen of it in such an image: clauses about other modalities are left out."""
    told = {key: _fitting(getattr(entry, key), _code(modality)) for key in ATTRIBUTES}
    return {key: text for key, text in told.items() if text}


def caption(phrase: str, modality: str | None = None) -> str:
    """ "NAME means DESCRIPTION.", as K2Sight and AG-KD were taught; the phrase itself where the base does not
    know it."""
    found = entry_of(phrase)
    if found is None:
        return phrase
    told = attributes(found[0], modality)
    described = "; ".join(told[key] for key in ("shape", "intensity") if key in told)
    template: str = prompts.table("knowledge/templates.toml")["caption"]
    return template.format(name=canonical(phrase), description=described)


def variants(phrase: str, modality: str | None = None) -> list[str]:
    """The phrase, then its canonical name, its description, its attributes and its name with its place.

    For grounders that take free text, whose spread over the variants tells how sure they are.
    """
    found = entry_of(phrase)
    if found is None:
        return [phrase]
    entry, _ = found
    templates, told = prompts.table("knowledge/templates.toml"), attributes(entry, modality)
    name, fields = canonical(phrase), {key: told.get(key, "") for key in ATTRIBUTES}
    made = [
        phrase,
        name,
        caption(phrase, modality),
        templates["located"].format(name=name, location=fields["location"]),
        templates["attributes"].format(**fields),
    ]
    return list(dict.fromkeys(made))


def probes(entry: Entry, modality: str | None) -> list[str]:
    """One yes-or-no question an attribute, for a model that looks at a marked part."""
    template: str = prompts.table("knowledge/templates.toml")["probe"]
    return [template.format(attribute=text) for text in attributes(entry, modality).values()]


def _code(modality: str | None) -> str:
    code = (modality or "").upper()
    return _CODES.get(code, code)


def _fitting(text: str, modality: str) -> str:
    if not modality:
        return text
    kept = []
    for clause in text.split(", "):
        said = {code for code, pattern in _SAYS.items() if pattern.search(clause.lower())}
        if not said or modality in said:
            kept.append(clause)
    return ", ".join(kept)

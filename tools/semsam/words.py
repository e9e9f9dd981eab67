"""How two tokens are related as words: the same word otherwise written, or its opposite.

For ablations and diagnostics: opposites lie close in embedding space, so that a neighbourhood may blur the
very thing that a spatial question asks for. Knows no embedding.
"""

from __future__ import annotations

OPPOSITES = (
    ("left", "right"),
    ("superior", "inferior"),
    ("anterior", "posterior"),
    ("above", "below"),
    ("upper", "lower"),
    ("over", "under"),
    ("up", "down"),
    ("top", "bottom"),
    ("front", "back"),
    ("medial", "lateral"),
    ("proximal", "distal"),
    ("cranial", "caudal"),
    ("ventral", "dorsal"),
    ("ipsilateral", "contralateral"),
    ("internal", "external"),
    ("inside", "outside"),
    ("inner", "outer"),
    ("larger", "smaller"),
    ("bigger", "smaller"),
    ("large", "small"),
    ("greater", "less"),
    ("longer", "shorter"),
    ("wider", "narrower"),
    ("thicker", "thinner"),
    ("higher", "lower"),
    ("high", "low"),
    ("near", "far"),
    ("closer", "farther"),
    ("before", "after"),
    ("first", "last"),
    ("yes", "no"),
    ("true", "false"),
    ("present", "absent"),
    ("with", "without"),
    ("positive", "negative"),
    ("normal", "abnormal"),
    ("increased", "decreased"),
    ("increase", "decrease"),
    ("more", "less"),
    ("unilateral", "bilateral"),
)

_OPPOSITE_OF: dict[str, set[str]] = {}
for _one, _other in OPPOSITES:
    _OPPOSITE_OF.setdefault(_one, set()).add(_other)
    _OPPOSITE_OF.setdefault(_other, set()).add(_one)


def plain(text: str) -> str:
    """The word in a token's text, without spacing, case and marks around it."""
    return text.strip(" \t\n\r\"'`.,;:()[]{}*_-/").casefold()


def same_word(a: str, b: str) -> bool:
    """Whether two token texts are one word in another case, spacing or with other marks around it."""
    return plain(a) == plain(b) != ""


def opposites(a: str, b: str) -> bool:
    """Whether two token texts are words of opposite meaning, such as " left" and "Right"."""
    return plain(b) in _OPPOSITE_OF.get(plain(a), ())

"""Which tokens are content: decided from the tokenizer alone, by a filter with a name.

The paper speaks of content tokens and excludes special, control and modality marks without saying how; the
filters here are ours. Knows no embedding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
# <|im_start|>, <unused7>, <loc0001>, <image>, [INST], [unused3]: marks, even where a tokenizer does not say
# so
_MARK = re.compile(r"\s*(<[^<>\s]+>|\[[A-Z_@/]+\d*\]|\[unused\d+\])\s*")

FILTERS: dict[str, Callable[[str], bool]] = {
    "letters": lambda text: any(c.isalpha() for c in text),
    "words": lambda text: len(text.strip()) > 1 and text.strip().isalpha(),
    "alnum": lambda text: any(c.isalnum() for c in text),
    "any": lambda text: True,
}
"""By name, on the decoded text of one token: has a letter; is a word of two letters or more; has a letter or
digit; everything that is text."""


def token_texts(tokenizer: Any) -> list[str]:
    """The text of every id below len(tokenizer), decoded alone."""
    return [str(text) for text in tokenizer.batch_decode([[i] for i in range(len(tokenizer))])]


def content_mask(tokenizer: Any, texts: Sequence[str], rows: int, name: str) -> list[bool]:
    """For each of `rows` embedding rows whether it is a content token; ids beyond the tokenizer never are.

    Special and added tokens (chat, tool and image marks), bytes of a byte fallback, and tokens that are no
    whole characters never are either. Raises KeyError for an unknown filter.
    """
    marks = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    accepts = FILTERS[name]
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(texts))))
    known = [
        i not in marks and _is_text(token, text) and accepts(text)
        for i, (token, text) in enumerate(zip(tokens, texts, strict=True))
    ]
    return (known + [False] * rows)[:rows]


def tokenizer_sha256(tokenizer: Any) -> str:
    """A hash of the whole vocabulary, ids and added tokens; the same in every version of transformers."""
    digest = sha256()
    for token, number in sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0])):
        digest.update(f"{number}\t{token}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _is_text(token: Any, text: str) -> bool:
    if token is None or not text or "�" in text:
        return False
    return not (_BYTE.fullmatch(str(token)) or _MARK.fullmatch(text))

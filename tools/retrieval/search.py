"""BM25 over documents, routed by the image's domain, with as many contexts as are really near.

How many is adaptive (MMed-RAG): hits are kept while the best score is less than `ratio` times theirs. Knows
documents; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from foveate.tools.knowledge.base import mentions
from foveate.tools.knowledge.rewrite import same_modality
from foveate.tools.retrieval.documents import Document, LibraryError

RATIO = 1.5
FLOOR = 1.0
MOST = 5


@dataclass(frozen=True)
class Hit:
    """A document and its BM25 score, which only ranks within one search."""

    document: Document
    score: float


class Library:
    """An index over documents. Raises LibraryError without the extra `retrieval`."""

    def __init__(self, documents: Sequence[Document]) -> None:
        if find_spec("bm25s") is None:
            raise LibraryError(
                "Looking things up needs bm25s; install it with: pip install 'foveate[retrieval]'."
            )
        import bm25s

        self.documents = list(documents)
        self._tokens = bm25s.tokenize
        self._index = bm25s.BM25()
        self._index.index(self._split([doc.words for doc in self.documents]), show_progress=False)

    def search(
        self,
        query: str,
        modality: str | None = None,
        *,
        most: int = MOST,
        ratio: float = RATIO,
        floor: float = FLOOR,
    ) -> list[Hit]:
        """Hits of the image's domain, best first: at most `most`, none below `floor` or beyond `ratio`.

        The regions that the query's own words name are kept to, where it names any.
        """
        tokens = self._split([query], ids=False)
        if not tokens[0]:
            return []
        scores = self._index.get_scores(tokens[0])
        fitting = [Hit(d, float(s)) for d, s in zip(self.documents, scores, strict=True) if s >= floor]
        regions = {mention.entry.region for mention in mentions(query)}
        routed = [hit for hit in fitting if _in_domain(hit.document, modality, regions)]
        ranked = sorted(routed, key=lambda hit: (-hit.score, hit.document.id))[:most]
        return [hit for hit in ranked if ranked[0].score < ratio * hit.score]

    def _split(self, texts: list[str], ids: bool = True) -> Any:
        return self._tokens(texts, stopwords="en", return_ids=ids, show_progress=False)


def _in_domain(document: Document, modality: str | None, regions: set[str]) -> bool:
    fits = not document.modality or not modality or same_modality(modality, document.modality)
    return fits and (not regions or not document.region or document.region in regions)

"""Looking up: the near ones of the image's domain, as many as are near, and cases without their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.retrieval.documents import LibraryError, case_documents, knowledge_documents
from foveate.tools.retrieval.search import Library

KNOWLEDGE = Library(knowledge_documents())


@pytest.mark.parametrize(
    ("query", "modality", "name"),
    [
        ("Is there a pleural effusion?", "CT", "pleural effusion"),
        ("Is there a coin lesion in the lung?", "DX", "lung nodule"),
        ("Is the meniscus torn? meniscal tear", "MR", "meniscal tear"),
        ("bright crescent between skull and brain, subdural haematoma", "CT", "subdural haematoma"),
    ],
)
def test_the_nearest_entry_comes_first(query: str, modality: str, name: str) -> None:
    assert KNOWLEDGE.search(query, modality)[0].document.id == f"knowledge/{name}"


def test_only_what_such_an_image_can_show_is_found() -> None:
    assert all("MR" in hit.document.modality for hit in KNOWLEDGE.search("meniscal tear of the knee", "MR"))
    assert all(
        "meniscal" not in hit.document.id for hit in KNOWLEDGE.search("meniscal tear of the knee", "CT")
    )


@given(st.text(max_size=80), st.floats(1.01, 4.0), st.integers(1, 8))
def test_hits_are_near_the_best_and_in_order(query: str, ratio: float, most: int) -> None:
    hits = KNOWLEDGE.search(query, ratio=ratio, most=most)
    scores = [hit.score for hit in hits]
    assert len(hits) <= most and scores == sorted(scores, reverse=True)
    assert all(scores[0] < ratio * score for score in scores)


def test_cases_are_numbered_and_their_names_stay_out(tmp_path: Path) -> None:
    (tmp_path / "Doe_Jane_1970.txt").write_text("A spiculated mass of the right upper lobe, biopsied.")
    told = {"text": "Simple cyst of the left kidney.", "modality": "US", "region": "abdomen"}
    (tmp_path / "x.json").write_text(json.dumps(told))
    documents = case_documents(tmp_path)
    assert [document.id for document in documents] == ["case/1", "case/2"]
    [hit] = Library(documents).search("spiculated mass", "CT", floor=0.1)
    assert hit.document.id == "case/1" and "Doe" not in str(documents)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "no case"),
        ({"a.json": "{"}, "cannot be read"),
        ({"a.txt": " "}, "no text"),
        ({"a.json": "[]"}, "no text"),
    ],
)
def test_a_folder_that_is_no_library_is_one_line(files: dict[str, str], why: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(LibraryError, match=why):
        case_documents(tmp_path)
    with pytest.raises(LibraryError, match="no folder"):
        case_documents(tmp_path / "none")

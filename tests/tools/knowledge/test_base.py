"""The knowledge base: whole, found by every name, and told of an image in words that fit it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate import prompts
from foveate.tools.knowledge.base import REGIONS, entries, entry_of, mentions
from foveate.tools.knowledge.rewrite import attributes, canonical, probes, shown_in, variants


def test_every_entry_is_whole_and_its_source_is_cited() -> None:
    sources = prompts.table("knowledge/sources.toml")
    assert len(entries()) >= 60 and {entry.region for entry in entries()} == set(REGIONS)
    assert len({entry.name for entry in entries()}) == len(entries())
    for entry in entries():
        fields = (entry.shape, entry.intensity, entry.density, entry.location, entry.negation)
        assert all(fields) and entry.modality and entry.confusers and entry.source in sources
        assert all(len(field.split()) <= 15 for field in fields), entry.name


@given(st.sampled_from(entries()), st.data())
def test_every_name_finds_an_entry_that_has_it(entry: object, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(entry.names))  # type: ignore[attr-defined]
    for phrase in (name, name.upper(), f"the {name}"):
        found = entry_of(phrase)
        assert found is not None and name in found[0].names


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("coin lesion", "lung nodule"),
        ("left hydrothorax", "left pleural effusion"),
        ("left kidney", "left kidney"),
        ("gullet", "esophagus"),
        ("teapot", "teapot"),
    ],
)
def test_a_synonym_becomes_the_name_and_keeps_its_side(phrase: str, name: str) -> None:
    assert canonical(phrase) == name


def test_attributes_of_other_modalities_are_left_out() -> None:
    found = entry_of("liver cyst")
    assert found is not None
    ct, mr = attributes(found[0], "CT"), attributes(found[0], "MR")
    assert "T2" not in ct["intensity"] and "CT" not in mr["intensity"] and ct["shape"] == mr["shape"]
    assert len(probes(found[0], "CT")) == 4


def test_whether_an_image_can_show_it_is_known_from_its_modality() -> None:
    found = entry_of("meniscal tear")
    assert found is not None
    assert shown_in(found[0], "MR") is True and shown_in(found[0], "CT") is False
    assert shown_in(found[0], None) is None
    fracture = entry_of("fracture")
    assert fracture is not None and shown_in(fracture[0], "DX") is True


def test_variants_begin_with_the_phrase_and_say_more() -> None:
    told = variants("coin lesion", "CT")
    assert told[:2] == ["coin lesion", "lung nodule"] and len(told) == 5
    assert variants("teapot") == ["teapot"]


def test_mentions_know_sides_and_denials() -> None:
    text = "Small left pleural effusion. No pneumothorax or consolidation, but a lung nodule is seen."
    found = [(m.side, m.entry.name, m.negated) for m in mentions(text)]
    assert found == [
        ("left", "pleural effusion", False),
        ("", "pneumothorax", True),
        ("", "consolidation", True),
        ("", "lung nodule", False),
    ]

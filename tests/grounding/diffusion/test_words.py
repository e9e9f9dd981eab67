"""Words, tokens and their weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.grounding.diffusion.protocol import Denoiser
from foveate.tools.grounding.diffusion.readout import read_prompts
from foveate.tools.grounding.diffusion.recipes import load_recipe
from foveate.tools.grounding.diffusion.words import check_phrase, words_of
from foveate.tools.grounding.errors import GrounderError

G2G = load_recipe("g2g")


def kinds(phrase: str) -> dict[str, str]:
    return {word.text: word.kind for word in words_of(phrase)}


def test_what_where_and_neither() -> None:
    assert kinds("A nodule of 5 mm in the Left-sided upper lobe") == {
        "a": "function", "nodule": "content", "of": "function", "5": "function", "mm": "function",
        "in": "function", "the": "function", "left": "location", "sided": "location", "upper": "location",
        "lobe": "content",
    }  # fmt: skip


@given(st.text(max_size=60))
def test_words_are_where_they_say(phrase: str) -> None:
    for word in words_of(phrase):
        assert phrase[word.start : word.end].lower() == word.text


@given(st.text(max_size=60))
def test_a_phrase_is_checked_or_refused_in_one_line(phrase: str) -> None:
    try:
        words = check_phrase(phrase)
    except GrounderError as refused:
        assert "\n" not in str(refused) and len(str(refused)) < 300
    else:
        assert any(word.kind != "function" for word in words)


@pytest.mark.parametrize(
    "phrase", ["nodule < 5 mm", "cardiomegaly (mild)", "état", "lung, left & right", "T2"]
)
def test_plain_phrases_are_taken(phrase: str) -> None:
    assert check_phrase(phrase)


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("the of in", "no content words"), ("", "no content words"), ("5 mm", "no content words"),
        ("... !", "no content words"), ("肺結節", "Latin script"), ("лёгкое", "Latin script"), ("κ", "Latin"),
        ("<b>nodule</b>", "markup"), ("<|endoftext|> nodule", "markup"), ("**nodule**", "markup"),
        ("&lt;nodule", "markup"), ("[CLS] nodule", "markup"), ("`nodule`", "markup"), ("{nodule}", "markup"),
    ],
)  # fmt: skip
def test_bad_phrases_are_refused(phrase: str, told: str) -> None:
    with pytest.raises(GrounderError, match=told):
        check_phrase(phrase)


def weights(denoiser: Denoiser, phrase: str, **changed: object) -> dict[str, float]:
    """Characters of the phrase → weight, of the tokens that are read."""
    recipe = replace(G2G, subtokens="all", **changed)  # type: ignore[arg-type]
    told = read_prompts([phrase], recipe, denoiser)
    prompt, row = recipe.template.replace("{phrase}", phrase), told.readout[0, 0]
    return {prompt[t.start : t.end]: float(w) for t, w in zip(told.text.tokens[0], row, strict=True) if w > 0}


def test_all_subtokens_of_content_words_are_read(sd: Denoiser, bert: Denoiser) -> None:
    for denoiser in (sd, bert):
        found = weights(denoiser, "the pleural effusion")
        assert "".join(found) == "pleuraleffusion" and len(found) > 2
        assert sum(found.values()) == pytest.approx(1) and len({round(w, 6) for w in found.values()}) == 1


def test_the_first_subtoken_alone(sd: Denoiser) -> None:
    recipe = replace(G2G, subtokens="first")
    read = read_prompts(["the pleural effusion"], recipe, sd)
    assert int((read.readout > 0).sum()) == 2


def test_location_words_are_weighed_apart(sd: Denoiser) -> None:
    apart = weights(sd, "left upper nodule", location="apart", location_weight=0.5)
    assert apart == pytest.approx({"left": 1 / 6, "upper": 1 / 6, "nodule": 2 / 3})
    assert weights(sd, "left upper nodule", location="dropped") == pytest.approx({"nodule": 1})
    same = weights(sd, "left upper nodule", location="same")
    assert same == pytest.approx(dict.fromkeys(("left", "upper", "nodule"), 1 / 3))
    # a place alone is what is looked for
    assert weights(sd, "left upper", location="dropped") == pytest.approx({"left": 0.5, "upper": 0.5})


def test_a_template_shifts_the_words(sd: Denoiser) -> None:
    found = weights(sd, "nodule", template="the body in the {phrase} of the lung")
    assert found == pytest.approx({"nodule": 1})


def test_all_tokens_between_the_ends(sd: Denoiser, bert: Denoiser) -> None:
    for denoiser in (sd, bert):
        found = weights(denoiser, "the nodule", tokens="all")
        assert found == pytest.approx({"the": 0.5, "nodule": 0.5})

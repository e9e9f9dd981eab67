"""Captions are true of the labels; shades are true of the pixels; nothing comes from where it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.pocket import augment, data
from foveate.pocket.anatomy import LESION, part_ids, structure, structures
from foveate.pocket.diffusion import scenes
from foveate.pocket.diffusion.captions import ARTICLES, caption, mention, words
from foveate.pocket.diffusion.scenes import MIN_PIXELS, Fact, Picture, compose, to_grey
from tests.pocket.diffusion.conftest import rectangle_slice, rectangles

SEEDS = st.integers(0, 10_000)
NAMES = {wording.lower(): item.name for item in structures() for wording in (*item.phrases(), *item.nouns)}


def _share(picture: Picture, name: str) -> np.ndarray:
    return np.isin(picture.labels, part_ids(structure(name)))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_facts_are_what_the_labels_hold(seed: int) -> None:
    picture = rectangles(np.random.default_rng(seed))
    told = {fact.name: fact for fact in picture.facts}
    for item in structures():
        mask = _share(picture, item.name)
        assert (item.name in told) == (mask.sum() >= MIN_PIXELS)
        if item.name in told:
            assert told[item.name].share == pytest.approx(mask.mean())
    assert picture.erased not in told


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_shades_are_seen_in_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, hu = rectangle_slice()
    window = ("soft tissue", 40.0, 400.0)
    plain = to_grey(hu, window)
    picture = compose(rng, hu.copy(), labels, window)
    for fact in picture.facts:
        moved = float(
            np.median(picture.grey[_share(picture, fact.name)] / 255 - plain[_share(picture, fact.name)])
        )
        assert (moved > 0.1) == (fact.shade == "bright") and (moved < -0.1) == (fact.shade == "dark")


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_caption_names_only_what_is_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rectangles(rng)
    here = {fact.name for fact in picture.facts}
    told = caption(rng, picture.facts, picture.window, picture.erased, false=0.0).text
    text = f" {told.replace(f'{picture.window} window', '')} "  # the lung window names no lung
    negated = any(text.find(f" {word} ") >= 0 for word in ("no", "without"))
    named = {
        name for wording, name in NAMES.items() if f" {wording} " in text.replace(",", " ").replace(":", " ")
    }
    # a wording may belong to several structures ("kidney" is one and both); one of them must be there
    strangers = {n for n in named if n not in here and not _shares_a_word(n, here)}
    assert negated or not strangers, text


def _shares_a_word(name: str, here: set[str]) -> bool:
    return any(set(structure(name).parts) & set(structure(other).parts) for other in here)


@settings(max_examples=40)
@given(SEEDS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(["bright", "dark", ""]))
def test_a_place_is_told_only_where_most_of_it_lies(seed: int, left: float, top: float, shade: str) -> None:
    fact = Fact("spleen", 0.1, left, top, shade)  # type: ignore[arg-type]
    text = mention(np.random.default_rng(seed), fact)
    for word, share in (
        ("left", left),
        ("right", 1 - left),
        ("upper", top),
        ("top", top),
        ("lower", 1 - top),
    ):
        assert word not in text.split() or share >= scenes.HALF - 1e-9
    shades = {w for kind in ("bright", "dark") if kind != shade for w in words()[kind]}
    assert not shades & set(text.split()[:1])


def test_a_picture_without_structures_has_a_caption_too() -> None:
    assert caption(np.random.default_rng(0), (), "lung").text in words()["nothing"]


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0, 1))
def test_names_lie_where_the_caption_says_they_are(seed: int, false: float) -> None:
    rng = np.random.default_rng(seed)
    picture = rectangles(rng)
    here = {fact.name for fact in picture.facts}
    told = caption(rng, picture.facts, picture.window, picture.erased, false)
    assert "\ue000" not in told.text and "\ue001" not in told.text
    assert told.named or not here
    assert told.true == all(n.name in here for n in told.named)
    for named in told.named:
        item = structure(named.name)
        assert named.here == (named.name in here)
        said = told.text[named.start : named.end]
        bare = [w.removeprefix(a) for w in (item.name, *item.phrases()) for a in ("", *ARTICLES)]
        assert any(said.endswith(w) for w in bare)


def test_false_captions_come_when_asked_for() -> None:
    facts = (Fact("spleen", 0.1, 0.5, 0.5, ""),)
    made = [caption(np.random.default_rng(n), facts, "lung", false=1.0) for n in range(20)]
    assert not any(c.true for c in made) and not any("spleen" in c.text and not c.named for c in made)


def test_nothing_is_cut_from_patient_c_or_the_nodule(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []

    def block(name: str, first: int, last: int) -> object:
        asked.append((name, first, last))
        raise LookupError

    monkeypatch.setattr(augment, "block", block)
    for seed in range(200):
        with pytest.raises(LookupError):
            scenes.random_picture(np.random.default_rng(seed))
    held = {(n, i) for n, first, last in augment.HELD_OUT for i in range(first, last + 1)}
    nodule = {("A", i) for i in range(86, 95)}
    cut = {(n, i) for n, first, last in asked for i in range(first, last + 1)}
    assert {n for n, _ in cut} == {"A", "B"} and not cut & (held | nodule)


def test_the_nodules_slices_are_those_left_out() -> None:
    try:
        found = data.nodule_slices()
    except data.DataError:
        pytest.skip("the patients are not here")
    blocks = [(f, last) for name, f, last, _ in augment.TRAIN_BLOCKS if name == "A"]
    assert not any(f <= each.slice_index <= last for each in found for f, last in blocks)
    assert LESION in {s.name for s in structures()}


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_what_stands_alone_stands_on_an_even_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, hu = rectangle_slice()
    picture = compose(rng, hu, labels, ("soft tissue", 40.0, 400.0), alone=True)
    there = {part for fact in picture.facts for part in structure(fact.name).parts}
    ids = set(np.unique(picture.labels)) - {0}
    assert ids <= {i for fact in picture.facts for i in part_ids(structure(fact.name))}
    ground = picture.grey[picture.labels == 0].astype(float)
    assert there or picture.erased  # the only structure may have been painted away
    assert np.percentile(ground, 80) - np.percentile(ground, 20) < 2

"""The laws of re-scoring, and that it agrees with a slow reading of the paper's rule."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foveate.tools.semsam import core
from foveate.tools.semsam.options import Options
from foveate.tools.semsam.table import ANTONYM, LEXICAL, Table, TableError

from .conftest import make_table, random_table

VOCABULARY = 40
TABLE = random_table(VOCABULARY, 6)
MIXED = random_table(VOCABULARY, 6, seed=3, content_share=0.8)
# halves make equal logits common
logit_rows = st.lists(
    st.lists(st.integers(-8, 8).map(lambda n: n / 2), min_size=VOCABULARY, max_size=VOCABULARY),
    min_size=1,
    max_size=4,
).map(torch.tensor)
seeds = st.integers(0, 10_000)


def noise(rows: int, seed: int, columns: int = VOCABULARY, scale: float = 3.0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * scale


def slow_choice(row: Tensor, table: Table, options: Options) -> int | None:
    """The rule, token by token in double precision; None where the step is deferred."""
    p = row.double().softmax(0)
    total, candidates = 0.0, []
    for token in sorted(range(len(row)), key=lambda i: (-float(row[i]), i))[: options.m]:
        if total < options.p and p[token] > 0:
            candidates.append(token)
        total += float(p[token])
    if not all(bool(table.content[token]) for token in candidates):
        return None
    scores = []
    for token in candidates:
        weights = [max(0.0, float(w)) for w in table.weights[token, : options.k]]
        near = table.ids[token, : options.k].tolist()
        score = sum(w * float(p[other]) for w, other in zip(weights, near, strict=True))
        score += options.own * float(p[token])
        scores.append(score / (sum(weights) + options.own) if options.normalize else score)
    return candidates[max(range(len(scores)), key=lambda i: (scores[i], -i))] if max(scores) > 0 else None


@given(
    seeds,
    st.integers(1, 8),
    st.integers(0, 6),
    st.floats(0.05, 1),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_choice_is_the_papers_rule(
    seed: int, m: int, k: int, p: float, own: bool, normalize: bool
) -> None:
    options = Options(k=k, m=m, p=p, own=own or k == 0, normalize=normalize)
    logits = noise(3, seed)
    out = core.rescore(logits, MIXED, options)
    for row, told in zip(logits, out, strict=True):
        wanted = slow_choice(row, MIXED, options)
        if wanted is None:
            assert torch.equal(told, row)
        else:
            assert told.argmax() == wanted
            assert torch.isneginf(told).sum() == VOCABULARY - 1


@given(logit_rows, st.sampled_from(["m1", "k0", "selves", "self_only"]))
@settings(max_examples=150, deadline=None)
def test_limits_are_greedy_decoding_even_for_equal_logits(logits: Tensor, limit: str) -> None:
    itself = torch.arange(VOCABULARY)[:, None].repeat(1, 3)
    selves = make_table(itself, torch.ones(VOCABULARY, 3))
    table, options = {
        "m1": (TABLE, Options(k=6, m=1)),
        "k0": (TABLE, Options(k=0, m=9)),
        "selves": (selves, Options(k=3, m=9)),
        "self_only": (TABLE, Options(k=6, m=9, ablation="self_only")),
    }[limit]
    assert torch.equal(core.rescore(logits, table, options).argmax(-1), logits.argmax(-1))


@given(seeds, st.floats(0.25, 4))
@settings(max_examples=60, deadline=None)
def test_softmax_without_neighbours_is_top_m_top_p_sampling(seed: int, tau: float) -> None:
    logits = noise(2, seed)
    drawn = core.rescore(logits, TABLE, Options(k=0, m=5, p=0.9, mode="softmax", tau=tau)).softmax(-1)
    p = logits.softmax(-1)
    top, ids = p.topk(5)
    kept = top * ((top.cumsum(-1) - top) < 0.9)
    wanted = torch.zeros_like(p).scatter_(1, ids, kept.pow(1 / tau))
    torch.testing.assert_close(drawn, wanted / wanted.sum(-1, keepdim=True), atol=1e-5, rtol=1e-4)


@given(seeds, st.sampled_from([-math.inf, -1e30, float(torch.finfo(torch.float32).min)]))
@settings(max_examples=80, deadline=None)
def test_a_masked_token_is_never_revived(seed: int, mask: float) -> None:
    logits = noise(3, seed)
    masked = torch.rand(3, VOCABULARY, generator=torch.Generator().manual_seed(seed)) < 0.9
    masked[:, seed % VOCABULARY] = False
    for mode in ("argmax", "softmax"):
        options = Options(k=6, m=20, p=1.0, mode=mode)  # type: ignore[arg-type]
        out = core.rescore(logits.masked_fill(masked, mask), TABLE, options)
        assert not (masked & (out > -1e29)).any()
        assert (out > -1e29).any(-1).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_rows_do_not_see_each_other(seed: int) -> None:
    asked = [
        Options(k=6, m=8),
        None,
        Options(k=2, m=3, p=0.6, mode="softmax", tau=0.5, own=False),
        Options(k=6, m=8, normalize=True, ablation="random"),
        Options(k=4, m=20, ablation="lexical"),
    ]
    logits = noise(len(asked), seed)
    together = core.rescore(logits, MIXED, asked)
    for row, options in enumerate(asked):
        alone = core.rescore(logits[row : row + 1], MIXED, [options])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=1e-5)
    assert torch.equal(together[1], logits[1])


def test_the_given_logits_stay_unless_told_otherwise() -> None:
    logits = noise(2, 1)
    before = logits.clone()
    core.rescore(logits, TABLE, Options(k=6))
    assert torch.equal(logits, before)
    out = core.rescore(logits, TABLE, Options(k=6), in_place=True)
    assert out.data_ptr() == logits.data_ptr() and not torch.equal(logits, before)


def test_pooled_variants_beat_a_likelier_single_token() -> None:
    # 0 and 1 are spellings of one word with 0.3 each; 2 is another word with 0.4
    ids = torch.tensor([[1], [0], [3], [2]])
    table = make_table(ids, torch.tensor([[0.9], [0.9], [0.0], [0.0]]))
    logits = torch.tensor([[0.31, 0.29, 0.4, 1e-9]]).log()
    assert int(core.rescore(logits, table, Options(k=1, m=4)).argmax()) == 0
    assert int(logits.argmax()) == 2
    normalized = core.rescore(logits, table, Options(k=1, m=4, normalize=True))
    assert int(normalized.argmax()) == 2


def test_a_step_with_a_candidate_that_is_no_content_is_deferred() -> None:
    content = torch.tensor([True, True, False, True])
    table = make_table(
        torch.tensor([[1], [0], [2], [3]]), torch.tensor([[1.0], [1.0], [0.0], [0.0]]), content
    )
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.5, 0.46, 0.01, 0.03]]).log()
    out = core.rescore(logits, table, Options(k=1, m=4, p=0.9))
    assert torch.equal(out[0], logits[0])
    assert torch.isneginf(out[1]).sum() == 3


def test_ablations_by_kind_of_neighbour() -> None:
    # token 0 likes 1 (its spelling) and 2 (its opposite); 3 is likeliest alone
    ids = torch.tensor([[1, 2], [0, 2], [3, 3], [3, 3]])
    weights = torch.tensor([[0.9, 0.9], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    kinds = torch.tensor([[LEXICAL, ANTONYM], [0, 0], [0, 0], [0, 0]], dtype=torch.uint8)
    table = replace(make_table(ids, weights), kinds=kinds)
    logits = torch.tensor([[0.28, 0.12, 0.2, 0.4]]).log()

    def score(ablation: str) -> float:
        plan = core.Plan.of([Options(k=2, m=4, p=1.0, ablation=ablation)])  # type: ignore[arg-type]
        assert plan is not None
        step = core.decide(logits, table, plan)
        return float(step.scores[0][step.ids[0] == 0])

    assert score("none") == pytest.approx(0.28 + 0.9 * 0.32, abs=1e-3)
    assert score("lexical") == pytest.approx(0.28 + 0.9 * 0.12, abs=1e-3)
    assert score("no_antonyms") == pytest.approx(0.28 + 0.9 * 0.12, abs=1e-3)
    assert score("self_only") == pytest.approx(0.28, abs=1e-6)
    assert score("random") == score("random")


def test_random_neighbours_are_content_and_spread() -> None:
    ids = torch.arange(VOCABULARY)
    drawn = MIXED.random_neighbours(ids, 6)
    assert MIXED.content[drawn].all()
    assert len(drawn.unique()) > 20
    assert torch.equal(drawn[:, :3], MIXED.random_neighbours(ids, 3))


def test_rows_of_nan_are_left_alone() -> None:
    logits = noise(2, 5)
    logits[0, 3] = torch.nan
    out = core.rescore(logits, TABLE, Options(k=6))
    assert torch.equal(out[0].isnan(), logits[0].isnan())
    assert out[1].isfinite().sum() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_types(dtype: torch.dtype) -> None:
    logits = noise(3, 8).to(dtype)
    out = core.rescore(logits, TABLE, Options(k=6, m=8))
    assert out.dtype == dtype
    assert torch.equal(out.argmax(-1), core.rescore(logits.float(), TABLE, Options(k=6, m=8)).argmax(-1))


@given(st.integers(1, 6), seeds, st.integers(1, 30), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_quick_top_is_the_top(rows: int, seed: int, count: int, ties: bool) -> None:
    logits = noise(rows, seed, columns=128 * 70 + seed % 128)
    logits = logits.round() if ties else logits
    top, ids = core._top(logits, count)
    assert torch.equal(top, logits.topk(count).values)
    assert torch.equal(logits.gather(1, ids), top)
    assert all(len(row.unique()) == count for row in ids)


def test_another_vocabulary_and_too_many_neighbours_are_errors() -> None:
    with pytest.raises(TableError, match="41 logits"):
        core.rescore(noise(1, 0, columns=41), TABLE, Options(k=6))
    with pytest.raises(TableError, match="k=7"):
        core.rescore(noise(1, 0), TABLE, Options(k=7))

"""Semantic sampling inside a real `generate`, on a tiny model of a real class and on the shipped one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, LogitsProcessorList

from foveate.agent.models.decoding import read_decoding
from foveate.agent.models.factory import chat_model
from foveate.agent.models.hf import HFChatModel
from foveate.tools.semsam.build import build_table
from foveate.tools.semsam.checkpoint import load_tokenizer
from foveate.tools.semsam.core import Plan, decide, rescore
from foveate.tools.semsam.counts import added
from foveate.tools.semsam.diagnostics import Diagnostics
from foveate.tools.semsam.hf import SemSamLogitsProcessor
from foveate.tools.semsam.options import OptionError, Options
from foveate.tools.semsam.table import Table, TableError

from .conftest import make_table


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def model(tiny_qwen: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(tiny_qwen, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def table(tiny_qwen: Path) -> Table:
    return build_table(str(tiny_qwen), k=8)


def generate(model: Any, rows: int, *processors: Any, **how: Any) -> torch.Tensor:
    ids = torch.tensor([[70, 71, 72, 73], [80, 81, 82, 83]])[:rows]
    with torch.inference_mode():
        out: torch.Tensor = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
            logits_processor=LogitsProcessorList(processors), **how,
        )  # fmt: skip
    return out[:, 4:]


def by_hand(model: Any, ids: list[int], table: Table, options: Options, steps: int) -> list[int]:
    """Decoding without `generate` and without a cache."""
    told = list(ids)
    for _ in range(steps):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([told])).logits[:, -1].float()
        told.append(int(rescore(logits, table, options).argmax()))
    return told[len(ids) :]


def test_generate_does_what_the_core_says(model: Any, table: Table) -> None:
    options = Options(k=8, m=20, p=1.0)
    out = generate(model, 2, SemSamLogitsProcessor(table, options), eos_token_id=None)
    assert out[0].tolist() == by_hand(model, [70, 71, 72, 73], table, options, 12)
    assert out[1].tolist() == by_hand(model, [80, 81, 82, 83], table, options, 12)


def test_the_limits_are_greedy_and_the_rule_is_not(model: Any, table: Table) -> None:
    plain = generate(model, 2)
    for options in (Options(m=1, k=8), Options(k=0), Options(k=8, ablation="self_only")):
        assert torch.equal(generate(model, 2, SemSamLogitsProcessor(table, options)), plain)
    # every other token leans on the one that greedy decoding repeats here, so that one can never win
    weights = torch.ones(272, 1)
    weights[plain[:, 0]] = 0
    leaning = make_table(plain[:1, :1].repeat(272, 1), weights)
    changed = generate(model, 1, SemSamLogitsProcessor(leaning, Options(k=1, m=20, p=1.0)))
    assert not (changed[0] == plain[0]).any()


def test_diagnostics_count_steps(model: Any, table: Table, tiny_qwen: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_qwen))
    seen = Diagnostics(table, lambda token: str(tokenizer.decode([token])))
    generate(model, 2, SemSamLogitsProcessor(table, Options(k=8, m=3), diagnostics=seen))
    told = seen.take()
    assert told["steps"] == 24 and 0 < told["deferral_rate"] <= 1
    assert sum(told["deferred_by"].values()) == told["deferred"]
    assert seen.report()["steps"] == 0


def test_flips_are_told() -> None:
    words = ["left", "right", "Left", ","]
    ids = torch.tensor([[2], [2], [0], [3]])
    table = make_table(
        ids, torch.tensor([[1.0], [0.0], [1.0], [0.0]]), torch.tensor([True, True, True, False])
    )
    seen = Diagnostics(table, words.__getitem__)
    plan = Plan.of([Options(k=1, m=4, p=0.9)] * 3)
    assert plan is not None
    rows = [[0.3, 0.4, 0.29, 0.01], [0.1, 0.1, 0.1, 0.7], [0.97, 0.01, 0.01, 0.01]]
    seen.observe(decide(torch.tensor(rows).log(), table, plan))
    told = seen.report()
    assert told["antonym_flips"] == 1 and told["flips"] == [{"from": "right", "to": "left", "count": 1}]
    assert told["deferred_by"] == {"punctuation": 1} and told["single"] == 1 and told["changed"] == 1


def test_beam_search_is_refused_at_its_first_step(model: Any, table: Table) -> None:
    with pytest.raises(OptionError, match="beam search"):
        generate(model, 1, SemSamLogitsProcessor(table, Options(k=8)), num_beams=2)
    with pytest.raises(OptionError, match="beam search"):
        generate(model, 2, SemSamLogitsProcessor(table, Options(k=8)), num_beams=3)


def test_continuous_batching_is_refused(table: Table) -> None:
    from transformers.generation.continuous_batching.cb_logits_processors import (
        ContinuousBatchingLogitsProcessorList,
    )

    processors = LogitsProcessorList([SemSamLogitsProcessor(table, Options(k=8))])
    with pytest.raises(OptionError, match="continuous batching"):
        ContinuousBatchingLogitsProcessorList(processors)


def test_another_models_table_fails_before_the_first_token(model: Any) -> None:
    other = make_table(torch.zeros(9, 2), torch.zeros(9, 2))
    with pytest.raises(TableError, match="272 logits"):
        generate(model, 1, SemSamLogitsProcessor(other, Options(k=2)))
    with pytest.raises(TableError, match="k=5"):
        SemSamLogitsProcessor(other, Options(k=5))


def test_the_chat_model_decodes_so(tiny_qwen: Path) -> None:
    plain = HFChatModel(path=str(tiny_qwen), max_new_tokens=8)
    limit = chat_model(f"hf:{tiny_qwen}", max_tokens=8, decoding="semsam:m=1")
    assert limit.invoke("Where?").content == plain.invoke("Where?").content
    drawn = chat_model(f"hf:{tiny_qwen}", max_tokens=8, decoding="semsam:mode=softmax,p=1,tau=2")
    assert isinstance(drawn, HFChatModel)
    first = drawn.invoke("Where?")
    assert drawn.invoke("Where?").content == first.content
    assert first.response_metadata["decoding"]["steps"] == 8
    assert "decoding" not in plain.invoke("Where?").response_metadata


def test_reports_of_replies_add_up() -> None:
    one = {
        "steps": 4, "deferred": 1, "deferral_rate": 0.25, "deferred_by": {"digit": 1}, "single": 1,
        "changed": 2,
        "changed_to": [{"from": "a", "to": "b", "count": 2}], "same_word": 0, "antonym_flips": 0, "flips": [],
    }  # fmt: skip
    assert added(None, one) == one
    both = added(one, {**one, "deferred_by": {"space": 1}})
    assert both["steps"] == 8 and both["deferral_rate"] == 0.25
    assert both["deferred_by"] == {"digit": 1, "space": 1}
    assert both["changed_to"] == [{"from": "a", "to": "b", "count": 4}]


def test_a_checkpoint_that_wants_beams_is_refused(tiny_qwen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = chat_model(f"hf:{tiny_qwen}", max_tokens=2, decoding="semsam")
    assert isinstance(model, HFChatModel)
    monkeypatch.setattr(model.loaded().model.generation_config, "num_beams", 4)
    with pytest.raises(OptionError, match="beam"):
        model.invoke("Where?")


def test_a_table_can_be_named() -> None:
    told = read_decoding("semsam:k=4,table=/tmp/x.safetensors,m=3")
    assert told is not None and told.table == Path("/tmp/x.safetensors") and told.options == Options(k=4, m=3)
    alone = read_decoding("semsam:table=a/b")
    assert alone is not None and alone.table == Path("a/b")
    assert read_decoding(None) is None and read_decoding("default") is None
    with pytest.raises(OptionError, match="one file"):
        read_decoding("semsam:table=")

"""The logic of both vLLM adapters, driven with vLLM's own sequences of calls; vLLM itself is not needed."""

import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate.tools.semsam import core
from foveate.tools.semsam.options import OptionError, Options
from foveate.tools.semsam.table import TableError, save_table
from foveate.tools.semsam.vllm import interface
from foveate.tools.semsam.vllm_common import TABLE_VARIABLE, Slots, asked_of, check_request, table_path

from .conftest import random_table

TABLE = random_table(40, 6)


class Direction(Enum):
    UNIDIRECTIONAL = 1
    SWAP = 2


def params(options: str | None = None, temperature: float = 0.0, **more: Any) -> SimpleNamespace:
    extra = None if options is None else {"semsam": options}
    cuts = {"top_p": 1.0, "top_k": 0, "min_p": 0.0} | more
    return SimpleNamespace(extra_args=extra, temperature=temperature, **cuts)


def added(slot: int, options: str | None = None) -> tuple[Any, ...]:
    return slot, params(options), [1, 2], []


def rows(slots: Slots, count: int) -> list[bool]:
    """Which of the rows are re-scored."""
    logits = torch.randn(count, 40, generator=torch.Generator().manual_seed(7))
    out = slots.apply(logits.clone(), TABLE, range(count))
    return [not torch.equal(a, b) for a, b in zip(out, logits, strict=True)]


def test_a_batch_of_on_and_off() -> None:
    slots = Slots()
    assert not slots and rows(slots, 2) == [False, False]
    slots.update([], [added(0), added(1, "k=6"), added(2, "k=2,m=3")], [])
    assert slots and rows(slots, 3) == [False, True, True]


def test_a_slot_is_used_again_by_a_request_that_does_not_ask() -> None:
    slots = Slots()
    slots.update([], [added(0, "k=6"), added(1, "k=6")], [])
    slots.update([0], [added(0)], [])
    assert rows(slots, 2) == [False, True]
    slots.update([], [added(1)], [])
    assert rows(slots, 2) == [False, False] and not slots


def test_moves_and_swaps() -> None:
    slots = Slots()
    slots.update([], [added(0), added(1), added(2, "k=6")], [])
    slots.update([0], [], [(2, 0, Direction.UNIDIRECTIONAL)])
    assert rows(slots, 2) == [True, False]
    slots.update([], [], [(0, 1, Direction.SWAP)])
    assert rows(slots, 2) == [False, True]
    slots.update([1], [], [(0, 1, Direction.UNIDIRECTIONAL)])
    assert not slots


operation = st.one_of(
    st.tuples(st.just("remove"), st.integers(0, 4)),
    st.tuples(st.just("add"), st.integers(0, 4), st.sampled_from([None, "k=2", "k=6,m=5"])),
    st.tuples(st.just("move"), st.integers(0, 4), st.integers(0, 4), st.sampled_from(list(Direction))),
)


@given(st.lists(operation, max_size=25))
@settings(max_examples=80, deadline=None)
def test_slots_follow_any_sequence_of_updates(operations: list[tuple[Any, ...]]) -> None:
    slots, model = Slots(), dict.fromkeys(range(5))
    for name, slot, *rest in operations:
        if name == "remove":
            slots.update([slot], [], [])
            model[slot] = None
        elif name == "add":
            slots.update([], [added(slot, rest[0])], [])
            model[slot] = rest[0]
        elif slot != rest[0]:
            slots.update([], [], [(slot, *rest)])
            sitter = model[rest[0]]
            model[rest[0]] = model[slot]
            model[slot] = sitter if rest[1] is Direction.SWAP else None
    wanted = [asked_of(params(model[slot])) for slot in range(5)]
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(3))
    told = core.rescore(logits, TABLE, [asked and asked[0] for asked in wanted])
    assert torch.equal(slots.apply(logits.clone(), TABLE, range(5)), told)


def test_rows_of_the_v2_runner_follow_the_mapping() -> None:
    slots = Slots()
    assert slots.put(7, asked_of(params("k=6"))) and not slots.put(3, asked_of(params()))
    assert slots.any_of([3, 7]) and not slots.any_of([3, 5])
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(2))
    # a request with two rows, as under speculative decoding
    out = slots.apply(logits.clone(), TABLE, [7, 3, 7])
    wanted = core.rescore(logits, TABLE, [Options(k=6), None, Options(k=6)])
    assert torch.equal(out, wanted)
    assert not slots.put(7, asked_of(params()))
    assert torch.equal(slots.apply(logits.clone(), TABLE, [7, 3, 7]), logits)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tau_rules_whatever_the_requests_temperature(temperature: float) -> None:
    slots = Slots()
    slots.put(0, asked_of(params("k=6,mode=softmax,tau=2", temperature)))
    logits = torch.randn(1, 40, generator=torch.Generator().manual_seed(2))
    drawn = (slots.apply(logits.clone(), TABLE, [0]) / temperature).softmax(-1)
    wanted = core.rescore(logits, TABLE, Options(k=6, mode="softmax", tau=2)).softmax(-1)
    torch.testing.assert_close(drawn, wanted)


def test_requests_are_checked_against_the_servers_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TABLE_VARIABLE, raising=False)
    check_request(params())
    with pytest.raises(OptionError, match=TABLE_VARIABLE):
        check_request(params("k=6"))
    path = tmp_path / "table.safetensors"
    save_table(TABLE, path)
    monkeypatch.setenv(TABLE_VARIABLE, str(path))
    assert table_path() == path
    check_request(params("k=6"))
    check_request(params("k=6,mode=softmax", 0.7))
    check_request(params("k=6,mode=argmax", 0.7, top_p=0.8, top_k=20))
    with pytest.raises(TableError, match="k=7"):
        check_request(params("k=7"))
    with pytest.raises(OptionError, match="p must"):
        check_request(params("p=2"))
    for cut in ({"top_p": 0.9}, {"top_k": 20}, {"min_p": 0.1}):
        with pytest.raises(OptionError, match="top_p=1"):
            check_request(params("k=6,mode=softmax", 0.7, **cut))


@pytest.mark.parametrize(
    ("version", "environment", "has_triton", "chosen"),
    [
        ((0, 29), {}, True, "v1"),
        ((0, 30), {"VLLM_USE_V2_MODEL_RUNNER": "1"}, True, "v1"),
        ((0, 31), {}, True, "v2"),
        ((0, 32), {}, False, "v1"),
        ((0, 33), {"VLLM_USE_V2_MODEL_RUNNER": "0"}, True, "v1"),
        ((0, 33), {"VLLM_USE_V2_MODEL_RUNNER": "1"}, False, "v2"),
        ((1, 0), {}, True, "v2"),
    ],
)
def test_the_interface_is_chosen_as_vllm_chooses_its_runner(
    version: tuple[int, ...], environment: dict[str, str], has_triton: bool, chosen: str
) -> None:
    assert interface(version, environment, has_triton) == chosen


def test_the_front_end_imports_no_torch() -> None:
    code = "import sys; import foveate.tools.semsam.vllm_common as c; c.request_options({'semsam': 'k=2'})"
    code += "; import foveate.tools.semsam.vllm; sys.exit('torch' in sys.modules or 'vllm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""Semantic sampling in a real vLLM server with the shipped model; run by `make check-vllm`.

Needs FOVEATE_VLLM_PYTHON, a Python with vLLM and Foveate. Runs the V1 interface, or what FOVEATE_VLLM_RUNNERS
says (such as "v1,v2", on a machine with Triton).
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from transformers import AutoModelForImageTextToText, LogitsProcessorList

from foveate.agent.models.decoding import Decoding, check_server
from foveate.agent.models.errors import ModelError
from foveate.agent.models.pocket import pocket_folder
from foveate.agent.models.vllm_server import free_port, serve, vllm_command
from foveate.tools.semsam.checkpoint import load_tokenizer
from foveate.tools.semsam.hf import SemSamLogitsProcessor
from foveate.tools.semsam.options import Options, parse_options
from foveate.tools.semsam.store import build_to
from foveate.tools.semsam.table import Table

PYTHON = os.environ.get("FOVEATE_VLLM_PYTHON", "")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON, reason="FOVEATE_VLLM_PYTHON names no Python with vLLM"),
]
STRONG = "k=32,m=20,p=1,self=0"
OPTIONS = [STRONG, "k=16,p=1,normalize=1", "k=8,m=5,p=0.99", "k=16,p=1,ablation=random,self=0", "m=1"]
QUESTIONS = [
    "Where is the liver?",
    "Is the spleen left of the liver?",
    "How large is the left kidney?",
    "Why?",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Table]:
    # every text token counts as content, so that few steps defer and the rule has something to change
    file = tmp_path_factory.mktemp("table") / "any.safetensors"
    return build_to(str(pocket_folder()), file, 32, "input", "any")


@pytest.fixture(scope="module", params=os.environ.get("FOVEATE_VLLM_RUNNERS", "v1").split(","))
def url(request: Any, table: tuple[Path, Table], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEATE_SEMSAM_TABLE", str(table[0]))
        patch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1" if request.param == "v2" else "0")
        port = free_port()
        command = vllm_command(Path(PYTHON), pocket_folder(), "pocket", port, 2048, semsam=True, requests=4)
        log = tmp_path_factory.mktemp("vllm") / "server.log"
        with serve(command, port, log, 900) as told:
            yield told


@cache
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="EMPTY", max_retries=0, timeout=300)


@cache
def prompt(question: str) -> tuple[int, ...]:
    text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    return tuple(load_tokenizer(str(pocket_folder()))(text)["input_ids"])


def complete(url: str, question: str, options: str | None, **more: Any) -> Any:
    body: dict[str, Any] = {"return_token_ids": True, **more.pop("body", {})}
    if options is not None:
        body["vllm_xargs"] = {"semsam": options}
    asked = {"max_tokens": 40, "temperature": 0.0} | more
    return client(url).completions.create(
        model="pocket", prompt=list(prompt(question)), extra_body=body, **asked
    )


def ids(url: str, question: str, options: str | None, **more: Any) -> list[int]:
    found: list[int] = complete(url, question, options, **more).choices[0].token_ids
    return found


@cache
def model() -> Any:
    return AutoModelForImageTextToText.from_pretrained(pocket_folder(), dtype=torch.float32).eval()


def here(table: Table, question: str, options: str | None, tokens: int = 40) -> list[int]:
    """The same request through the transformers adapter."""
    given = torch.tensor([prompt(question)])
    processors = [] if options is None else [SemSamLogitsProcessor(table, parse_options(options))]
    with torch.inference_mode():
        out = model().generate(
            input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=tokens, do_sample=False,
            logits_processor=LogitsProcessorList(processors),
        )  # fmt: skip
    found: list[int] = out[0, given.shape[1] :].tolist()
    return found


def test_the_tokens_are_those_of_the_transformers_adapter(url: str, table: tuple[Path, Table]) -> None:
    different = 0
    for question in QUESTIONS:
        plain = here(table[1], question, None)
        assert ids(url, question, None) == plain
        for options in OPTIONS:
            wanted = here(table[1], question, options)
            assert ids(url, question, options) == wanted, (question, options)
            different += wanted != plain
    assert different >= len(QUESTIONS), "the options changed hardly anything, so this says nothing"


def test_requests_that_share_a_batch_do_not_see_each_other(url: str) -> None:
    # 24 requests through 4 slots, on and off, of different lengths: slots are used again and requests move
    jobs: list[tuple[str, str | None, int]] = [
        (QUESTIONS[n % 4], [None, *OPTIONS][n % 6], 5 + 7 * (n % 5)) for n in range(24)
    ]
    alone = {job: ids(url, job[0], job[1], max_tokens=job[2]) for job in set(jobs)}
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda job: ids(url, job[0], job[1], max_tokens=job[2]), jobs))
    assert together == [alone[job] for job in jobs]


def test_a_slot_that_had_it_does_not_keep_it(url: str, table: tuple[Path, Table]) -> None:
    for _ in range(3):
        ids(url, QUESTIONS[1], STRONG, max_tokens=4)
        assert ids(url, QUESTIONS[1], None) == here(table[1], QUESTIONS[1], None)


@pytest.mark.parametrize("options", [*OPTIONS, "k=16,mode=softmax,p=1"])
def test_a_grammar_is_kept(url: str, options: str) -> None:
    more: Mapping[str, Any] = {"temperature": 1.0, "seed": 3} if "softmax" in options else {}
    for pattern in ("(left|right) (kidney|lung)", "[0-9]{2} mm"):
        body = {"structured_outputs": {"regex": pattern}}
        text = complete(url, "Which?", options, body=body, max_tokens=30, **more).choices[0].text
        assert re.fullmatch(pattern, text), (pattern, text)


def test_streaming_gives_the_same_text(url: str) -> None:
    whole = complete(url, QUESTIONS[0], STRONG).choices[0].text
    streamed = complete(url, QUESTIONS[0], STRONG, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole != ""


@pytest.mark.parametrize(
    "argument",
    [
        {"semsam": "k=9999"},
        {"semsam": "k=33"},
        {"semsam": "p=0"},
        {"semsam": "mode=beam"},
        {"semsam": "what=1"},
        {"semsam": 7},
        {"semsam_k": 16},
    ],
)
def test_bad_options_are_answered_with_400(url: str, argument: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError, match=r"semsam|k="):
        client(url).completions.create(
            model="pocket", prompt=[1, 2], max_tokens=2, extra_body={"vllm_xargs": argument}
        )
    assert ids(url, "Why?", None, max_tokens=2)


def test_drawing_with_a_second_cut_is_refused(url: str) -> None:
    with pytest.raises(openai.BadRequestError, match="top_p=1"):
        complete(url, "Why?", "mode=softmax", temperature=0.7, top_p=0.8)


def test_one_candidate_is_greedy_at_any_temperature(url: str) -> None:
    greedy = ids(url, QUESTIONS[2], None)
    table_of_marks = ids(url, QUESTIONS[2], "m=1", temperature=0.01, seed=1)
    assert table_of_marks == greedy


def test_the_other_interface_takes_what_vllm_gives_it(table: tuple[Path, Table]) -> None:
    """Model Runner V2 needs Triton to run a model, which there is none of for CPUs: its own loader, request
    check and context are driven here instead, in vLLM's environment."""
    environment = {**os.environ, "FOVEATE_SEMSAM_TABLE": str(table[0]), "FOVEATE_MODEL": str(pocket_folder())}
    script = Path(__file__).with_name("drive_v2.py")
    done = subprocess.run([PYTHON, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip().endswith("driven"), done.stderr[-1500:]


def test_foveate_asks_the_server_whether_it_can(url: str) -> None:
    check_server(url, "pocket", "EMPTY", Decoding(Options()))
    with pytest.raises(ModelError, match="table= out"):
        check_server(url, "pocket", "EMPTY", Decoding(Options(), Path("x")))


def test_ask_through_the_server(url: str, tmp_path: Path) -> None:
    from foveate.agent.cli import run

    image = str(pocket_folder().parents[1] / "demo" / "upper_abdomen.dcm")
    line = ["ask", image, "-q", "Where is the liver?", "-m", "openai:pocket", "--base-url", url]
    assert run([*line, "--out", str(tmp_path), "--decoding", "semsam:k=8"]) == 0
    told = json.loads((tmp_path / "answer.json").read_text())
    assert told["decoding"] == {"name": "semsam", "options": "k=8"} and told["stopped_by"] == "answer"
    assert run([*line, "--decoding", "semsam:table=x"]) == 2

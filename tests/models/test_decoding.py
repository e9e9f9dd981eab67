"""`--decoding`: which models can, and the one clear error of those that cannot."""

from pathlib import Path

import pytest

from foveate.agent.models.decoding import Decoding, check_server, decoding_report
from foveate.agent.models.errors import ModelError
from foveate.agent.models.factory import chat_model
from foveate.agent.models.servers import ServerChatModel
from foveate.tools.semsam.options import OptionError, Options
from foveate.tools.semsam.table import TableError

from .fake_server import completion, serving

HOW = Decoding(Options(k=4))


def listing(owner: str) -> dict[str, object]:
    return {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": owner}]}


def test_a_server_that_is_not_vllm_is_refused_at_once() -> None:
    with serving() as fake:
        fake.listing = listing("library")
        with pytest.raises(ModelError, match="not vLLM"):
            chat_model("openai:m", fake.url, decoding="semsam")
        assert fake.requests == []


def test_a_vllm_without_the_processor_is_refused_at_once() -> None:
    with serving() as fake:
        fake.listing, fake.answer = listing("vllm"), completion("hello")
        with pytest.raises(ModelError, match="--logits-processors"):
            chat_model("openai:m", fake.url, decoding="semsam")
        [asked] = fake.requests
        assert asked["vllm_xargs"] == {"semsam": "probe"} and asked["max_tokens"] == 1


def test_a_server_that_is_away_or_talks_nonsense() -> None:
    with pytest.raises(ModelError, match="could not be asked"):
        check_server("http://127.0.0.1:9/v1", "m", "EMPTY", HOW)
    with serving() as fake:
        fake.listing = {"error": "no"}
        with pytest.raises(ModelError):
            check_server(fake.url, "m", "EMPTY", HOW)


@pytest.mark.parametrize(
    ("spec", "decoding", "error", "word"),
    [
        ("openai:gpt", "semsam", ModelError, "vLLM server"),
        ("scripted:x.json", "semsam", ModelError, "scripted"),
        ("pocket", "semsam:p=2", OptionError, "p must"),
        ("pocket", "beam", OptionError, "no decoding"),
        ("pocket", "semsam:table=/nowhere/t.safetensors", TableError, "no semantic-sampling table"),
        ("hf:/nowhere", "semsam", TableError, "no model folder"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(
    spec: str, decoding: str, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        chat_model(spec, decoding=decoding)


def test_a_request_carries_the_options() -> None:
    told = Decoding(Options(k=4, m=7)).server_body()
    assert told == {"vllm_xargs": {"semsam": "k=4,m=7"}}
    drawn = Decoding(Options(mode="softmax", tau=0.5)).server_body()
    assert drawn["top_p"] == 1.0 and drawn["top_k"] == 0 and drawn["min_p"] == 0.0


def test_sampling_from_a_server_changes_the_request_and_not_the_model() -> None:
    plain = ServerChatModel.connect("m", "http://127.0.0.1:9/v1", None, max_tokens=9, timeout=1)
    model = plain.model_copy(update={"decoding": HOW})
    drawn = model.sampling(0.7, 5)
    assert drawn.temperature == 0.7 and drawn.seed == 5
    assert drawn.extra_body is not None and drawn.extra_body["max_tokens"] == 9
    assert "mode=softmax" in drawn.extra_body["vllm_xargs"]["semsam"]
    assert model.extra_body == {"max_tokens": 9} and decoding_report(plain) is None
    assert decoding_report(model) == {"name": "semsam", "options": "k=4"}


def test_a_named_table_of_another_model_is_refused(tmp_path: Path) -> None:
    from foveate.tools.semsam.build import build_table
    from foveate.tools.semsam.table import save_table

    from .tiny import save_qwen

    save_table(build_table(str(save_qwen(tmp_path / "tiny")), k=4), tmp_path / "t.safetensors")
    with pytest.raises(TableError, match="another tokenizer"):
        chat_model("pocket", decoding=f"semsam:k=4,table={tmp_path / 't.safetensors'}")

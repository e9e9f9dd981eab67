"""Building, saving and loading tables, and every way in which one can be wrong."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from foveate.tools.semsam import build, store
from foveate.tools.semsam.checkpoint import find_embedding, load_tokenizer
from foveate.tools.semsam.content import FILTERS, content_mask, token_texts, tokenizer_sha256
from foveate.tools.semsam.table import ANTONYM, LEXICAL, Table, TableError, load_table, save_table
from foveate.tools.semsam.words import opposites, plain, same_word


@pytest.fixture(scope="module")
def made(tiny_qwen: Path) -> Table:
    return build.build_table(str(tiny_qwen), k=4)


@given(st.integers(3, 60), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_neighbours_are_exact(count: int, seed: int) -> None:
    vectors = F.normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)), dim=1)
    k = min(4, count - 1)
    ids, cosines = build.nearest(vectors, k)
    whole = (vectors @ vectors.T).fill_diagonal_(-torch.inf)
    torch.testing.assert_close(cosines, whole.topk(k).values)
    torch.testing.assert_close(whole.gather(1, ids), cosines)


def test_tiles_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = F.normalize(torch.randn(50, 6, generator=torch.Generator().manual_seed(1)), dim=1)
    whole = build.nearest(vectors, 5)
    monkeypatch.setattr(build, "BLOCK", 7)
    told: list[tuple[int, int]] = []
    tiled = build.nearest(vectors, 5, lambda done, total: told.append((done, total)))
    torch.testing.assert_close(tiled[1], whole[1])
    assert torch.equal(tiled[0], whole[0])
    assert told == [(done, 36) for done in range(1, 37)]


def test_marks_bytes_and_padding_never_enter_a_neighbourhood(tiny_qwen: Path, made: Table) -> None:
    tokenizer = load_tokenizer(str(tiny_qwen))
    assert made.about.vocabulary == 272 > made.about.tokens == len(tokenizer)
    marks = [*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder, *range(len(tokenizer), 272)]
    assert not made.content[marks].any()
    assert made.content[made.ids[made.content].long()].all()
    assert (made.weights[~made.content] == 0).all()
    texts = token_texts(tokenizer)
    assert all(any(c.isalpha() for c in texts[i]) for i in made.content_ids.tolist())
    assert not torch.isin(made.ids[made.content].long(), torch.tensor(marks)).any()


def test_no_token_is_its_own_neighbour_and_the_nearest_comes_first(made: Table) -> None:
    own = torch.arange(len(made.ids))[made.content, None]
    assert not (made.ids[made.content] == own).any()
    assert (made.weights.diff(dim=1) <= 0).all()


def test_a_saved_table_comes_back(made: Table, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.safetensors"
    save_table(made, path)
    back = load_table(path)
    assert back.about == made.about
    assert all(
        torch.equal(getattr(back, n), getattr(made, n)) for n in ("ids", "weights", "kinds", "content")
    )
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def spoiled(made: Table, path: Path, **tensors: torch.Tensor) -> Path:
    save_table(made, path)
    with safe_open(path, "pt") as file:
        header = file.metadata()
    save_file({**load_file(path), **tensors}, path, metadata=header)
    return path


def test_damaged_tables(made: Table, tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    weights = made.weights.clone()
    weights[3, 1] = torch.nan
    with pytest.raises(TableError, match="NaN"):
        load_table(spoiled(made, path, weights=weights))
    with pytest.raises(TableError, match="outside the vocabulary"):
        load_table(spoiled(made, path, ids=made.ids + 270))
    with pytest.raises(TableError, match="not a content token"):
        load_table(spoiled(made, path, content=torch.zeros(272, dtype=torch.uint8)))
    with pytest.raises(TableError, match="shape"):
        load_table(spoiled(made, path, ids=made.ids[:-1].contiguous()))
    save_table(made, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TableError, match="not a whole"):
        load_table(path)
    with pytest.raises(TableError, match="foveate semsam build"):
        load_table(tmp_path / "none.safetensors")
    save_file({"ids": made.ids}, path)
    with pytest.raises(TableError, match="not a semantic-sampling table"):
        load_table(path)
    save_file({"ids": made.ids}, path, metadata={"format": "foveate-semsam-1", "about": "{}"})
    with pytest.raises(TableError, match="header"):
        load_table(path)


def test_a_table_of_another_model_is_refused(tiny_qwen: Path, made: Table, tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_table(made, path)
    assert torch.equal(store.table_of(str(tiny_qwen), path, 4).ids, made.ids)
    with pytest.raises(TableError, match="k=9"):
        store.table_of(str(tiny_qwen), path, 9)
    with pytest.raises(TableError, match="another tokenizer"):
        store.table_of("pocket/weights/vlm", path)
    from ..models.tiny import save_qwen

    other = save_qwen(tmp_path / "other", vocab_size=272)
    weights = load_file(other / "model.safetensors")
    name = find_embedding(str(other)).name
    weights[name] = weights[name] + 0.5
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TableError, match="another embedding"):
        store.table_of(str(other), path)


def test_a_small_vocabulary_is_built_into_the_cache(
    tiny_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = store.table_of(str(tiny_qwen))
    [file] = (tmp_path / "foveate" / "semsam").iterdir()
    changed = file.stat().st_mtime_ns
    assert torch.equal(store.table_of(str(tiny_qwen)).ids, first.ids)
    assert file.stat().st_mtime_ns == changed
    monkeypatch.setattr(store, "QUICK", 100)
    file.unlink()
    with pytest.raises(TableError, match="foveate semsam build"):
        store.table_of(str(tiny_qwen))


def test_what_cannot_be_built(tiny_qwen: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="K must be 1 to"):
        build.build_table(str(tiny_qwen), k=5000)
    with pytest.raises(TableError, match="content filter"):
        build.build_table(str(tiny_qwen), content="nouns")
    with pytest.raises(TableError, match="tied"):
        build.build_table(str(tiny_qwen), matrix="output")
    with pytest.raises(TableError, match="no model folder"):
        build.build_table(str(tmp_path / "none"))
    with pytest.raises(TableError, match="safetensors"):
        build.build_table(str(tmp_path))


def test_a_broken_embedding_is_refused(tmp_path: Path) -> None:
    from ..models.tiny import save_qwen

    folder = save_qwen(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    name = find_embedding(str(folder)).name
    weights[name][5] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TableError, match="NaN"):
        build.build_table(str(folder), k=4, content="any")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TableError, match="cannot be read"):
        build.build_table(str(folder), k=4)


def test_a_sharded_checkpoint_is_read_by_its_index(tiny_qwen: Path, made: Table, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "sharded"
    shutil.copytree(tiny_qwen, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    name = find_embedding(str(tiny_qwen)).name
    save_file({name: weights.pop(name)}, folder / "b.safetensors")
    # the other shard is not even there: only the embedding's is opened
    listed = {name: "b.safetensors"} | dict.fromkeys(weights, "a.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    assert torch.equal(build.build_table(str(folder), k=4).ids, made.ids)


def test_the_tokenizer_hash_is_of_the_vocabulary(tiny_qwen: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_qwen))
    told = tokenizer_sha256(tokenizer)
    assert told == tokenizer_sha256(load_tokenizer(str(tiny_qwen)))
    tokenizer.add_tokens(["<new>"])
    assert told != tokenizer_sha256(tokenizer)


def test_filters() -> None:
    assert [name for name, accepts in FILTERS.items() if accepts(" left")] == [
        "letters",
        "words",
        "alnum",
        "any",
    ]
    assert [name for name, accepts in FILTERS.items() if accepts("7")] == ["alnum", "any"]
    assert [name for name, accepts in FILTERS.items() if accepts('"x')] == ["letters", "alnum", "any"]


class Marked:
    """What `content_mask` asks of a tokenizer."""

    all_special_ids = (0,)
    added_tokens_decoder = (1,)
    tokens = ("<s>", "<tool_call>", "<0x41>", "<unused7>", "[INST]", "Ġleft", "Ã", "a<b")

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.tokens[i] for i in ids]


def test_marks_of_a_vocabulary_are_no_content() -> None:
    texts = ["<s>", "<tool_call>", "A", "<unused7>", "[INST]", " left", "�", "a<b"]
    assert content_mask(Marked(), texts, 10, "letters") == [False] * 5 + [True, False, True] + [False] * 2


def test_words() -> None:
    assert same_word(" Left", "left") and same_word('"left', "LEFT") and not same_word("left", "right")
    assert not same_word(",", ".") and plain(' "Left,') == "left"
    assert (
        opposites(" Left", "right") and opposites("superior", " Inferior") and not opposites("left", "left")
    )


def test_kinds_are_those_of_the_words() -> None:
    texts = ["left", " Left", "Right", ",", ".", "superior", " inferior", "liver"]
    every = torch.arange(len(texts))
    kinds = build.kinds_of(texts, every, every.repeat(len(texts), 1))
    for a, one in enumerate(texts):
        for b, other in enumerate(texts):
            assert int(kinds[a, b]) == LEXICAL * same_word(one, other) | ANTONYM * opposites(one, other)

"""How options are written, and that nothing but a legal option is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate.tools.semsam.options import OptionError, Options, parse_decoding, parse_options, request_options

legal = st.builds(
    Options,
    k=st.integers(1, 64),
    m=st.integers(1, 256),
    p=st.sampled_from([0.1, 0.5, 0.95, 1.0]),
    mode=st.sampled_from(["argmax", "softmax"]),
    tau=st.sampled_from([0.25, 1.0, 2.0]),
    own=st.just(True),
    normalize=st.booleans(),
    ablation=st.sampled_from(["none", "lexical", "no_antonyms", "random", "self_only"]),
)


@given(legal)
def test_what_is_written_is_read_back(options: Options) -> None:
    assert parse_options(options.text()) == options
    assert parse_decoding(f"semsam:{options.text()}") == options
    assert request_options({"semsam": options.text()}) == options


@given(st.text(max_size=40))
def test_any_text_is_an_option_or_one_clear_error(text: str) -> None:
    try:
        parse_options(text)
    except OptionError as error:
        assert "\n" not in str(error) or "\n" in text
        assert "semsam" in str(error)


def test_default_and_nothing_asked() -> None:
    assert parse_decoding("default") is None
    assert parse_decoding("semsam") == Options() == parse_decoding("semsam:")
    assert request_options(None) is None
    assert request_options({"other": 1}) is None
    assert request_options({"semsam": ""}) == Options()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("p=0", "p must"),
        ("p=1.01", "p must"),
        ("p=nan", "p must"),
        ("p=x", "number"),
        ("m=0", "m must"),
        ("m=1000000", "m must"),
        ("k=-1", "k must"),
        ("k=1.5", "whole"),
        ("tau=0", "tau"),
        ("tau=inf", "tau"),
        ("mode=beam", "mode"),
        ("ablation=none2", "ablation"),
        ("self=maybe", "self"),
        ("self=0,k=0", "own"),
        ("self=0,ablation=self_only", "own"),
        ("k=1,k=2", "twice"),
        ("q=1", "options are"),
        ("k", "options are"),
        ("k=1" + "," * 300, "longer"),
    ],
)
def test_bad_options(text: str, word: str) -> None:
    with pytest.raises(OptionError, match=word):
        parse_options(text)


@pytest.mark.parametrize("extra", [{"semsam": 1}, {"semsam": ["k=1"]}, {"semsam_k": 4}, {"SemSam": ""}])
def test_bad_request_arguments(extra: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        request_options(extra)


@pytest.mark.parametrize("text", ["beam", "default:k=1", "", "semsam2"])
def test_unknown_decodings(text: str) -> None:
    with pytest.raises(OptionError, match="decoding"):
        parse_decoding(text)

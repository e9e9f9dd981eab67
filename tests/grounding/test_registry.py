"""The seam: what is registered, what a specification means, and the README's example of adding a grounder."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from foveate.tools.grounding import registry
from foveate.tools.grounding.errors import GrounderError
from foveate.tools.grounding.registry import cards, load_grounder, segmenter_cards, split_spec
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.views import flip_rotate, overview

ROOT = Path(registry.__file__).resolve().parents[2]
MOST_LINES = 80
LINE = re.compile(r'\s+"([\w-]+)": f"\{_HERE\}\.(adapters|segmenters)\.(\w+)",')


def test_every_adapter_is_one_short_file_and_one_line() -> None:
    lines = (ROOT / "tools/grounding/registry.py").read_text().splitlines()
    entries = [m.groups() for line in lines if (m := LINE.fullmatch(line))]
    assert len(entries) == len(registry.GROUNDERS) + len(registry.SEGMENTERS)
    for _, folder, module in entries:
        file = ROOT / "tools/grounding" / folder / f"{module}.py"
        assert len(file.read_text().splitlines()) <= MOST_LINES, file.name


def test_cards_say_everything_and_load_nothing() -> None:
    for name, card in [*cards().items(), *segmenter_cards().items()]:
        assert all((card.line, card.licence, card.size, card.boxes)), name
        assert card.example.startswith(("@", "[", "(", ":"))
        assert isinstance(card.missing(), tuple) and isinstance(card.local(), tuple)
    assert cards()["pocket"].local() == ("embedded",)


def readme_example() -> tuple[str, str]:
    """The file and the registry line that the README shows."""
    part = (ROOT / "README.md").read_text().split("<!-- grounder:")[1].split("<!-- /grounder -->")[0]
    file, line = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    return file, line


def test_the_readmes_grounder_works(monkeypatch: pytest.MonkeyPatch) -> None:
    file, line = readme_example()
    assert len(file.splitlines()) <= MOST_LINES and len(line.splitlines()) == 1
    match = LINE.fullmatch(line.rstrip("\n"))
    assert match is not None
    name, folder, stem = match.groups()
    where = f"foveate.tools.grounding.{folder}.{stem}"
    module = ModuleType(where)
    exec(compile(file, f"README:{stem}.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, where, module)
    monkeypatch.setitem(registry.GROUNDERS, name, where)
    pixels = np.zeros((1, 60, 90), np.uint8)
    pixels[0, 20, 70] = 255
    image = SourceImage(pixels)
    view = flip_rotate(overview(image, 90), 1, True)
    [found] = load_grounder(f"{name}:side=10").ground(view, image, ["anything"])
    assert found.regions[0].box.to_source().as_tuple() == pytest.approx((65, 15, 75, 25))
    assert import_module(where).CARD is cards()[name]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("pocket", ("pocket", "", "")),
        ("diffusion:fast@/a (b)/c", ("diffusion", "fast", "/a (b)/c")),
        ("detr:threshold=0.3@hf/x:y@z", ("detr", "threshold=0.3", "hf/x:y@z")),
        ("fuse:iou=0.4(pocket@a+diffusion:x@b)", ("fuse", "iou=0.4", "pocket@a+diffusion:x@b")),
        ("vlm:base_url=http://h:1/v1@openai:m", ("vlm", "base_url=http://h:1/v1", "openai:m")),
    ],
)
def test_specifications(spec: str, parts: tuple[str, str, str]) -> None:
    assert split_spec(spec) == parts


def test_one_that_there_is_not() -> None:
    with pytest.raises(GrounderError, match="There is no grounder 'glip'; there are: pocket, diffusion, "):
        load_grounder("glip")

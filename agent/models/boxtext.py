"""The surface form in which each family writes boxes, as text -> (label, four numbers) and back.

Knows only syntax: what the numbers mean is `conventions.py`. A text that opens a box and does not close it
in the family's form is an error, never a best guess from whatever digits are near.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_PALIGEMMA_SEGMENT = re.compile(
    r"\s*<loc(\d{4})><loc(\d{4})><loc(\d{4})><loc(\d{4})>\s*(?:<seg\d{3}>)*([^<>]*)", re.DOTALL | re.ASCII
)
_FLORENCE_RUN = re.compile(r"([^<>]*)((?:<loc_\d+>)+)", re.ASCII)
_MAIRA_BOX = re.compile(r"<box><x(\d+)><y(\d+)><x(\d+)><y(\d+)></box>", re.ASCII)


class BoxTextError(ValueError):
    """The text holds a box that is not in the family's form."""


@dataclass(frozen=True)
class TextBox:
    """A box as a model wrote it: its label (may be empty) and its four numbers in the family's own order."""

    label: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class BoxText:
    """One surface form: how to read it and how to write it."""

    name: str
    parse: Callable[[str], tuple[TextBox, ...]]
    write: Callable[[Sequence[TextBox]], str]


def _numbers(groups: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(group) for group in groups)


def _form(name: str, pattern: str, opening: str, write: Callable[[TextBox], str], joint: str) -> BoxText:
    """A regular form: group 1 is the label, groups 2 to 5 the numbers; `opening` occurs once per box."""
    compiled = re.compile(pattern, re.DOTALL | re.ASCII)

    def parse(text: str) -> tuple[TextBox, ...]:
        found = [
            TextBox((m.group(1) or "").strip(), _numbers(m.groups()[1:5])) for m in compiled.finditer(text)
        ]
        opened = len(re.findall(opening, text))
        if opened != len(found):
            raise BoxTextError(
                f"{opened} boxes are opened but {len(found)} are written in the form of {name}"
            )
        return tuple(found)

    return BoxText(name, parse, lambda boxes: joint.join(write(box) for box in boxes))


def _json_form(key: str) -> BoxText:
    """A JSON list of objects (or one object) with `key` and "label", bare or in a ```json fence."""

    def parse(text: str) -> tuple[TextBox, ...]:
        if f'"{key}"' not in text:
            return ()
        fenced = _FENCE.search(text)
        body = fenced.group(1) if fenced else text
        try:
            loaded = json.loads(body.strip())
        except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
            raise BoxTextError(f'"{key}" is written outside a JSON list: {_first_line(error)}') from None
        items = loaded if isinstance(loaded, list) else [loaded]
        return tuple(_json_box(item, key) for item in items if not isinstance(item, dict) or key in item)

    def write(boxes: Sequence[TextBox]) -> str:
        return json.dumps([{key: [_int_if_whole(n) for n in b.numbers], "label": b.label} for b in boxes])

    return BoxText(f'JSON "{key}"', parse, write)


def _json_box(item: object, key: str) -> TextBox:
    numbers = item.get(key) if isinstance(item, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(_is_number(n) for n in numbers):
        raise BoxTextError(f'"{key}" must be a list of four numbers')
    label = item.get("label", "") if isinstance(item, dict) else ""
    return TextBox(label if isinstance(label, str) else "", _numbers([str(n) for n in numbers]))


def _parse_paligemma(text: str) -> tuple[TextBox, ...]:
    """Segments "<loc>x4 label" between semicolons; mask tokens <segNNN> between box and label are skipped."""
    found = []
    for segment in text.split(";"):
        if "<loc" not in segment:
            continue
        match = _PALIGEMMA_SEGMENT.fullmatch(segment)
        if match is None:
            raise BoxTextError("a detection must be exactly four <locNNNN> tokens and a label")
        found.append(TextBox(match.group(5).strip(), _numbers(match.groups()[:4])))
    return tuple(found)


def _parse_florence2(text: str) -> tuple[TextBox, ...]:
    """A label is followed by one or more groups of four <loc_N>; all its boxes carry the label."""
    found = []
    rest = re.sub(r"</?s>|<pad>", "", text)
    for label, run in _FLORENCE_RUN.findall(rest):
        numbers = _numbers(re.findall(r"\d+", run))
        if len(numbers) % 4:
            raise BoxTextError(
                f"{len(numbers)} <loc_N> tokens follow {label.strip()!r}: boxes have four each"
            )
        found += [TextBox(label.strip(), numbers[i : i + 4]) for i in range(0, len(numbers), 4)]
    if rest.count("<loc_") != sum(run.count("<loc_") for _, run in _FLORENCE_RUN.findall(rest)):
        raise BoxTextError("a <loc_N> token is malformed")
    return tuple(found)


def _parse_maira2(text: str) -> tuple[TextBox, ...]:
    """<obj>phrase, then one or more <box>; all boxes of an <obj> carry its phrase."""
    found = []
    for segment in text.split("<obj>"):
        boxes = _MAIRA_BOX.findall(segment)
        if len(boxes) != segment.count("<box>"):
            raise BoxTextError("a <box> must hold exactly <xN><yN><xN><yN>")
        label = segment.split("<box>")[0].strip() if boxes else ""
        found += [TextBox(label, _numbers(groups)) for groups in boxes]
    return tuple(found)


def _maira2_box(box: TextBox) -> str:
    return "<box>" + "<x{:g}><y{:g}><x{:g}><y{:g}>".format(*box.numbers) + "</box>"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _int_if_whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _list(box: TextBox, open_: str = "[", close: str = "]", form: str = "g") -> str:
    return open_ + ", ".join(format(n, form) for n in box.numbers) + close


def _tokens(box: TextBox, digits: int) -> str:
    return "".join(f"<loc{'_' if digits == 0 else ''}{int(n):0{digits}d}>" for n in box.numbers)


def _qwen_pair(box: TextBox) -> str:
    x0, y0, x1, y1 = (f"{n:g}" for n in box.numbers)
    return f"({x0},{y0}),({x1},{y1})"


_PAIR = rf"\({_NUMBER},{_NUMBER}\)\s*,?\s*\({_NUMBER},{_NUMBER}\)"

JSON_BBOX_2D = _json_form("bbox_2d")
JSON_BOX_2D = _json_form("box_2d")
QWEN2_TOKENS = _form(
    "<|box_start|>(x0,y0),(x1,y1)<|box_end|>",
    rf"(?:<\|object_ref_start\|>([^<]*)<\|object_ref_end\|>)?\s*<\|box_start\|>{_PAIR}<\|box_end\|>",
    r"<\|box_start\|>",
    lambda b: f"<|object_ref_start|>{b.label}<|object_ref_end|><|box_start|>{_qwen_pair(b)}<|box_end|>",
    "\n",
)
PAIRS = _form(  # a server may have stripped the box tokens
    "(x0,y0),(x1,y1)",
    rf"(?:<\|object_ref_start\|>([^<]*)<\|object_ref_end\|>)?\s*(?:<\|box_start\|>)?{_PAIR}",
    r"\(\s*-?\d+(?:\.\d+)?\s*,\s*-?\d+(?:\.\d+)?\s*\)\s*,\s*\(",
    _qwen_pair,
    "\n",
)
INTERNVL = _form(
    "<box>[[x0, y0, x1, y1]]</box>",
    rf"(?:<ref>([^<]*)</ref>)?\s*<box>\s*\[\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]\]\s*</box>",
    r"<box>",
    lambda b: f"<ref>{b.label}</ref><box>[{_list(b)}]</box>",
    "\n",
)
PALIGEMMA = BoxText(
    "<locY><locX><locY><locX> label",
    _parse_paligemma,
    lambda boxes: " ; ".join(f"{_tokens(box, 4)} {box.label}".strip() for box in boxes),
)
FLORENCE2 = BoxText(
    "label<loc_x0><loc_y0><loc_x1><loc_y1>",
    _parse_florence2,
    lambda boxes: "".join(f"{box.label}{_tokens(box, 0)}" for box in boxes),
)
MAIRA2 = BoxText(
    "<obj>phrase<box><x0><y0><x1><y1></box></obj>",
    _parse_maira2,
    lambda boxes: "".join(f"<obj>{box.label}{_maira2_box(box)}</obj>" for box in boxes),
)
RADVLM = _form(
    "[x0, y0, x1, y1]",
    rf"()\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]",
    r"\[",
    lambda b: _list(b, form=".2f"),
    ", ",
)
CHEXAGENT = _form(
    "<|box|> (x0,y0),(x1,y1) <|/box|>",
    rf"(?:<\|ref\|>([^<]*)<\|/ref\|>)?\s*<\|box\|>\s*{_PAIR}\s*<\|/box\|>",
    r"<\|box\|>",
    lambda b: (f"<|ref|>{b.label}<|/ref|>" if b.label else "") + f"<|box|> {_qwen_pair(b)} <|/box|>",
    "\n",
)
PLAIN_LIST = _form(
    "[x0, y0, x1, y1]",
    rf"()\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]",
    r"\[\s*-?\d",
    lambda b: _list(b),
    ", ",
)

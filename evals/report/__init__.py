"""The report of a run: one HTML file with the table, plots, and every sample with its picture and boxes.

Self-contained: pictures are in the file once each, boxes are drawn over them by the page, so that a run of
thousands of questions on a few volumes stays small. Knows no Inspect AI and asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foveate.evals.contract.answers import HeatMap
from foveate.evals.contract.questions import Items, Question, Region, Target
from foveate.evals.contract.tasks import Scored
from foveate.evals.inspect.folder import SAMPLES
from foveate.evals.inspect.heat import HEATMAPS
from foveate.evals.inspect.journal import Journal
from foveate.evals.report import plots
from foveate.evals.report.pictures import Album
from foveate.evals.results import Row, primary

HERE = Path(__file__).parent
TEXT = 600
"""Characters of an observation or a reply that the page shows; the whole of it is in the trace."""


@dataclass(frozen=True)
class Section:
    """A part of the page beside the plain run: faithfulness or robustness. `svg` may be empty."""

    title: str
    words: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    svg: str = ""


@dataclass(frozen=True)
class Told:
    """All that a report shows. `run` is the folder that holds the samples and the traces."""

    title: str
    described: Mapping[str, Any]
    rows: Sequence[Row]
    items: Items
    samples: Sequence[Scored] = field(repr=False)
    run: Path
    metrics: Sequence[Any]
    sections: Sequence[Section] = ()


def write_report(path: Path, told: Told) -> None:
    """Writes the page. Pictures are opened one after the other; none is kept."""
    head, rest = _page(told).split("@@PICTURES@@")
    middle, tail = rest.split("@@SAMPLES@@")
    part = path.with_name(f".{path.name}.part")
    album = Album(len(told.items.questions))
    with part.open("w", encoding="utf-8") as stream:
        stream.write(head)
        lines = []
        for record in _samples(told, album):
            lines.append(_line(record))
            stream.writelines(f"{picture}\n" for picture in album.fresh())
        stream.write(middle)
        stream.writelines(lines)
        stream.write(tail)
    part.replace(path)


def _page(told: Told) -> str:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    name = primary(told.metrics, told.samples)
    return environment.get_template("template.html").render(
        title=told.title,
        facts=_facts(told.described),
        notes=told.items.notes,
        rows=told.rows,
        bar=plots.interval_bar,
        outcomes=plots.outcome_bar(told.samples),
        plots=[] if name is None else plots.all_plots(name, told.samples),
        sections=told.sections,
        total=len(told.samples),
        heat=(told.run / HEATMAPS).is_dir(),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
    )


def _facts(described: Mapping[str, Any]) -> list[tuple[str, str]]:
    shown = (
        "model",
        "base_url",
        "use_tools",
        "grounder",
        "decoding",
        "checks",
        "max_steps",
        "seed",
        "limit",
        "judge",
    )
    facts = [(name.replace("_", " "), described.get(name)) for name in shown]
    told = [(name, str(value)) for name, value in facts if value not in (None, "")]
    return [*told, *((f"option {k}", str(v)) for k, v in described.get("options", {}).items())]


def _samples(told: Told, album: Album) -> Iterator[dict[str, Any]]:
    predictions = Journal(told.run / "predictions.jsonl")
    try:
        with (told.run / SAMPLES).open(encoding="utf-8") as stream:
            for question, line in zip(told.items.questions, stream, strict=True):
                known = predictions.get(question.id) if question.id in predictions else {"trace": {}}
                target = told.items.targets[question.id]
                heat = _heat_of(known, told.run)
                yield _sample(question, target, json.loads(line), known["trace"], album, heat)
    finally:
        predictions.close()


def _heat_of(known: Mapping[str, Any], run: Path) -> HeatMap | None:
    """The heat map of a kept prediction, its file found in the folder where the run lies now."""
    held = known.get("prediction", {}).get("heatmap")
    if held is None:
        return None
    left, top, right, bottom = held["extent"]
    place = int(held["image"]), int(held["slice_index"])
    return HeatMap(str(run / held["file"]), (left, top, right, bottom), *place)


def _sample(
    question: Question,
    target: Target,
    record: dict[str, Any],
    trace: Mapping[str, Any],
    album: Album,
    heat: HeatMap | None,
) -> dict[str, Any]:
    predicted = [Region(**{**region, "box": tuple(region["box"])}) for region in record["regions"]]
    return {
        "id": question.id,
        "prompt": question.prompt,
        "options": list(question.options),
        "filters": {**question.filters},
        "group": question.group,
        "outcome": record["outcome"],
        "verdict": record["verdict"],
        "answer": str(trace.get("answer", "")),
        "value": record["value"],
        "target": _target_text(target),
        "values": record["values"],
        "confidence": record["confidence"],
        "seconds": record["seconds"],
        "stopped_by": record["stopped_by"],
        "pictures": album.pictures(question, predicted, target.regions, heat),
        "steps": [_step(step) for step in trace.get("steps", [])],
    }


def _target_text(target: Target) -> str:
    if target.answer is not None:
        return target.answer
    return "nothing to find" if not target.regions else ""


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(step["arguments"], ensure_ascii=False) if step["arguments"] else ""
    said = step["error"] or step["observation"] or ""
    return {
        "n": step["n"],
        "tool": step["tool"],
        "ok": step["ok"],
        "seconds": step["seconds"],
        "arguments": arguments[:TEXT],
        "said": said[:TEXT],
    }


def _line(record: Mapping[str, Any]) -> str:
    # inside a script element "</script" ends it and "<!--" changes how it is read
    return json.dumps(record, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c") + "\n"

"""`foveate ground` and `foveate grounders`: phrases to boxes, without a language model."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_errors import InputError, RunError
from foveate.agent.cli_images import open_images, print_json

if TYPE_CHECKING:
    from PIL.Image import Image

    from foveate.tools.grounding.card import Card
    from foveate.tools.grounding.protocol import Grounding
    from foveate.tools.imaging.image import SourceImage
    from foveate.tools.imaging.views import View

VIEW_SIDE = 1024
"""Longest side, in pixels, of the view that is grounded and drawn on."""


@dataclass(frozen=True)
class Pictures:
    """The files of one phrase: its heat map as grey, and the view under it with the phrase's boxes."""

    heatmap: Path | None
    overlay: Path | None


NO_PICTURES = Pictures(None, None)


@dataclass(frozen=True)
class GroundOptions:
    """The options of `foveate ground`, as given."""

    image: str
    phrases: list[str]
    grounder: str
    slice_index: int | None
    window: str | None
    as_json: bool
    out: Path | None
    allow_url: bool


def run_ground(options: GroundOptions) -> None:
    """Ground every phrase on one slice and print what was found."""
    if any(not phrase.strip() for phrase in options.phrases):
        raise InputError("A phrase is empty; say what to find, such as 'left kidney'.")
    with contextlib.redirect_stdout(sys.stderr):
        view, image, found = ground_slice(options)
        pictures = (
            [NO_PICTURES] * len(found)
            if options.out is None
            else write_pictures(options.out, view, image, found)
        )
    records = [grounding_record(grounding, drawn) for grounding, drawn in zip(found, pictures, strict=True)]
    if options.as_json:
        print_json(records[0] if len(records) == 1 else {"results": records})
    else:
        show(records)


def ground_slice(options: GroundOptions) -> tuple[View, SourceImage, list[Grounding]]:
    """Open, view and ground; the model is loaded only once the image is known to be good."""
    image = open_images([options.image], options.allow_url, options.window, options.slice_index)[0]
    from foveate.tools.grounding.errors import GrounderMemoryError
    from foveate.tools.grounding.picture import UNKNOWN
    from foveate.tools.grounding.registry import load_grounder
    from foveate.tools.imaging.views import overview
    from foveate.tools.knowledge.grounding import ground_routed

    view = overview(image, VIEW_SIDE, slice_index=options.slice_index, upscale=options.out is not None)
    grounder = load_grounder(options.grounder)
    try:
        found = ground_routed(grounder, view, image, options.phrases)
    except GrounderMemoryError as fault:
        raise RunError(str(fault)) from fault
    if all(grounding.detail.get(UNKNOWN) for grounding in found):
        raise InputError(" ".join(grounding.detail["reason"] for grounding in found))
    return view, image, found


def grounding_record(grounding: Grounding, drawn: Pictures) -> dict[str, Any]:
    """The contract of `ground --json` for one phrase; boxes in source pixels."""
    return {
        "phrase": grounding.phrase,
        "regions": [region_record(region) for region in grounding.regions],
        "heatmap": None if drawn.heatmap is None else str(drawn.heatmap),
        "overlay": None if drawn.overlay is None else str(drawn.overlay),
        "score_kind": grounding.score_kind,
        "absent": grounding.absent,
        "best_score": round(float(grounding.best_score), 4),
        "threshold": grounding.threshold,
        "seconds": round(grounding.seconds, 3),
        "forward_passes": grounding.forward_passes,
        "detail": dict(grounding.detail),
    }


def region_record(region: Any) -> dict[str, Any]:
    """One region in source pixels."""
    source = region.box.to_source()
    return {
        "box": [round(edge, 1) for edge in source.as_list()],
        "frame": "source_pixels",
        "score": round(float(region.score), 4),
        "slice": source.frame.slice_index,
        "plane": source.frame.plane,
    }


def write_pictures(out: Path, view: View, image: SourceImage, found: list[Grounding]) -> list[Pictures]:
    """Write the best boxes of all phrases to `out`, and each phrase's heat map and overlay beside it."""
    from foveate.tools.imaging.overlay import draw_boxes
    from foveate.tools.imaging.views import render

    out.parent.mkdir(parents=True, exist_ok=True)
    shown = render(view, image)
    regions = [region for grounding in found for region in grounding.regions[:1]]
    labels = [f"{r.label} {r.score:.2f}" for r in regions]
    draw_boxes(shown, [r.box for r in regions], labels).save(out, "PNG")
    return [write_heatmap(out, number, shown, grounding) for number, grounding in enumerate(found, 1)]


def write_heatmap(out: Path, number: int, shown: Image, grounding: Grounding) -> Pictures:
    """FILE-heatmap-N.png and FILE-overlay-N.png; nothing for a grounder without heat maps."""
    from PIL import Image

    from foveate.tools.imaging.overlay import blend_heatmap, draw_boxes

    if grounding.heatmap is None:
        return NO_PICTURES
    heat = grounding.heatmap.clip(0, 1)
    paths = [out.with_name(f"{out.stem}-{kind}-{number}.png") for kind in ("heatmap", "overlay")]
    Image.fromarray((heat * 255).astype("uint8")).save(paths[0])
    boxes, labels = [r.box for r in grounding.regions], [f"{r.score:.2f}" for r in grounding.regions]
    draw_boxes(blend_heatmap(shown, heat), boxes, labels).save(paths[1])
    return Pictures(*paths)


def show(records: list[dict[str, Any]]) -> None:
    """Print the regions as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("phrase", "box, source pixels", "slice", "score", box=None, header_style="dim")
    for record in records:
        for region in record["regions"]:
            box = ", ".join(f"{edge:g}" for edge in region["box"])
            table.add_row(
                record["phrase"],
                f"[{box}]".replace("[", r"\["),
                str(region["slice"]),
                f"{region['score']:.2f}",
            )
        if not record["regions"]:
            word = "absent" if record["absent"] else "not found"
            told = record["detail"].get("reason") or f"best score {record['best_score']:.2f}"
            table.add_row(record["phrase"], f"{word}, {told}".replace("[", r"\["), "", "")
    Console().print(table)
    strange = [record["phrase"] for record in records if record["detail"].get("unknown_name")]
    if strange:
        print(f"The grounder was not taught {', '.join(strange)}: that it is not found says little.")
    if any(record["score_kind"] == "relative" and record["absent"] is None for record in records):
        print("The scores only rank places in this picture: they cannot say that something is absent.")


LISTED_WIDTH = 170
"""Columns of the listing where the output is no terminal."""


def run_grounders(as_json: bool) -> None:
    """Print what --grounder takes, and the segmenters that it may name, with what each needs."""
    from foveate.tools.grounding.registry import cards, segmenter_cards

    with contextlib.redirect_stdout(sys.stderr):
        listed = {"grounders": cards(), "segmenters": segmenter_cards()}
        told = {
            what: {n: card_record(n, card) for n, card in found.items()} for what, found in listed.items()
        }
    if as_json:
        print_json(told)
    else:
        show_cards(told)


def show_cards(told: dict[str, dict[str, dict[str, Any]]]) -> None:
    """One row each: how to write it, what it is, size, licence, its box convention, what it needs."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console(width=None if sys.stdout.isatty() else LISTED_WIDTH, highlight=False)
    for what, records in told.items():
        columns = [Column(what, no_wrap=True), Column("written as, what it is", ratio=5, overflow="fold")]
        columns += [
            Column(head, ratio=3, overflow="fold") for head in ("size, licence", "its own boxes", "here")
        ]
        table = Table(*columns, box=None, header_style="dim", pad_edge=False, padding=(0, 2, 1, 0))
        for name, record in records.items():
            pairs = (("spec", "line"), ("size", "licence"), ("boxes",), ("state",))
            cells = ("\n".join(record[key] for key in keys) for keys in pairs)
            table.add_row(name, *map(escape, cells))
        console.print(table)
        print()
    print("Weights that are not here are fetched by their hub id, or named as a local folder.")


def card_record(name: str, card: Card) -> dict[str, Any]:
    """One grounder or segmenter, as `grounders --json` tells it."""
    missing, local, install = card.missing(), card.local(), card.how()
    state = f"needs {', '.join(missing)}: {install}" if missing else "installed"
    if card.needs_weights():
        usual = f", such as {card.usual[0]}" if card.usual else ""
        state += f"\nweights: {', '.join(local)}" if local else f"\nno weights here{usual}"
    return {
        "line": card.line,
        "kind": card.kind,
        "spec": name + card.example,
        "licence": card.licence,
        "size": card.size,
        "boxes": card.boxes,
        "usual": list(card.usual),
        "installed": not missing,
        "missing": list(missing),
        "install": install,
        "weights": list(local),
        "state": state,
    }

"""Pictures of an answer: overlays of the source slices, crops of the evidence, thumbnails of what was seen.

Everything is drawn from the source image through views; nothing is kept. Knows no model and no page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foveate.tools.imaging.montage import single
from foveate.tools.imaging.overlay import draw_boxes
from foveate.tools.imaging.views import View, crop, overview, render, zoom

if TYPE_CHECKING:
    from PIL.Image import Image

    from foveate.agent.trace import Step
    from foveate.tools.evidence import Evidence
    from foveate.tools.imaging.image import SourceImage

OVERLAY_SIDE = 960
CROP_SIDE = 320
THUMBNAIL_SIDE = 320
INK = 3.0


@dataclass(frozen=True)
class Looked:
    """What a run left to draw: images by id, views and evidence by name, both oldest first."""

    images: Mapping[str, SourceImage]
    views: Mapping[str, View]
    evidence: Mapping[str, Evidence]


@dataclass(frozen=True)
class Overlay:
    """One slice with the boxes of an answer; `title` says which slice in words."""

    title: str
    picture: Image


def overlays(looked: Looked, cited: Sequence[Evidence]) -> list[Overlay]:
    """One overlay for each slice that the answer points at, or the first view without a box."""
    if not cited:
        first = next(iter(looked.views.values()))
        return [_overlay(looked, first, [])]
    slices: dict[tuple[str, str, int], list[Evidence]] = {}
    for evidence in cited:
        slices.setdefault((evidence.image, evidence.plane, evidence.slice), []).append(evidence)
    return [_overlay(looked, seen_view(looked, group[0]), group) for group in slices.values()]


def seen_view(looked: Looked, evidence: Evidence) -> View:
    """The view that a piece of evidence was seen in; a box that the user drew knows its view by id only."""
    views = looked.views.items()
    seen = next(v for name, v in views if name == evidence.view or v.id == evidence.seen_in)
    return single(seen, evidence.slice) if seen.slices else seen


def evidence_crop(looked: Looked, evidence: Evidence) -> Image:
    """A close look at one box with some context."""
    image = looked.images[evidence.image]
    whole = whole_slice(image, seen_view(looked, evidence), OVERLAY_SIDE)
    box = whole.frame.from_source(evidence.source_box(image))
    near = crop(whole, box, margin=0.35)
    near = zoom(near, near.frame.whole(), target_side=CROP_SIDE)
    return draw_boxes(render(near, image), [near.frame.from_source(evidence.source_box(image))], [""], INK)


def thumbnail(looked: Looked, step: Step) -> Image | None:
    """What a step looked at: its new view, or the view it worked on, with the boxes it made or used."""
    boxed = [
        looked.evidence[name]
        for name in [*step.evidence, *_named(step, "region", "a", "b")]
        if name in looked.evidence
    ]
    names = [*step.views, *_named(step, "view"), *(evidence.view for evidence in boxed)]
    shown = next((looked.views[name] for name in names if name in looked.views), None)
    if shown is None:
        return None
    image = looked.images[shown.image_id]
    # a montage is drawn as it was shown: its tiles would be too small to tell anything
    small = shown if shown.slices else zoom(shown, shown.frame.whole(), target_side=THUMBNAIL_SIDE)
    slices = shown.slices or (shown.slice_index,)
    boxes, labels = [], []
    for evidence in boxed:
        same = (evidence.image, evidence.plane) == (shown.image_id, shown.plane)
        if same and evidence.slice in slices:
            boxes.append(small.frame.from_source(evidence.source_box(image)))
            labels.append(evidence.id)
    return draw_boxes(render(small, image), boxes, labels, INK)


def whole_slice(image: SourceImage, like: View, side: int) -> View:
    """The whole slice that a view is part of, in that view's window, enlarged to `side`."""
    return overview(image, side, like.slice_index, like.plane, like.window, upscale=True)


def _overlay(looked: Looked, like: View, cited: Sequence[Evidence]) -> Overlay:
    image = looked.images[like.image_id]
    view = whole_slice(image, like, OVERLAY_SIDE)
    boxes = [view.frame.from_source(evidence.source_box(image)) for evidence in cited]
    labels = [_label(evidence) for evidence in cited]
    title = image.name if image.n_slices == 1 else f"{image.name}, {like.plane} slice {like.slice_index}"
    return Overlay(title, draw_boxes(render(view, image), boxes, labels))


def _label(evidence: Evidence) -> str:
    score = "" if evidence.score is None else f" {evidence.score:.2f}"
    return f"{evidence.id} {evidence.label}{score}"


def _named(step: Step, *keys: str) -> list[str]:
    return [str(step.arguments[key]) for key in keys if step.arguments.get(key)]

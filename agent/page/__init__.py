"""The page of an answer: one self-contained HTML file with overlays, claims, evidence and what was looked at.

Draws from a Result and its images; knows no model and no server.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_show import REASONS, arguments_line, format_value, size_mm
from foveate.agent.page.pictures import Looked, Overlay, evidence_crop, overlays, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

    from foveate.agent.answer import Claim
    from foveate.agent.result import Result
    from foveate.agent.trace import Step
    from foveate.tools.evidence import Evidence
    from foveate.tools.imaging.image import SourceImage

TEMPLATE = Path(__file__).with_name("template.html")


@dataclass(frozen=True)
class Shown:
    """One answered question, ready to be drawn. `remarks` are (name, value), shown beside the run's facts."""

    result: Result
    looked: Looked
    overlays: list[Overlay]
    remarks: tuple[tuple[str, str], ...] = ()


def shown(result: Result, images: Sequence[SourceImage], remarks: tuple[tuple[str, str], ...] = ()) -> Shown:
    """Draw the overlays of a result."""
    looked = Looked(
        {image.id: image for image in images}, result.views, {e.id: e for e in all_evidence(result)}
    )
    return Shown(result, looked, overlays(looked, result.answer.evidence), remarks)


def all_evidence(result: Result) -> list[Evidence]:
    """Everything that was found, cited or not, oldest first."""
    from foveate.agent.state import evidence_of

    return [*evidence_of(result.state).values(), *result.answer.evidence]


def write_page(path: Path, title: str, looks: Sequence[Shown], subtitle: str = "") -> None:
    """Write the page for some answered questions; pictures are inside the file."""
    from jinja2 import Template

    notice = looks[0].result.answer.notice
    told = [_look(number, look) for number, look in enumerate(looks, 1)]
    page = Template(
        TEMPLATE.read_text(encoding="utf-8"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    html = page.render(title=title, subtitle=subtitle, looks=told, footer=[notice])
    path.write_text(html, encoding="utf-8")


def _look(number: int, look: Shown) -> dict[str, Any]:
    result = look.result
    return {
        "id": f"question-{number}",
        "question": result.state["question"],
        "answer": result.answer.text,
        "pictures": [
            {"src": data_uri(o.picture), "alt": f"{o.title} with the boxes of the answer"}
            for o in look.overlays
        ],
        "facts": _facts(look),
        "claims": [_claim(look, claim) for claim in result.answer.claims],
        "steps": [_step(look, step) for step in result.steps if step.tool != "answer"],
    }


def _facts(look: Shown) -> list[dict[str, str]]:
    result = look.result
    facts = [{"name": "image", "value": image.name, "tone": ""} for image in look.looked.images.values()]
    if result.answer.abstained:
        facts.append({"name": "", "value": REASONS[result.answer.reason or "cannot_tell"], "tone": "open"})
    if result.answer.confidence is not None:
        facts.append({"name": "confidence", "value": f"{result.answer.confidence:.2f}", "tone": ""})
    facts.append({"name": "took", "value": f"{result.seconds:.1f} s", "tone": ""})
    facts.append({"name": "model", "value": result.model, "tone": ""})
    if result.stopped_by != "answer":
        facts.append({"name": "stopped by", "value": result.stopped_by, "tone": "open"})
    return facts + [{"name": name, "value": value, "tone": "good"} for name, value in look.remarks]


def _claim(look: Shown, claim: Claim) -> dict[str, Any]:
    cited = [evidence for evidence in look.result.answer.evidence if evidence.id in claim.evidence]
    bare = claim.refuted or "no evidence cited"
    note = "" if claim.supported and cited else "decided by a score" if claim.supported else bare
    return {
        "text": claim.text,
        "note": note,
        "bad": not claim.supported,
        "rows": [row for evidence in cited for row in _rows(evidence)],
        "crops": [
            {"src": data_uri(evidence_crop(look.looked, e)), "alt": f"close look at {e.label}", "name": e.id}
            for e in cited
        ],
    }


def _rows(evidence: Evidence) -> list[str]:
    score = [] if evidence.score is None else [f"score {evidence.score:.2f}"]
    size = [f"{size_mm(evidence)} mm"] if evidence.mm else []
    place = f"slice {evidence.slice}"
    return [
        f"{evidence.id} {evidence.label} {format_value(list(evidence.box))}",
        " · ".join([place, *size, *score]),
    ]


def _step(look: Shown, step: Step) -> dict[str, Any]:
    picture = thumbnail(look.looked, step)
    lines = [step.error or "failed"] if not step.ok else step.observation.splitlines()[:3]
    return {
        "ok": step.ok,
        "src": None if picture is None else data_uri(picture),
        "alt": f"what step {step.n} looked at",
        "title": f"{step.n} {step.tool}",
        "arguments": arguments_line(step.arguments),
        "lines": [*lines, f"{step.seconds:.2f} s"],
    }


def data_uri(picture: Image) -> str:
    """A picture as a WebP data URI."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

"""The answers of the uncertainty report as UNCERTAINTY.md and its curve. Knows cases; no image, no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foveate.evals.metrics.bootstrap import Interval, bootstrap_statistic
from foveate.evals.metrics.calibration import expected_calibration_error
from foveate.evals.metrics.ranking import auroc
from foveate.evals.metrics.selective import aurc, operating_point, risk_at, risk_coverage
from foveate.evals.report.plots import curve
from foveate.pocket.evaluate_fusion import Floats, Indices, macro_mean
from foveate.pocket.uncertainty_cases import NAMES, SURE, Case
from foveate.pocket.uncertainty_fit import FEATURES, HIT, iou_of, worth
from foveate.tools.grounding.uncertainty.score import Calibration

COVERAGE, FALL, LEAST, DRAWS = 0.8, 0.3, 0.1, 1000
STYLE = (
    "<style>svg{background:#fff}text{font:11.5px system-ui,sans-serif;fill:#444}.grid,.axis{stroke:#ddd;"
    "fill:none}.series{fill:none;stroke-width:1.4}.s0{stroke:#2563a8}path.s0{stroke-width:3}"
    ".s1{stroke:#b4552d}.s2{stroke:#3a8a4d}.s3{stroke:#999}.s4{stroke:#7a4fa3}.s5{stroke:#222}"
    ".dot{fill:#222;stroke:none}</style>"
)


def report_text(
    on_c: Sequence[Case],
    nodule: Sequence[Case],
    held_out: Sequence[Case],
    calibration: Calibration,
    every: int,
) -> str:
    """UNCERTAINTY.md. `held_out`: what the calibration was fitted on."""
    parts = [_head(on_c, calibration, every), _fusion(on_c), _doubt(on_c, calibration)]
    parts.append(_parts(on_c, held_out))
    return "\n\n".join([*parts, _nodule(nodule, calibration), _limits(on_c, calibration)]) + "\n"


def risk_picture(on_c: Sequence[Case], calibration: Calibration) -> str:
    """Risk (share with IoU < 0.5) over coverage in order of the uncertainty and of its parts, as SVG, with
    the target of a fall by 30 %. From a coverage of 0.1 on: of fewer boxes each one moves the curve."""
    lost = np.array([float(iou_of(case) < HIT) for case in on_c])
    series = []
    for name, doubt in _doubts(calibration).items():
        made = risk_coverage([-doubt(case) for case in on_c], lost)
        points = zip(made.coverage.tolist(), made.risk.tolist(), strict=True)
        series.append((name, [(share, risk) for share, risk in points if share >= LEAST]))
    series.append(("target at 80 %", [(COVERAGE, (1 - FALL) * float(lost.mean()))]))
    top = max(risk for _, points in series for _, risk in points)
    drawn = curve(
        series, "coverage", "risk: share of boxes given with IoU < 0.5", top=float(np.ceil(top * 10) / 10)
    )
    # outside the report's page, the drawing needs its name space and its colours with it
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(">", f">{STYLE}", 1)


def doubt(case: Case, calibration: Calibration) -> float:
    """The uncertainty of SURE's box; 1 where no hypothesis has one."""
    return 1.0 if case.boxes[SURE] is None else calibration.uncertainty(case.features)


def _doubts(calibration: Calibration) -> dict[str, Callable[[Case], float]]:
    return {
        "uncertainty": lambda case: doubt(case, calibration),
        "1 - consensus": lambda case: 1 - case.features["consensus"],
        "spread": lambda case: case.features["spread"] if case.boxes[SURE] is not None else 1.0,
        "1 - presence": lambda case: 1 - case.features["score"],
        "1 - steadiness": lambda case: 1 - case.features["steady"],
    }


def _head(on_c: Sequence[Case], calibration: Calibration, every: int) -> str:
    slices = len({case.slice_name for case in on_c})
    return (
        "# What fusion and abstention are worth\n\n"
        f"Made by `python -m foveate.pocket.uncertainty_report --every {every}`: {len(on_c)} boxes, every "
        f"structure that {slices} slices of patient C show. Neither model was trained on C; what could be "
        f"chosen was chosen elsewhere: weights, what the map weighs ({calibration.heat:g}), the calibration "
        f"({calibration.cases} boxes; on blocks left out AUROC {calibration.auroc:.2f}, Brier "
        f"{calibration.brier:.3f}) come from held-out slices of A and B, by `{calibration.command}`.\n"
        "Intervals are 95 % bootstrap intervals that draw whole slices; neighbouring slices are alike and "
        "there is one patient, so they say nothing about other patients."
    )


def _fusion(on_c: Sequence[Case]) -> str:
    """Every combination and its paired difference to the better of the two alone."""
    names = [case.name for case in on_c]
    ious = {how: np.array([iou_of(case, how) for case in on_c]) for how in on_c[0].boxes}
    everything = np.arange(len(on_c))
    whole = {how: macro_mean(values, names)(everything) for how, values in ious.items()}
    better = max(NAMES, key=whole.__getitem__)
    lines = [
        "## Fusion", "",
        f"Macro mIoU over structures (no box counts 0); the last columns are paired differences to {better}, "
        "the better of the two alone. Target: not below it.", "",
        "| grounder | macro mIoU | mIoU | IoU ≥ 0.5 | less the better alone | 95 % |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for how, values in ious.items():
        gap = _interval(macro_mean(values - ious[better], names), on_c)
        last = (
            "| – | – |" if how == better else f"| {gap.estimate:+.3f} | {gap.low:+.3f} to {gap.high:+.3f} |"
        )
        lines.append(
            f"| `{how}` | {whole[how]:.3f} | {values.mean():.3f} | {(values >= HIT).mean():.2f} {last}"
        )
    told = (
        f"`{SURE}` is counted before it abstains. Other weights and thresholds of `fuse` on the same slices: "
        "`python -m foveate.pocket.evaluate_fusion --on C`."
    )
    return "\n".join([*lines, "", told])


def _interval(statistic: Callable[[Indices], float], on_c: Sequence[Case]) -> Interval:
    return bootstrap_statistic(statistic, len(on_c), [case.slice_name for case in on_c], draws=DRAWS)


def _doubt(on_c: Sequence[Case], calibration: Calibration) -> str:
    given = [case for case in on_c if case.boxes[SURE] is not None]
    lines = [
        "## Uncertainty and abstention", "",
        f"Of {len(on_c)} boxes asked for, {len(on_c) - len(given)} had no hypothesis with a box. Risk is the "
        f"share of boxes with IoU < 0.5. Targets: AUROC ≥ 0.75; at {100 * COVERAGE:.0f} % coverage the risk "
        f"falls by {100 * FALL:.0f} %.", "",
        "| | all asked (none counts as missed) | only where there is a box |", "|---|---|---|",
    ]  # fmt: skip
    columns = [_figures(cases, calibration) for cases in (on_c, given)]
    lines += [f"| {name} | {columns[0][name]} | {columns[1][name]} |" for name in columns[0]]
    return "\n".join([*lines, "", "![risk over coverage](uncertainty_risk.svg)"])


def _figures(cases: Sequence[Case], calibration: Calibration) -> dict[str, str]:
    missed = np.array([iou_of(case) < HIT for case in cases])
    lost = missed.astype(np.float64)
    by = {name: np.array([of(case) for case in cases]) for name, of in _doubts(calibration).items()}
    own = by["uncertainty"]
    told = {f"AUROC of {name}": _told(lambda d, v=v: auroc(v[d], missed[d]), cases) for name, v in by.items()}  # type: ignore[misc]
    made = risk_coverage(-own, lost)
    told |= {f"risk at {c:.0%} coverage": f"{risk_at(made, c):.3f}" for c in (1.0, 0.9, COVERAGE, 0.7)}
    told["relative fall of the risk at 80 %"] = _told(lambda d: _fall(own[d], lost[d]), cases)
    told["AURC"] = f"{aurc(-own, lost):.3f}"
    point = operating_point((own <= calibration.most).tolist(), lost)
    told[f"given (uncertainty ≤ {calibration.most:g}): coverage, risk"] = (
        f"{point.coverage:.2f}, {point.risk:.3f}"
    )
    told["expected calibration error"] = f"{expected_calibration_error(1 - own, ~missed, 10):.3f}"
    return told


def _fall(own: Floats, lost: Floats) -> float:
    whole = float(lost.mean())
    return float("nan") if whole == 0 else 1 - risk_at(risk_coverage(-own, lost), COVERAGE) / whole


def _told(statistic: Callable[[Indices], float], cases: Sequence[Case]) -> str:
    made = _interval(statistic, cases)
    return f"{made.estimate:.2f} ({made.low:.2f} to {made.high:.2f})"


def _parts(on_c: Sequence[Case], held_out: Sequence[Case]) -> str:
    """What the regression is worth with fewer parts, fitted anew each time."""
    rows = {"all five": FEATURES, "without steadiness": FEATURES[:-1], "steadiness alone": FEATURES[-1:]}
    assert FEATURES[-1] == "steady"
    lines = [
        "## What its parts are worth", "",
        "AUROC of the same regression with fewer parts: on held-out slices of A and B (each block judged by "
        "the others), where parts are chosen, and on C, which is only told.", "",
        "| reads | A and B | C |", "|---|---|---|",
    ]  # fmt: skip
    for name, keys in rows.items():
        here, there = worth(held_out, on_c, keys)
        lines.append(f"| {name} ({', '.join(keys)}) | {here:.2f} | {there:.2f} |")
    return "\n".join(lines)


def _nodule(nodule: Sequence[Case], calibration: Calibration) -> str:
    lines = [
        "## The real nodule", "",
        "IoU with the mean of its readers' boxes, by slice of patient A; they were never trained on.", "",
        "| slice | pocket | diffusion | fuse | sure | uncertainty | given |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for case in nodule:
        ious = [iou_of(case, how) for how in (*NAMES, "fuse(pocket+diffusion)", SURE)]
        own = doubt(case, calibration)
        said = "yes" if own <= calibration.most else "no"
        name = case.slice_name.removeprefix("nodule")
        lines.append(f"| {name} | {' | '.join(f'{iou:.2f}' for iou in ious)} | {own:.2f} | {said} |")
    return "\n".join(lines)


def _limits(on_c: Sequence[Case], calibration: Calibration) -> str:
    said = float(np.mean([doubt(case, calibration) for case in on_c]))
    lost = float(np.mean([iou_of(case) < HIT for case in on_c]))
    return (
        "## What this does not show\n\n"
        "- One patient, 40 mm of upper abdomen; labels of anatomy are TotalSegmentator's, not people's.\n"
        "- C was looked at before the steadiness was a part: the other four fell short there, which is why a "
        "fifth was looked for. Which one was chosen on A and B; C has since been asked again, without any "
        "other choice.\n"
        "- The probabilities are too small on C (expected calibration error above, mean uncertainty "
        f"{said:.2f} where {lost:.2f} are missed): its order can be trusted more than its number.\n"
        "- Only structures that the slice shows were asked for: absence is pocket's presence (REPORT.md).\n"
        "- The calibration is of these two models; others have an uncertainty that only ranks."
    )

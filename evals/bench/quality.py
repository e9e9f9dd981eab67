"""How the quality gate judges real images and their corruptions: `python -m foveate.evals.bench.quality`.

Limits were chosen on patients A and B and are reported on what was not used for that: patient C, MR,
ultrasound and other real images of pydicom's test files. Of the rule behind the limits (`usable` begins
beyond what 99 of 100 clean pictures have; `unusable` beyond what severity 5 of a corruption does to half of
them) it prints what the fitting images say, beside the limits that are shipped. Every clean image was made to
be read, so a rejected one is a false rejection; a corrupted one that is judged good is a miss.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.agent.demo import demo_folder
from foveate.evals.bench.pictures import Picture, pictures
from foveate.evals.corruptions import CORRUPTIONS
from foveate.tools.imaging.quality import LIMITS, Quality, quality_of

FITTED = ("A", "B")
RUINED: Mapping[str, tuple[float, float]] = {
    "gaussian_noise": (0.5, 1.0),
    "shot_noise": (1.5, 0.5),
    "impulse_noise": (0.4, 0.8),
    "gaussian_blur": (33.0, 65.0),
    "contrast_down": (0.05, 0.005),
    "brightness_up": (6.0, 30.0),
    "brightness_down": (0.05, 0.005),
    "pixelate": (0.05, 0.02),
}
"""Levels beyond MedMNIST-C's five, as severities 6 and 7: here hardly anything is left to be read, and a
picture should be rejected. Severities 1 to 5 keep what an image shows and should not be."""


@dataclass(frozen=True)
class Judged:
    """One picture, as it is (`corruption` "none", severity 0) or corrupted, and its verdict."""

    group: str
    name: str
    corruption: str
    severity: int
    quality: Quality

    def record(self) -> dict[str, Any]:
        told = {"group": self.group, "name": self.name, "corruption": self.corruption}
        return {**told, "severity": self.severity, **self.quality.record()}


def corrupted(picture: npt.NDArray[np.uint8], name: str, severity: int) -> npt.NDArray[np.uint8]:
    """The picture with that corruption, as 8 bits; severities 6 and 7 are those of `RUINED`."""
    kind = CORRUPTIONS[name]
    made = replace(kind, levels=(*kind.levels, *RUINED.get(name, ())))(picture / 255.0, severity)
    return np.asarray(np.rint(made * 255), np.uint8)


def judged(of: Sequence[Picture], names: Sequence[str], most: int) -> Iterator[Judged]:
    """Every picture as it is; at most `most` of a group, evenly spaced, at every severity."""
    for picture in of:
        yield Judged(picture.group, picture.name, "none", 0, quality_of(picture.pixels))
    for picture in spread(of, most):
        for name in names:
            if CORRUPTIONS[name].color and picture.pixels.ndim != 3:
                continue
            for severity in range(1, 8 if name in RUINED else 6):
                found = quality_of(corrupted(picture.pixels, name, severity))
                yield Judged(picture.group, picture.name, name, severity, found)


def spread(of: Sequence[Picture], most: int) -> list[Picture]:
    """At most so many of every group, evenly spaced. Pictures that are not good as they are stay out: what a
    corruption does to them cannot be told."""
    kept: list[Picture] = []
    for group in dict.fromkeys(picture.group for picture in of):
        good = [p for p in of if p.group == group and quality_of(p.pixels).verdict == "good"]
        places = np.unique(np.linspace(0, len(good) - 1, min(most, len(good))).round().astype(int))
        kept += [good[place] for place in places]
    return kept


def shares(found: Sequence[Judged]) -> dict[str, float]:
    """Of each verdict."""
    verdicts = [one.quality.verdict for one in found]
    return {name: verdicts.count(name) / len(verdicts) for name in ("good", "usable", "reject")}


def clean_lines(found: Sequence[Judged]) -> list[str]:
    """A line a group: how its pictures are judged as they are, and why some are not good."""
    lines = [f"{'clean':<14}{'n':>5}  good  usable  rejected  reasons"]
    for group in dict.fromkeys(one.group for one in found):
        here = [one for one in found if one.group == group and not one.severity]
        told, reasons = shares(here), [name for one in here for name in one.quality.reasons]
        counted = ", ".join(f"{name} {reasons.count(name)}" for name in LIMITS if name in reasons)
        row = f"{told['good']:6.2f}{told['usable']:8.2f}{told['reject']:10.2f}"
        lines.append(f"{group:<14}{len(here):>5}{row}  {counted}")
    return lines


def caught_lines(found: Sequence[Judged]) -> list[str]:
    """A line a corruption: the share that is no longer judged good, and that is rejected, by severity."""
    lines = [f"{'corruption':<18}{'not good, severity 1 to 7':<44}{'rejected':<44}n"]
    for name in dict.fromkeys(one.corruption for one in found if one.severity):
        of = [one for one in found if one.corruption == name]
        rows = [[o for o in of if o.severity == s] for s in sorted({o.severity for o in of})]
        caught = "".join(f"{1 - shares(row)['good']:6.2f}" for row in rows)
        rejected = "".join(f"{shares(row)['reject']:6.2f}" for row in rows)
        lines.append(f"{name:<18}{caught:<44}{rejected:<44}{len(rows[0])}")
    return lines


def rule_lines(found: Sequence[Judged]) -> list[str]:
    """What the fitting pictures say that limits should be, beside what they are."""
    clean = [one for one in found if not one.severity]
    lines = [
        f"{'feature':<12}{'99 of 100 clean':>16}{'usable from':>13}   half at severity 5 (unusable from)"
    ]
    for name, limit in LIMITS.items():
        edge = np.percentile([one.quality.features[name] for one in clean], 1 if limit.below else 99)
        worst = _worst(found, name, limit.below)
        told = "" if worst is None else f"{worst[1]:.3f} by {worst[0]}"
        lines.append(f"{name:<12}{edge:16.3f}{limit.usable:13.3f}   {told} ({limit.unusable})")
    return lines


def _worst(found: Sequence[Judged], feature: str, below: bool) -> tuple[str, float] | None:
    """(the corruption that moves a feature most at severity 5, its median there)."""
    medians: dict[str, float] = {
        name: float(
            np.median([o.quality.features[feature] for o in found if (o.corruption, o.severity) == (name, 5)])
        )
        for name in dict.fromkeys(one.corruption for one in found if one.severity)
    }
    pick = min if below else max
    return pick(medians.items(), key=lambda pair: pair[1]) if medians else None


def report(found: Sequence[Judged]) -> list[str]:
    """The lines that are printed: of the images the limits were fitted on, then of the others."""
    parts: Mapping[str, list[Judged]] = {
        "fitted on": [one for one in found if one.group in FITTED],
        "not fitted on": [one for one in found if one.group not in FITTED],
    }
    lines: list[str] = []
    for title, part in parts.items():
        if part:
            groups = ", ".join(dict.fromkeys(one.group for one in part))
            lines += [f"== {title}: {groups}", *clean_lines(part), *caught_lines(part)]
    fitted = parts["fitted on"] or list(found)
    return [*lines, "== the rule", *rule_lines(fitted)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `quality.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.quality", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--most", type=int, default=6, help="pictures of a group that are corrupted")
    parser.add_argument("--only", help="corruptions, with commas; all when left out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else list(CORRUPTIONS)
    found = list(judged(pictures(options.data, demo_folder()), names, options.most))
    print("\n".join(report(found)))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        told = [one.record() for one in found]
        (options.out / "quality.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

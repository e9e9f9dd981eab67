"""How the quality gate judges real slices and their corruptions: `python -m foveate.evals.bench.quality`.

Prints, for every corruption and severity, the share of pictures judged good, usable and unusable, and the
range of each feature on clean pictures. The thresholds in `tools/imaging/quality.py` were chosen so: merely
usable begins beyond what 99 of 100 clean pictures have; unusable beyond what severity 5 of the corruption
does to half of them, because milder ones can still be answered.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foveate.agent.demo import demo_folder
from foveate.evals.bench.planted import Slice, slices
from foveate.evals.corruptions import CORRUPTIONS
from foveate.tools.imaging.quality import LIMITS, Quality, quality_of
from foveate.tools.imaging.windows import PRESETS, apply_window

WINDOWS = ("soft tissue", "lung")
Picture = npt.NDArray[np.uint8]


def clean_pictures(of: Sequence[Slice]) -> list[Picture]:
    """Every slice in a soft tissue and in a lung window."""
    return [apply_window(one.hu, PRESETS[name]) for one in of for name in WINDOWS]


def corrupted(picture: Picture, name: str, severity: int) -> Picture:
    """The picture with that corruption, as 8 bits."""
    made = CORRUPTIONS[name](picture / 255.0, severity)
    return np.asarray(np.rint(made * 255), np.uint8)


def shares(found: Sequence[Quality]) -> dict[str, float]:
    """Of each verdict."""
    return {
        verdict: float(np.mean([one.verdict == verdict for one in found]))
        for verdict in ("good", "usable", "reject")
    }


def row(name: str, severity: int, found: Sequence[Quality]) -> dict[str, Any]:
    """The shares, and the median of every feature."""
    medians = {key: float(np.median([one.features[key] for one in found])) for key in LIMITS}
    return {"corruption": name, "severity": severity, **shares(found), "median": medians}


def measure(pictures: Sequence[Picture], names: Sequence[str]) -> list[dict[str, Any]]:
    """Clean first, then every corruption at severities 1 to 5."""
    clean = [quality_of(picture) for picture in pictures]
    rows = [row("none", 0, clean)]
    rows[0]["range"] = {
        key: np.percentile([one.features[key] for one in clean], [0, 1, 50, 99, 100]).tolist()
        for key in LIMITS
    }
    for name in names:
        for severity in range(1, 6):
            judged = [quality_of(corrupted(picture, name, severity)) for picture in pictures]
            rows.append(row(name, severity, judged))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write `quality.json`."""
    parser = argparse.ArgumentParser(prog="python -m foveate.evals.bench.quality", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--every", type=int, default=1, help="take every n-th slice only")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    pictures = clean_pictures(slices(options.data, demo_folder())[:: options.every])
    rows = measure(pictures, [name for name, one in CORRUPTIONS.items() if not one.color])
    print(f"{len(pictures)} pictures of real CT; shares of good / usable / unusable")
    for key, (low, p1, mid, p99, high) in rows[0]["range"].items():
        print(f"  clean {key:<12}{low:8.3f} {p1:8.3f} {mid:8.3f} {p99:8.3f} {high:8.3f}  (0 1 50 99 100 %)")
    for one in rows:
        worst = " ".join(f"{key} {value:.3g}" for key, value in one["median"].items())
        print(
            f"{one['corruption']:<18}{one['severity']}  {one['good']:.2f} / {one['usable']:.2f} / "
            f"{one['reject']:.2f}   {worst}"
        )
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "quality.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Calibrates a trained locator anew on the held-out blocks: `python -m foveate.pocket.locator.calibrate`.

Rewrites config.json beside the weights; the weights stay as they are. Never patient C.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from foveate.pocket.locator.train import WEIGHTS
from foveate.pocket.locator.validate import calibrated
from foveate.tools.grounding.dense import load_locator


def main() -> None:
    """Reads the options and calibrates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    folder = parser.parse_args().weights
    torch.set_num_threads(1)
    model, config = load_locator(folder)
    extra, figures = calibrated(model)
    (folder / "config.json").write_text(json.dumps({**config, **extra}, indent=1))
    print(json.dumps({**figures, "presence": extra["presence"]}, indent=1))


if __name__ == "__main__":
    main()

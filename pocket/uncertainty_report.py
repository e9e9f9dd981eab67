"""What fusion and abstention are worth: `python -m foveate.pocket.uncertainty_report [--calibrate]`.

With --calibrate, asks the held-out slices of A and B and writes pocket/weights/uncertainty.json. Without,
asks patient C and the real nodule and writes pocket/UNCERTAINTY.md with its risk-coverage curve. Answers are
kept by slice, so that a command that was cut goes on. Needs data/ and the pocket weights.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

from foveate.pocket.uncertainty_cases import NAMES, Case, c_jobs, cases, held_out_jobs, nodule_jobs
from foveate.pocket.uncertainty_fit import calibrated
from foveate.pocket.uncertainty_tables import report_text, risk_picture
from foveate.tools.grounding.card import embedded_weights
from foveate.tools.grounding.combine import names_of
from foveate.tools.grounding.registry import load_grounder
from foveate.tools.grounding.uncertainty.score import FILE, calibration_of, save

HERE = Path(__file__).parent


def answers_digest() -> str:
    """Over all that answers, weights, words and code: answers of others are never mixed in. 12 hex digits."""
    root, digest = HERE.parent, sha256()
    weights = [p for name in ("locator", "diffusion") for p in embedded_weights(name).rglob("*")]
    words = [root / "prompts" / "uncertainty.toml", *(root / "prompts" / "knowledge").rglob("*")]
    code = [*(root / "tools" / "grounding").rglob("*"), *(root / "tools" / "imaging").rglob("*")]
    for path in sorted([*weights, *words, *code, HERE / "uncertainty_cases.py"]):
        if path.suffix in (".json", ".safetensors", ".toml", ".py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def main() -> None:
    """Calibrates, or measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="every n-th slice of C")
    parser.add_argument("--kept", type=Path, default=Path("out/uncertainty"), help="where answers are kept")
    told = parser.parse_args()
    grounders = [load_grounder(name) for name in NAMES]
    kept, names = told.kept / answers_digest(), names_of(grounders)
    if told.calibrate:
        made = calibrated(cases(held_out_jobs(), grounders, kept), names)
        save(embedded_weights(FILE), [made])
        print(f"{made.cases} cases; on blocks left out AUROC {made.auroc:.3f}, Brier {made.brier:.3f}")
        return
    calibration = calibration_of(names)
    if calibration is None:
        parser.error("there is no calibration of these weights; run with --calibrate first")
    on_c: list[Case] = cases(c_jobs(told.every), grounders, kept)
    nodule = cases(nodule_jobs(), grounders, kept)
    held_out = cases(held_out_jobs(), grounders, kept)
    (HERE / "uncertainty_risk.svg").write_text(risk_picture(on_c, calibration))
    (HERE / "UNCERTAINTY.md").write_text(report_text(on_c, nodule, held_out, calibration, told.every))
    print("pocket/UNCERTAINTY.md")


if __name__ == "__main__":
    main()

"""Tiny data sets by task, each in its benchmark's own file format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .sets_volumes import write_radgenome, write_reasonknee, write_rex
from .sets_vqa import (
    write_medframeqa,
    write_medq,
    write_medsg,
    write_mirp,
    write_probmed,
    write_refpath,
    write_slake,
    write_vqa_rad,
)
from .sets_xray import write_chestx, write_mrg, write_ms_cxr, write_padchest, write_rsna, write_vindr

WRITERS: Mapping[str, Callable[[Path], None]] = {
    "ms-cxr": write_ms_cxr, "vindr-cxr": write_vindr, "chestx-ray8": write_chestx, "rsna": write_rsna,
    "padchest-gr": write_padchest, "medsg-bench": write_medsg, "refpath": write_refpath,
    "probmed": write_probmed,
    "medframeqa": write_medframeqa, "medq-bench": write_medq, "vqa-rad": write_vqa_rad, "slake": write_slake,
    "rexgroundingct": write_rex, "reasonknee": write_reasonknee, "radgenome-ct-vqa": write_radgenome,
    "mirp": write_mirp, "mrg": write_mrg,
}  # fmt: skip


def written(root: Path, task: str) -> Path:
    """A data root with that task's set in it."""
    WRITERS[task](root / task)
    return root

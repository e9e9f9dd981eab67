"""Weighted box fusion, for annotations by several readers: the one that the tools use."""

from __future__ import annotations

from foveate.tools.grounding.fusion import Fused, weighted_box_fusion

__all__ = ["Fused", "weighted_box_fusion"]

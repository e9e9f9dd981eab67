"""Intensities → the input channels of the dense locator, the same in training and in use.

Four HU windows and a flag: CT in HU gives every window and flag 1; a picture whose intensities have no
unit gives its grey in all four and flag 0. Knows nothing of views or of models.
"""

from __future__ import annotations

import torch
from torch import Tensor

# (centre, width) in HU: lung, soft tissue, narrow soft tissue, bone
WINDOWS = ((-600.0, 1500.0), (40.0, 400.0), (60.0, 160.0), (500.0, 1800.0))


def hu_channels(hu: Tensor) -> Tensor:
    """(B, H, W) Hounsfield units → (B, 5, H, W)."""
    shown = [((hu - c) / w + 0.5).clamp(0, 1) * 2 - 1 for c, w in WINDOWS]
    return torch.stack([*shown, torch.ones_like(hu)], 1)


def grey_channels(grey: Tensor) -> Tensor:
    """(B, H, W) grey in [0, 1] → (B, 5, H, W)."""
    shown = grey.clamp(0, 1) * 2 - 1
    return torch.stack([shown, shown, shown, shown, torch.zeros_like(grey)], 1)

"""Registration of two planes with SimpleITK: how one lies in the other, and how well they then agree.

Coarse to fine, Mattes' mutual information between modalities (Mattes et al., 2003) and correlation within
one; full sampling on one thread, so that the same planes give the same result. Linear transforms only: what
deforms (breathing, posture) stays as a difference. Knows no view, no tool and no evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from foveate.tools.imaging.frames import Affine2D
from foveate.tools.multi.planes import Floats, Plane, Unit, correlation, spread_of, warped

Model = Literal["none", "translation", "rigid"]
COARSE, FINE = 64, 160
"""Longest sides, in pixels, of the coarsest level of the pyramid and of the finest."""
MIN_SIDE = 16
BINS = 32


class RegistrationError(ValueError):
    """Two planes that cannot be registered; one sentence that says why and what to do."""


@dataclass(frozen=True)
class Alignment:
    """`affine` maps source pixels of the fixed slice to source pixels of the moving one.

    `shift` (x, y) of the fixed plane's middle in `unit`, `degrees` clockwise as seen. `agreement` after and
    `before` registration: correlation of intensities, or normalised mutual information (0 to 1) when
    `across` modalities. `overlap`: the share of the fixed slice that the moving one covers.
    """

    affine: Affine2D
    model: Model
    shift: tuple[float, float]
    degrees: float
    unit: Unit
    before: float
    agreement: float
    overlap: float
    across: bool = False

    @property
    def still(self) -> bool:
        """Whether nothing was moved."""
        return self.affine == Affine2D.identity()


def register(fixed: Plane, moving: Plane, model: Model = "rigid", *, across: bool = False) -> Alignment:
    """How `moving` lies in `fixed`, both in one unit (`pair_of_planes`). `across`: of two modalities.

    Raises RegistrationError where a plane is too small or constant, or SimpleITK is not installed.
    """
    for plane in (fixed, moving):
        if min(plane.size) < MIN_SIDE:
            raise RegistrationError(f"a slice of less than {MIN_SIDE} pixels a side cannot be registered")
        if not np.ptp(plane.pixels) > 0:
            raise RegistrationError("a slice without any contrast cannot be registered")
    start = _in_pixels(_centred(fixed, moving), fixed, moving)
    if model == "none":
        return _told(fixed, moving, model, start, start, across)
    found = _told(fixed, moving, model, _found(fixed, moving, model, across), start, across)
    # what was registered already agrees best as it is, and resampling would only blur it
    return found if found.agreement > found.before else _told(fixed, moving, model, start, start, across)


def _told(
    fixed: Plane, moving: Plane, model: Model, found: Affine2D, start: Affine2D, across: bool
) -> Alignment:
    agree = mutual_information if across else correlation
    shown = warped(moving.pixels, found, fixed.size)
    first = warped(moving.pixels, start, fixed.size)
    width, height = fixed.size
    middle, at = found.apply(width / 2, height / 2), start.apply(width / 2, height / 2)
    row, col = moving.spacing
    return Alignment(
        affine=found,
        model=model,
        shift=((middle[0] - at[0]) * col, (middle[1] - at[1]) * row),
        degrees=math.degrees(math.atan2(found.d * row, found.a * col)),
        unit=fixed.unit,
        before=agree(fixed.pixels, first),
        agreement=agree(fixed.pixels, shown),
        overlap=float(np.isfinite(shown).mean()),
        across=across,
    )


def mutual_information(a: Floats, b: Floats) -> float:
    """Normalised mutual information of intensities, 2 I(a, b) / (H(a) + H(b)) with 32 bins: 0 to 1."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 16:
        return 0.0
    joint, _, _ = np.histogram2d(a[both], b[both], BINS)
    joint /= joint.sum()
    entropy = [_entropy(part) for part in (joint.sum(1), joint.sum(0), joint.ravel())]
    total = entropy[0] + entropy[1]
    return 2 * (total - entropy[2]) / total if total > 1e-9 else 0.0


def _entropy(shares: Any) -> float:
    kept = shares[shares > 0]
    return float(-(kept * np.log(kept)).sum())


def simpleitk() -> Any:
    """The library. Raises RegistrationError, naming the extra, where it is not installed."""
    try:
        import SimpleITK
    except ImportError:
        raise RegistrationError(
            "registration needs SimpleITK; install it with: pip install 'foveate[registration]'"
        ) from None
    return SimpleITK


def _centred(fixed: Plane, moving: Plane) -> tuple[float, float]:
    """The translation, in the common unit, that puts one middle on the other."""
    (fw, fh), (mw, mh) = fixed.size, moving.size
    x = (mw * moving.spacing[1] - fw * fixed.spacing[1]) / 2
    return x, (mh * moving.spacing[0] - fh * fixed.spacing[0]) / 2


def _in_pixels(shift: tuple[float, float], fixed: Plane, moving: Plane) -> Affine2D:
    (fr, fc), (mr, mc) = fixed.spacing, moving.spacing
    return Affine2D.scale_shift(fc / mc, fr / mr, shift[0] / mc, shift[1] / mr)


def _found(fixed: Plane, moving: Plane, model: Model, across: bool) -> Affine2D:
    sitk = simpleitk()
    images = [_image(sitk, plane) for plane in (fixed, moving)]
    shift = _first_guess(fixed, moving, across)
    middle = (fixed.size[0] * fixed.spacing[1] / 2, fixed.size[1] * fixed.spacing[0] / 2)
    transform = sitk.TranslationTransform(2, shift)
    if model == "rigid":
        transform = sitk.Euler2DTransform(middle, 0.0, shift)
    method = _method(sitk, fixed, across)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(*images)
    except RuntimeError:
        raise RegistrationError("the two slices cannot be registered: they hardly overlap") from None
    return _pixel_affine(transform, fixed, moving)


def _method(sitk: Any, fixed: Plane, across: bool) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums of many threads differ from run to run
    if across:
        method.SetMetricAsMattesMutualInformation(BINS)
    else:
        method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 150, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    factors = _factors(max(fixed.size))
    method.SetShrinkFactorsPerLevel(factors)
    method.SetSmoothingSigmasPerLevel([factor / 2 for factor in factors])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    return method


def _factors(side: int) -> list[int]:
    finest = max(1, round(side / FINE))
    factors = [finest]
    while side / factors[0] / 2 >= COARSE:
        factors.insert(0, factors[0] * 2)
    return factors


def _image(sitk: Any, plane: Plane) -> Any:
    low, high = spread_of(plane)
    image = sitk.GetImageFromArray(
        ((np.clip(plane.pixels, low, high) - low) / (high - low)).astype("float32")
    )
    image.SetSpacing((plane.spacing[1], plane.spacing[0]))
    image.SetOrigin((plane.spacing[1] / 2, plane.spacing[0] / 2))
    return image


def _first_guess(fixed: Plane, moving: Plane, across: bool) -> tuple[float, float]:
    """Middle on middle, or what phase correlation says, whichever agrees better."""
    from skimage.registration import phase_cross_correlation

    centred = _centred(fixed, moving)
    start = _in_pixels(centred, fixed, moving)
    low, high = spread_of(fixed, moving)
    shown = np.nan_to_num(warped(moving.pixels, start, fixed.size, order=1), nan=low)
    pictures = [np.clip(picture, low, high) for picture in (fixed.pixels, shown)]
    (down, right), _, _ = phase_cross_correlation(*pictures, normalization=None)
    guess = (
        centred[0] - float(right) * fixed.spacing[1],
        centred[1] - float(down) * fixed.spacing[0],
    )
    agree = mutual_information if across else correlation
    scores = [
        agree(fixed.pixels, warped(moving.pixels, _in_pixels(shift, fixed, moving), fixed.size, order=1))
        for shift in (centred, guess)
    ]
    return guess if scores[1] > scores[0] else centred


def _pixel_affine(transform: Any, fixed: Plane, moving: Plane) -> Affine2D:
    """A transform of points in the common unit as a map of source pixels."""
    (fr, fc), (mr, mc) = fixed.spacing, moving.spacing
    x0, y0 = transform.TransformPoint((0.0, 0.0))
    x1, y1 = transform.TransformPoint((fc, 0.0))
    x2, y2 = transform.TransformPoint((0.0, fr))
    return Affine2D((x1 - x0) / mc, (x2 - x0) / mc, x0 / mc, (y1 - y0) / mr, (y2 - y0) / mr, y0 / mr)

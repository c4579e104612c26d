"""Frequency bands: an expert's weight over the spatial frequencies of the picture.

    D = sum_b F^-1( M_b F( D_0 + sum_i w_i f_ib m_i (D_i - D_0) ) )         sum_b M_b = 1

F is the Fourier transform over height and width, M_b the mask of a band, f_ib expert i's factor there: eq. 18 with the
weights w_i f_ib in each band. Equal factors in all bands are eq. 18. Reliabilities are those of the weights w_i.
Wavelengths are measured in cells of the latent, of the lead's if there are several: low means longer than 16, high
shorter than 6. Masks change over half an octave around these borders, as the square of a cosine of the octave.
"""
from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import torch

from .fusion import Coefficient, Coefficients, without_guidance

BANDS = "low", "middle", "high"
EVERY = (1.0, 1.0, 1.0)             # the factors that change nothing
BORDERS = (1.0 / 16.0, 1.0 / 6.0)   # in waves per cell
OCTAVES = 0.5                       # the width of a border

Factors = tuple[float, float, float]


def parse_bands(text: str) -> Factors:
    """Three numbers of at least 0, low, middle and high, separated by commas and/or spaces; "" is 1, 1, 1.

    Raises ValueError.
    """
    words = text.replace(",", " ").split()
    if not words:
        return EVERY
    try:
        numbers = [float(word) for word in words if "_" not in word]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or len(words) != 3 or not all(0.0 <= f < math.inf for f in numbers) or not any(numbers):
        raise ValueError(f"bands '{text}': give three numbers of at least 0, not all 0, for the low, middle and high "
                         "frequencies, such as '1, 1, 0' (with a decimal point, not a decimal comma).")
    low, middle, high = numbers
    return low, middle, high


@functools.lru_cache(maxsize=8)
def masks(
    height: int, width: int, device: torch.device, lead: tuple[int, int] | None = None,
) -> tuple[torch.Tensor, ...]:
    """M_b of each band on the frequencies of a real transform, [height, width // 2 + 1]; the sum is 1.

    lead: (height, width) of the lead's latent in cells, in which waves are measured, if it is not this one.
    """
    lead_height, lead_width = lead or (height, width)
    rows = torch.fft.fftfreq(height) * (height / lead_height)
    columns = torch.fft.rfftfreq(width) * (width / lead_width)
    octave = torch.hypot(rows[:, None], columns[None]).double().log2()      # -inf for the mean of the picture
    below = []
    for border in BORDERS:
        across = ((octave - math.log2(border)) / OCTAVES + 0.5).clamp(0.0, 1.0)
        below.append((torch.cos(across * math.pi / 2) ** 2).float().to(device))
    return below[0], below[1] - below[0], 1.0 - below[1]


def spread(
    field: torch.Tensor, coefficients: Sequence[Coefficient], lead: tuple[int, int] | None = None,
) -> torch.Tensor:
    """sum_b F^-1(M_b F(c_b field)) of a field [B, ..., H, W], with a coefficient per band. Of video, frame by frame.

    lead: see `masks`.
    """
    height, width = field.shape[-2:]
    parts = []
    for mask, c in zip(masks(height, width, field.device, lead), coefficients, strict=True):
        if isinstance(c, torch.Tensor) or c != 0:
            parts.append(mask * torch.fft.rfft2((c * field).float()))
    if not parts:
        return torch.zeros_like(field)
    spectrum = functools.reduce(torch.add, parts)
    return torch.fft.irfft2(spectrum, s=(height, width)).to(field.dtype)


def by_band(weights: Sequence[Coefficient], factors: Sequence[Factors]) -> list[tuple[Coefficient, ...]]:
    """For each band, the w_i f_ib m_i of all experts. weights: w_i m_i."""
    found = []
    for b in range(len(BANDS)):
        found.append(tuple(w * f[b] for w, f in zip(weights, factors, strict=True)))
    return found


def of(factors: Sequence[Factors]) -> tuple[Factors, ...]:
    """The factors of each expert, () where all are 1."""
    return tuple(factors) if any(f != EVERY for f in factors) else ()


def coefficients(
    c: Coefficients, weights: Sequence[float], factors: Sequence[Factors], guided: bool,
) -> list[Coefficients]:
    """The coefficients in each band. c: without bands. weights: w_i, without masks. guided: in the interval."""
    masked = [w * m for w, m in zip(weights, c.masks, strict=True)]
    found = [dataclasses.replace(c, weights=own) for own in by_band(masked, factors)]
    return found if guided else [without_guidance(own) for own in found]

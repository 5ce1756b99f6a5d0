"""Colours of labels that colour-blind readers can tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from glioma_annotator.domain.geometry import FloatArray

_HEX = re.compile(r"#[0-9A-Fa-f]{6}")

#: What is offered for a new label: what the built-in labels leave of Okabe and Ito's palette (2008), then colours of
#: Paul Tol's "muted" and "bright" schemes that are light enough on a black picture.
OFFERED = (
    "#CC79A7", "#0072B2", "#E69F00", "#882255", "#AA4499", "#44AA99", "#DDCC77", "#999933", "#4477AA", "#CC6677",
    "#BBBBBB", "#FFFFFF",
)  # fmt: skip

#: How colours look to readers without long-wave (protan), middle-wave (deutan) and short-wave (tritan) cones: linear
#: RGB to linear RGB at severity 1, Machado, Oliveira and Fernandes 2009, table 1.
COLOUR_BLIND = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}

#: Linear RGB (sRGB primaries, D65) to CIE XYZ relative to white.
_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])  # fmt: skip


def is_colour(text: str) -> bool:
    """Whether a text is a colour as #RRGGBB."""
    return _HEX.fullmatch(text) is not None


def _linear(colour: str) -> FloatArray:
    """Linear RGB, 0..1, of #RRGGBB."""
    values = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def _lab(linear: FloatArray) -> FloatArray:
    """CIE L*a*b* of linear RGB."""
    xyz = _TO_XYZ @ np.clip(linear, 0, 1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one: str, other: str) -> float:
    """How far two colours (#RRGGBB) are apart, as CIE 1976 delta E, to the reader who sees the least difference."""
    a, b = _linear(one), _linear(other)
    seen = [np.eye(3), *(np.array(matrix) for matrix in COLOUR_BLIND.values())]
    return min(float(np.linalg.norm(_lab(eye @ a) - _lab(eye @ b))) for eye in seen)


def suggested(taken: Iterable[str]) -> tuple[str, ...]:
    """`OFFERED` colours not `taken`, those that are easiest to tell from the taken ones first."""
    known = list(taken)
    free = [colour for colour in OFFERED if colour.upper() not in {c.upper() for c in known}]
    return tuple(sorted(free, key=lambda colour: -min((difference(colour, c) for c in known), default=0.0)))

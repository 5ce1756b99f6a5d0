"""Shapes of synthetic gliomas: label maps grown in a brain's tissue.

Tissue maps hold 0 outside the brain, 1 cerebrospinal fluid, 2 grey and 3 white matter. Labels are those of
`domain.labels.GLIOMA_POST_TREATMENT`: 1 NETC, 2 SNFH, 3 ET, 4 RC. Voxels are taken as 1 mm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.domain.volume import LabelArray

OUTSIDE, CSF, GREY, WHITE = 0, 1, 2, 3
NETC, SNFH, ET, RC = 1, 2, 3, 4


class TumourKind(StrEnum):
    RING = "ring"
    SOLID = "solid"
    LOW_GRADE = "low grade"
    OEDEMA_ONLY = "oedema only"
    POST_OPERATIVE = "post-operative"


#: How often each kind is drawn.
KIND_SHARES: dict[TumourKind, float] = {
    TumourKind.RING: 0.31,
    TumourKind.SOLID: 0.12,
    TumourKind.LOW_GRADE: 0.31,
    TumourKind.OEDEMA_ONLY: 0.06,
    TumourKind.POST_OPERATIVE: 0.2,
}

#: Share of cavities without any oedema: clear fluid in normal brain, as ventricles and sulci are.
BARE_CAVITIES = 0.3


@dataclass(frozen=True, slots=True)
class TumourPlan:
    """What is to grow; drawn first, then applied.

    Attributes
    ----------
    kind: type of tumour.
    radius_mm: mean radius of core or cavity.
    axes: relative half-axes of the ellipsoid, geometric mean 1.
    rotation: (3, 3) rotation of the ellipsoid, row-major, 9 values.
    lobulation: relative amplitude of the coarse deformation of the surface.
    roughness: relative amplitude of the fine deformation.
    rim_mm: mean thickness of the enhancing rim.
    rim_gaps: share of the rim that does not enhance.
    oedema_mm: mean reach of the oedema beyond the core; 0 for none.
    nodule_mm: radius of a residual or recurrent nodule at a cavity's wall; 0 for none.
    satellite: whether a small second lesion grows nearby.
    seed: seeds the random fields.
    """

    kind: TumourKind
    radius_mm: float
    axes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    rotation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    lobulation: float = 0.15
    roughness: float = 0.05
    rim_mm: float = 3.0
    rim_gaps: float = 0.0
    oedema_mm: float = 10.0
    nodule_mm: float = 0.0
    satellite: bool = False
    seed: int = 0


def draw_plan(
    rng: np.random.Generator, kind: TumourKind | None = None, shares: Mapping[TumourKind, float] = KIND_SHARES
) -> TumourPlan:
    """A random plan; `kind` is drawn by `shares`, which add up to 1, when not given."""
    if kind is None:
        kinds = list(shares)
        kind = kinds[int(rng.choice(len(kinds), p=list(shares.values())))]
    radius = _log_uniform(rng, 5.0, 32.0 if kind is TumourKind.LOW_GRADE else 25.0)
    axes = np.exp(rng.normal(0.0, 0.2, 3))
    axes /= np.cbrt(axes.prod())
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    oedema = radius * rng.uniform(0.15, 2.0)
    if kind is TumourKind.LOW_GRADE:
        oedema = radius * rng.uniform(0.0, 0.5)
    elif kind is TumourKind.OEDEMA_ONLY:
        oedema = radius * rng.uniform(0.1, 0.6)
    elif kind is TumourKind.POST_OPERATIVE:
        oedema = radius * rng.uniform(0.1, 1.2)
        if rng.random() < BARE_CAVITIES:
            oedema = 0.0
    nodule = 0.0
    if kind is TumourKind.POST_OPERATIVE and rng.random() < 0.65:
        nodule = min(_log_uniform(rng, 3.0, 12.0), 1.2 * radius)
    return TumourPlan(
        kind=kind,
        radius_mm=radius,
        axes=(float(axes[0]), float(axes[1]), float(axes[2])),
        rotation=tuple(float(v) for v in rotation.ravel()),
        lobulation=float(rng.uniform(0.08, 0.3)),
        roughness=float(rng.uniform(0.02, 0.1)),
        rim_mm=_log_uniform(rng, 1.0, 6.0),
        rim_gaps=float(rng.choice([0.0, rng.uniform(0.05, 0.4)])),
        oedema_mm=float(oedema),
        nodule_mm=nodule,
        satellite=bool(rng.random() < 0.12),
        seed=int(rng.integers(2**31)),
    )


def grow(plan: TumourPlan, tissue: NDArray[np.uint8], centre: tuple[float, float, float]) -> LabelArray:
    """The label map, uint8 of `tissue`'s shape (i, j, k), of a tumour about `centre` (voxels; may lie outside)."""
    rng = np.random.default_rng(plan.seed)
    brain = tissue > OUTSIDE
    depth = _depth(plan, rng, tissue.shape, centre, plan.radius_mm)
    core = depth > 0
    labels = np.zeros(tissue.shape, dtype=np.uint8)
    enhancing = plan.kind in (TumourKind.RING, TumourKind.SOLID)
    if plan.kind is TumourKind.RING:
        _fill_ring(labels, depth, plan, rng)
    elif plan.kind is TumourKind.SOLID:
        labels[core] = ET
        islands = smooth_noise(rng, tissue.shape, max(plan.radius_mm * 0.35, 2.5))
        labels[(islands > rng.uniform(0.9, 2.5)) & (depth > 1.5)] = NETC
    elif plan.kind is TumourKind.LOW_GRADE:
        labels[core] = NETC
        if rng.random() < 0.35:  # a few small islands enhance
            islands = smooth_noise(rng, tissue.shape, float(rng.uniform(2.5, 5.0)))
            labels[core & (islands > rng.uniform(1.6, 2.6))] = ET
    elif plan.kind is TumourKind.OEDEMA_ONLY:
        labels[core & (tissue != CSF)] = SNFH
    else:
        labels[core] = RC
    reach = depth
    if plan.nodule_mm > 0:
        reach = np.maximum(reach, _add_recurrence(labels, depth, plan, rng, tissue, centre))
    if plan.satellite and enhancing:
        reach = np.maximum(reach, _add_satellite(labels, plan, rng, centre))
    if plan.oedema_mm > 0:
        labels[(labels == 0) & _oedema(reach, plan, rng, tissue)] = SNFH
    labels[~brain] = 0
    return labels


def _fill_ring(labels: LabelArray, depth: Field, plan: TumourPlan, rng: np.random.Generator) -> None:
    """A rim of ET of varied thickness, NETC inside."""
    thickness = plan.rim_mm * np.exp(0.45 * smooth_noise(rng, labels.shape, max(plan.radius_mm * 0.5, 3.0)))
    thickness = np.maximum(thickness, 0.9)
    rim = (depth > 0) & (depth <= thickness)
    labels[depth > 0] = NETC
    labels[rim] = ET
    if plan.rim_gaps > 0:
        patchy = smooth_noise(rng, labels.shape, max(plan.radius_mm * 0.7, 4.0))
        labels[rim & (patchy > _normal_quantile(1 - plan.rim_gaps))] = NETC


def _add_recurrence(
    labels: LabelArray,
    cavity_depth: Field,
    plan: TumourPlan,
    rng: np.random.Generator,
    tissue: NDArray[np.uint8],
    centre: tuple[float, float, float],
) -> Field:
    """Tumour at the cavity's wall: a nodule, or a thick part of the rim; returns its depth field."""
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    rotation = np.array(plan.rotation).reshape(3, 3)
    reach = plan.radius_mm / np.linalg.norm((rotation.T @ direction) / np.array(plan.axes))
    spot = np.array(centre) + direction * reach
    depth = _depth(plan, rng, labels.shape, (spot[0], spot[1], spot[2]), plan.nodule_mm)
    if rng.random() < 0.35:  # thick enhancement that follows the wall
        wall = (cavity_depth <= 0) & (cavity_depth > -rng.uniform(2.0, 5.0))
        side = smooth_noise(rng, labels.shape, max(plan.radius_mm * 0.8, 5.0))
        thick = wall & (side > rng.uniform(-0.2, 0.8)) & (tissue != CSF)
        labels[thick] = ET
        return np.where(thick, np.float32(1.0), np.float32(-1e3))
    solid = (depth > 0) & (labels != RC)
    labels[solid] = ET
    necrotic = solid & (depth > plan.rim_mm) & (smooth_noise(rng, labels.shape, 4.0) > -0.3)
    labels[necrotic] = NETC
    return depth


def _add_satellite(
    labels: LabelArray, plan: TumourPlan, rng: np.random.Generator, centre: tuple[float, float, float]
) -> Field:
    """A small solid second lesion in the neighbourhood; returns its depth field."""
    direction = rng.standard_normal(3)
    direction *= plan.radius_mm * rng.uniform(1.5, 2.5) / np.linalg.norm(direction)
    spot = np.array(centre) + direction
    depth = _depth(plan, rng, labels.shape, (spot[0], spot[1], spot[2]), float(rng.uniform(2.5, 6.0)))
    labels[(depth > 0) & (labels == 0)] = ET
    return depth


def _oedema(depth: Field, plan: TumourPlan, rng: np.random.Generator, tissue: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where oedema lies: outside the core, far along white matter, little into grey, never in fluid."""
    white = ndimage.gaussian_filter((tissue == WHITE).astype(np.float32), 1.2)
    fingers = smooth_noise(rng, tissue.shape, 14.0)
    ripples = smooth_noise(rng, tissue.shape, 5.0)
    spared = 0.85 if rng.random() < 0.7 else rng.uniform(0.2, 0.85)  # how far the cortex is; some tumours take it in
    reach = plan.oedema_mm * (1.0 + 0.5 * fingers + 0.15 * ripples) * (1.1 - spared + spared * white)
    return np.asarray((depth > -reach) & (tissue > CSF))


def _depth(
    plan: TumourPlan,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    centre: tuple[float, float, float],
    radius_mm: float,
) -> Field:
    """About the distance in mm to the deformed ellipsoid's surface: positive inside, float32 of `shape`."""
    rotation = np.array(plan.rotation, dtype=np.float32).reshape(3, 3)
    transform = (rotation / np.array(plan.axes, dtype=np.float32)).T  # world to unit-sphere axes
    offsets = [np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(shape, centre, strict=True)]
    i, j, k = offsets[0][:, None, None], offsets[1][None, :, None], offsets[2][None, None, :]
    square = sum((row[0] * i + row[1] * j + row[2] * k) ** 2 for row in transform)
    distance = np.sqrt(np.asarray(square, dtype=np.float32))
    surface = 1.0 + plan.lobulation * smooth_noise(rng, shape, max(radius_mm * 0.9, 4.0))
    surface += plan.roughness * smooth_noise(rng, shape, max(radius_mm * 0.3, 2.5))
    return np.asarray(radius_mm * np.clip(surface, 0.35, 1.8) - distance, dtype=np.float32)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _normal_quantile(share: float) -> float:
    """The value below which `share` of a standard normal distribution lies."""
    from scipy.special import ndtri

    return float(ndtri(share))

"""The demo study: one synthetic patient with three timepoints, built from the ICBM152 template at first use.

Anatomy comes from the T1 template and the grey- and white-matter probabilities that the nilearn package ships (Fonov et
al., NeuroImage 2011), deformed so that it is nobody's average; the tumour, its resection and its recurrence come from
our own tumour model. Everything is drawn from fixed seeds: the same version always builds the same voxels.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis import acquisition, contrast, tumour
from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.adaptation.synthesis.tumour import TumourKind, TumourPlan
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.nifti import write_labels
from glioma_annotator.progress import CancelToken, Report, StepProgress

VERSION = 2
STAMP = "demo-study.json"
STUDY = "study"
TRUTH = "truth"
SUBJECT = "sub-DEMO"

_TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_FILE_NAMES = {"T1": "T1w", "T1Gd": "ce-gadolinium_T1w", "T2": "T2w", "FLAIR": "FLAIR"}
_SCANNER_SCALE = {"T1": 620.0, "T1Gd": 700.0, "T2": 310.0, "FLAIR": 420.0}

# Intensities relative to white matter for (white, grey, fluid).
_ANATOMY = {
    "T1": (1.0, 0.70, 0.22),
    "T1Gd": (1.0, 0.76, 0.24),
    "T2": (1.0, 1.38, 3.1),
    "FLAIR": (1.0, 1.25, 0.22),
}


@dataclass(frozen=True, slots=True)
class DemoVisit:
    """One timepoint of the demo patient.

    Attributes
    ----------
    session: BIDS session label.
    date: ISO date.
    phase: treatment phase, as in `domain.patient.TreatmentPhase`.
    plan: the tumour, in mm.
    push: how strongly it displaces the brain, 0 to 1.
    linear_rim: whether a thin, benign enhancing line follows the cavity's wall.
    """

    session: str
    date: str
    phase: str
    plan: TumourPlan
    push: float
    linear_rim: bool = False


#: Where the tumour sits, in RAS mm of the template: right frontal white matter.
CENTRE_MM = (32.0, 18.0, 30.0)

VISITS = (
    DemoVisit(
        "20210304preop",
        "2021-03-04",
        "pre-operative",
        TumourPlan(
            TumourKind.RING, 18.5, (1.1, 1.1, 0.83), lobulation=0.2, roughness=0.06, rim_mm=3.2, oedema_mm=13.0, seed=11
        ),
        push=0.5,
    ),
    DemoVisit(
        "20210520postrt",
        "2021-05-20",
        "post-radiotherapy baseline",
        TumourPlan(
            TumourKind.POST_OPERATIVE, 15.0, (1.2, 1.0, 0.83), lobulation=0.24, roughness=0.07, oedema_mm=6.0, seed=31
        ),
        push=0.0,
        linear_rim=True,
    ),
    DemoVisit(
        "20211118recurrence",
        "2021-11-18",
        "progression",
        TumourPlan(
            TumourKind.POST_OPERATIVE,
            15.0,
            (1.2, 1.0, 0.83),
            lobulation=0.24,
            roughness=0.07,
            rim_mm=3.2,
            oedema_mm=12.0,
            nodule_mm=11.5,
            seed=31,
        ),
        push=0.15,
        linear_rim=True,
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """The patient's anatomy without tumour.

    Attributes
    ----------
    white, grey, detail: shares of tissue and what T1 shows besides, float32 (i, j, k), RAS, not yet deformed.
    brain: bool (i, j, k), not yet deformed.
    shape_of_patient: where each voxel of the patient comes from, indices, float32 (3, i, j, k).
    affine: indices to RAS mm.
    step: voxel size in mm.
    """

    white: Field
    grey: Field
    detail: Field
    brain: NDArray[np.bool_]
    shape_of_patient: Field
    affine: NDArray[np.float64]
    step: int


def build_demo_study(folder: Path, report: Report, cancel: CancelToken, *, step: int = 1) -> Path:
    """Build the demo study in `folder` unless this version is there already; return the folder to import.

    `folder/study` holds the images in BIDS order, `folder/truth` the true masks by session (labels of the program).

    Parameters
    ----------
    step: voxel size in mm; more than 1 makes a small, coarse study for tests.

    Raises `UserError` when nilearn is missing or `folder` holds something else, `EnvironmentFailure` when it cannot be
    written, `Cancelled`.
    """
    stamp = {"version": VERSION, "step": step}
    if _stamp_of(folder) == stamp:
        return folder / STUDY
    if folder.exists() and any(folder.iterdir()) and _stamp_of(folder) is None:
        raise UserError(f"The folder “{folder}” holds something other than the demo study.", "Empty it or remove it.")
    progress = StepProgress(report, len(VISITS) + 1, "Building the demo study")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            template = load_template(step)
            progress.step("Anatomy of the demo patient is ready")
            for number, visit in enumerate(VISITS):
                cancel.raise_if_cancelled()
                images, labels = draw_visit(template, visit, number)
                _write_visit(building, visit, images, labels, template.affine)
                progress.step(f"Visit {number + 1} of {len(VISITS)} is ready")
            _write_tables(building)
            (building / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
            building.chmod(0o755)  # mkdtemp makes folders private
            cancel.raise_if_cancelled()
            if folder.exists():
                shutil.rmtree(folder)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"The demo study could not be written to “{folder}”: {error.strerror or error}.",
            "Free disk space, or set GLIOMA_HOME to a folder you may write to.",
        ) from error
    return folder / STUDY


def load_template(step: int = 1) -> Template:
    """The patient's anatomy on a grid of `step` mm. Raises `UserError` when nilearn is not installed."""
    found = find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            "The demo study needs the brain template of the nilearn package, which is not installed.",
            "Install it with: pip install 'glioma-annotator[demo]'.",
        )
    data = Path(found.submodule_search_locations[0]) / "datasets" / "data"
    volumes: dict[str, Field] = {}
    affine = np.eye(4)
    for kind in ("t1", "gm", "wm"):
        path = data / _TEMPLATE.format(kind)
        if not path.exists():
            raise UserError(
                f"The installed nilearn package lacks the template “{path.name}”.",
                "Install the version the program was made for: pip install --upgrade 'glioma-annotator[demo]'.",
            )
        image = nib.as_closest_canonical(nib.load(path))
        affine = np.asarray(image.affine, dtype=np.float64)
        volumes[kind] = np.asarray(image.dataobj, dtype=np.float32) / np.float32(255)
    brain = ndimage.binary_fill_holes(ndimage.binary_opening(volumes["t1"] > 0.1, iterations=2))
    box = Box.around(brain)
    if box is None:
        raise UserError("The brain template of the nilearn package is empty.", "Install nilearn again.")
    start = [max(s - 5, 0) for s in box.start]
    part = tuple(slice(s, e + 5, step) for s, e in zip(start, box.stop, strict=True))
    to_whole = np.diag([step, step, step, 1.0])
    to_whole[:3, 3] = start
    affine = affine @ to_whole
    brain = brain[part]
    white, grey, t1 = volumes["wm"][part], volumes["gm"][part], volumes["t1"][part]
    bright = float(np.median(t1[white > 0.9]))
    white, grey, fluid = _sharpen(white, grey, brain)
    expected = white * _ANATOMY["T1"][0] + grey * _ANATOMY["T1"][1] + fluid * _ANATOMY["T1"][2]
    detail = np.where(brain, np.clip(t1 / bright - expected, -0.3, 0.3), 0).astype(np.float32)
    return Template(white, grey, detail, brain, _shape_of_patient(brain.shape, step), affine, step)


def grid_of(template: Template) -> Grid:
    """The voxel grid of every visit."""
    i, j, k = template.brain.shape
    return Grid((i, j, k), template.affine)


def draw_visit(template: Template, visit: DemoVisit, number: int) -> tuple[dict[str, Field], LabelArray]:
    """Images by sequence name (float32, 0 outside the brain) and the true mask of one visit, on the template's grid."""
    step = template.step
    centre = np.linalg.inv(template.affine) @ [*CENTRE_MM, 1.0]
    at = (float(centre[0]), float(centre[1]), float(centre[2]))
    coordinates = _with_mass_effect(template, at, visit)
    white, grey, detail = (_sample(v, coordinates) for v in (template.white, template.grey, template.detail))
    brain = _sample(template.brain.astype(np.float32), coordinates) > 0.5
    fluid = np.where(brain, np.clip(1 - white - grey, 0, 1), 0).astype(np.float32)
    shares = np.stack([fluid, grey, white])
    tissue = np.where(brain, np.argmax(shares, axis=0) + tumour.CSF, tumour.OUTSIDE).astype(np.uint8)

    names = tuple(_ANATOMY)
    images = np.stack([_anatomy(name, white, grey, fluid, detail, brain) for name in names])
    fixed = np.random.default_rng([2021, 1])  # the patient's own texture and vessels: the same at every visit
    for image in images:
        image *= 1 + 0.015 * smooth_noise(fixed, image.shape, 3.0 / step)
    contrast.add_vessels(images[names.index("T1Gd")], tissue, fixed, strength=1.2, scale=11.0 / step)

    rng = np.random.default_rng([2021, 2, number])
    labels = np.zeros(tissue.shape, dtype=np.uint8)
    # Only the tumour's surroundings are worked on: it is a tenth of the brain.
    near = tuple(slice(max(int(c) - 60 // step, 0), int(c) + 60 // step) for c in at)
    local = (at[0] - near[0].start, at[1] - near[1].start, at[2] - near[2].start)
    labels[near] = _largest_part(tumour.grow(_in_voxels(visit.plan, step), tissue[near], local))
    part = np.ascontiguousarray(images[(slice(None), *near)])
    contrast.paint(part, names, tissue[near], labels[near], _CONTRASTS, rng, grain=0.4, halo=None)
    if visit.linear_rim:
        _add_linear_rim(part[names.index("T1Gd")], labels[near], tissue[near], rng, step)
    images[(slice(None), *near)] = part
    for row, image in enumerate(images):
        image[...] = ndimage.gaussian_filter(image, 0.35)
        image *= acquisition.bias_field(rng, image.shape, 0.05, 70.0 / step)
        image[~brain] = 0
        acquisition.add_noise(images[row : row + 1], brain, rng, 0.022)
    return {name: image * _SCANNER_SCALE[name] for name, image in zip(names, images, strict=True)}, labels


_CONTRASTS = {
    tumour.SNFH: np.array([0.78, 0.80, 1.85, 1.75], dtype=np.float32),
    tumour.NETC: np.array([0.42, 0.45, 2.5, 1.25], dtype=np.float32),
    tumour.ET: np.array([0.72, 1.75, 1.55, 1.5], dtype=np.float32),
    tumour.RC: np.array([0.26, 0.28, 3.1, 0.42], dtype=np.float32),
}


def _largest_part(labels: LabelArray) -> LabelArray:
    """The connected tumour without islands of oedema elsewhere."""
    parts, count = ndimage.label(labels > 0)
    if count < 2:
        return labels
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.where(parts == int(sizes.argmax()), labels, 0).astype(np.uint8)


def _sharpen(white: Field, grey: Field, brain: NDArray[np.bool_]) -> tuple[Field, Field, Field]:
    """Shares of white, grey and fluid with the blur of an average of many brains taken back somewhat."""
    shares = np.stack([white, grey, np.clip(1 - white - grey, 0, 1)])
    shares = shares**1.8
    shares /= np.maximum(shares.sum(axis=0), 1e-6)
    shares[:, ~brain] = 0
    return shares[0], shares[1], shares[2]


def _anatomy(name: str, white: Field, grey: Field, fluid: Field, detail: Field, brain: NDArray[np.bool_]) -> Field:
    """One sequence of the tumour-free brain, white matter 1."""
    of_white, of_grey, of_fluid = _ANATOMY[name]
    # What is darker on T1 than its tissue holds more water, hence is brighter on T2.
    sign = {"T1": 1.0, "T1Gd": 0.9, "T2": -0.9, "FLAIR": -0.25}[name]
    image = of_white * white + of_grey * grey + of_fluid * fluid + sign * detail
    return np.where(brain, np.maximum(image, 0.05), 0).astype(np.float32)


def _shape_of_patient(shape: tuple[int, ...], step: int) -> Field:
    """Template indices, float32 (3, i, j, k), of every voxel of the patient: nobody has the average brain."""
    rng = np.random.default_rng([2021, 0])
    grid = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))
    for axis in range(3):
        for scale, amplitude in ((45.0, 2.2), (16.0, 0.9)):
            grid[axis] += amplitude / step * smooth_noise(rng, shape, scale / step)
    return grid


def _with_mass_effect(template: Template, centre: tuple[float, float, float], visit: DemoVisit) -> Field:
    """Template indices, float32 (3, i, j, k), of every voxel of the patient whose tumour pushes the brain aside."""
    if visit.push == 0:
        return template.shape_of_patient
    axes = [np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(template.brain.shape, centre, strict=True)]
    i, j, k = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    distance = np.sqrt(i**2 + j**2 + k**2) + np.float32(1e-3)
    radius = visit.plan.radius_mm / template.step
    # The volume of a shell is kept; skull and far hemisphere hold still.
    source = np.cbrt(np.maximum(distance**3 - visit.push * radius**3, 0))
    move = (source / distance - 1) * np.exp(-((distance * template.step / 70.0) ** 2))
    return np.stack(
        [
            template.shape_of_patient[0] + i * move,
            template.shape_of_patient[1] + j * move,
            template.shape_of_patient[2] + k * move,
        ]
    )


def _sample(volume: Field, coordinates: Field) -> Field:
    return np.asarray(ndimage.map_coordinates(volume, coordinates, order=1, cval=0.0), dtype=np.float32)


def _in_voxels(plan: TumourPlan, step: int) -> TumourPlan:
    """The plan for a grid whose voxels are `step` mm."""
    return replace(
        plan,
        radius_mm=plan.radius_mm / step,
        rim_mm=plan.rim_mm / step,
        oedema_mm=plan.oedema_mm / step,
        nodule_mm=plan.nodule_mm / step,
    )


def _add_linear_rim(
    t1gd: Field, labels: LabelArray, tissue: NDArray[np.uint8], rng: np.random.Generator, step: int
) -> None:
    """The thin enhancing line that surgery leaves along a cavity; by definition no enhancing tumour."""
    cavity = labels == tumour.RC
    wall = ndimage.binary_dilation(cavity) & ~cavity & (labels != tumour.ET) & (tissue > tumour.CSF)
    line = ndimage.gaussian_filter(wall.astype(np.float32), 0.5)
    t1gd += line * 0.45 * np.clip(0.6 + 0.4 * smooth_noise(rng, labels.shape, 10.0 / step), 0, 1.2)


def _write_visit(
    folder: Path, visit: DemoVisit, images: dict[str, Field], labels: LabelArray, affine: NDArray[np.float64]
) -> None:
    anat = folder / STUDY / SUBJECT / f"ses-{visit.session}" / "anat"
    anat.mkdir(parents=True)
    stem = f"{SUBJECT}_ses-{visit.session}"
    for name, image in images.items():
        _write(anat / f"{stem}_{_FILE_NAMES[name]}.nii.gz", np.rint(image).astype(np.int16), affine)
    truth = folder / TRUTH
    truth.mkdir(exist_ok=True)
    write_labels(truth / f"{stem}_dseg.nii.gz", labels, Grid(labels.shape, affine))  # says whose labels they are


def _write(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def _write_tables(folder: Path) -> None:
    """What BIDS asks for: the data set's description and the dates of the sessions."""
    study = folder / STUDY
    rows = ["session_id\tacq_time\tphase", *(f"ses-{v.session}\t{v.date}\t{v.phase}" for v in VISITS)]
    (study / SUBJECT / f"{SUBJECT}_sessions.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    description = {
        "Name": "Glioma Annotator demo study (synthetic)",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
    }
    (study / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _stamp_of(folder: Path) -> dict[str, int] | None:
    """The stamp of a finished demo study in `folder`; None when there is none."""
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None

"""Synthetic tumours: shapes, contrasts, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from glioma_annotator.adaptation.synthesis import acquisition, contrast, samples, tumour
from glioma_annotator.adaptation.synthesis.backgrounds import (
    LabelMapBackground,
    RealBackground,
    load_backgrounds,
    load_label_maps,
)
from glioma_annotator.adaptation.synthesis.noise import smooth_noise
from glioma_annotator.adaptation.synthesis.samples import SampleShares, SampleSource, draw_sample
from glioma_annotator.adaptation.synthesis.tumour import ET, NETC, RC, SNFH, TumourKind, TumourPlan
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError

SHAPE = (56, 56, 56)
CENTRE = (28.0, 28.0, 28.0)
ALLOWED = {0, *GLIOMA_POST_TREATMENT.values}


def ball_brain(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A round head: white matter inside, a grey mantle, fluid around it and in a ventricle of one half."""
    axes = [np.linspace(-1, 1, n) for n in shape]
    i, j, k = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt(i**2 + j**2 + k**2)
    tissue = np.zeros(shape, dtype=np.uint8)
    tissue[radius < 0.97] = tumour.CSF
    tissue[radius < 0.92] = tumour.GREY
    tissue[radius < 0.75] = tumour.WHITE
    tissue[np.sqrt((i + 0.5) ** 2 + j**2 + k**2) < 0.12] = tumour.CSF
    return tissue


def brain_images(tissue: np.ndarray) -> np.ndarray:
    """T1, T1Gd, T2, FLAIR of a brain without tumour, white matter 1."""
    t1, t2, flair = [0, 0.25, 0.75, 1.0], [0, 3.0, 1.4, 1.0], [0, 0.3, 1.2, 1.0]
    return np.array([t1, t1, t2, flair], dtype=np.float32)[:, tissue]


def source(**shares: Any) -> SampleSource:
    tissue = ball_brain()
    images = brain_images(tissue)
    inside = images[:, tissue > 0]
    real = RealBackground("ball", images.astype(np.float16), tissue, False, inside.mean(axis=1), inside.std(axis=1))
    return SampleSource([real], shares=SampleShares(**{"label_map": 0.0, **shares}))


def test_smooth_noise_has_unit_spread_and_is_smooth() -> None:
    field = smooth_noise(np.random.default_rng(0), (96, 96, 96), 6.0)
    assert abs(float(field.mean())) < 0.1
    assert float(field.std()) == pytest.approx(1.0, abs=0.1)
    assert float(np.abs(np.diff(field, axis=0)).max()) < 1.0


@pytest.mark.parametrize("kind", list(TumourKind))
def test_a_plan_always_grows_the_same_tumour(kind: TumourKind) -> None:
    tissue = ball_brain()
    plans = [tumour.draw_plan(np.random.default_rng(3), kind) for _ in range(2)]
    assert plans[0] == plans[1]
    first, second = (tumour.grow(plan, tissue, CENTRE) for plan in plans)
    assert np.array_equal(first, second)


def test_three_of_ten_cavities_have_no_oedema_around_them() -> None:
    rng = np.random.default_rng(5)
    plans = [tumour.draw_plan(rng, TumourKind.POST_OPERATIVE) for _ in range(200)]
    bare = [plan for plan in plans if plan.oedema_mm == 0 and plan.nodule_mm == 0]
    assert 0.2 < np.mean([plan.oedema_mm == 0 for plan in plans]) < 0.4
    labels = tumour.grow(bare[0], ball_brain(), CENTRE)
    assert set(np.unique(labels)) == {0, RC}


@pytest.mark.parametrize("kind", list(TumourKind))
def test_tumours_hold_only_labels_of_the_scheme_and_stay_in_the_brain(kind: TumourKind) -> None:
    tissue = ball_brain()
    for seed in range(4):
        labels = tumour.grow(tumour.draw_plan(np.random.default_rng(seed), kind), tissue, CENTRE)
        assert set(np.unique(labels)) <= ALLOWED
        assert not labels[tissue == tumour.OUTSIDE].any()
        assert labels.any()


def test_oedema_never_lies_in_fluid() -> None:
    tissue = ball_brain()
    labels = tumour.grow(TumourPlan(TumourKind.OEDEMA_ONLY, 12.0, oedema_mm=12.0, seed=1), tissue, (16.0, 28.0, 28.0))
    assert (labels == SNFH).any()
    assert not ((labels == SNFH) & (tissue == tumour.CSF)).any()


def test_enhancing_rim_encloses_the_necrosis_of_a_ring() -> None:
    tissue = np.full(SHAPE, tumour.WHITE, dtype=np.uint8)
    for seed in range(4):
        plan = TumourPlan(TumourKind.RING, 14.0, rim_mm=3.0, rim_gaps=0.0, oedema_mm=6.0, seed=seed)
        labels = tumour.grow(plan, tissue, CENTRE)
        necrosis = labels == NETC
        shell = ndimage.binary_dilation(necrosis) & ~necrosis
        assert necrosis.any()
        assert float((labels[shell] == ET).mean()) > 0.97


def test_oedema_surrounds_the_core() -> None:
    tissue = np.full(SHAPE, tumour.WHITE, dtype=np.uint8)
    labels = tumour.grow(TumourPlan(TumourKind.RING, 10.0, oedema_mm=9.0, seed=2), tissue, CENTRE)
    core = np.isin(labels, (NETC, ET))
    shell = ndimage.binary_dilation(core) & ~core
    assert float((labels[shell] == SNFH).mean()) > 0.8


def test_low_grade_tumours_hardly_enhance_and_only_surgery_leaves_a_cavity() -> None:
    tissue = ball_brain()
    for seed in range(5):
        for kind in TumourKind:
            labels = tumour.grow(tumour.draw_plan(np.random.default_rng(seed), kind), tissue, CENTRE)
            assert (labels == RC).any() == (kind is TumourKind.POST_OPERATIVE)
            if kind is TumourKind.OEDEMA_ONLY:
                assert not (labels == ET).any()
            elif kind is TumourKind.LOW_GRADE:
                assert (labels == ET).sum() < 0.12 * (labels > 0).sum()


def test_thin_rims_are_thinner_than_thick_ones() -> None:
    tissue = np.full(SHAPE, tumour.WHITE, dtype=np.uint8)
    thin, thick = (
        int((tumour.grow(TumourPlan(TumourKind.RING, 15.0, rim_mm=mm, seed=5), tissue, CENTRE) == ET).sum())
        for mm in (1.0, 5.0)
    )
    assert 0 < thin < thick / 2


def test_painted_tissues_look_as_they_do_on_mri() -> None:
    tissue = np.full(SHAPE, tumour.WHITE, dtype=np.uint8)
    rng = np.random.default_rng(0)
    for seed in range(4):
        for kind in (TumourKind.RING, TumourKind.POST_OPERATIVE):
            labels = tumour.grow(TumourPlan(kind, 14.0, nodule_mm=8.0, seed=seed), tissue, CENTRE)
            images = brain_images(tissue)
            contrasts = contrast.draw_contrasts(np.random.default_rng(seed), kind)
            if contrasts[RC][1] > 1:  # blood in the cavity
                continue
            contrast.paint(images, contrast.CHANNELS, tissue, labels, contrasts, rng)
            for label in np.unique(labels[labels > 0]):
                labels_inside = ndimage.binary_erosion(labels == label)
                if labels_inside.sum() < 20:
                    continue
                _, t1gd, t2, flair = (float(np.median(image[labels_inside])) for image in images)
                if label == ET:
                    assert t1gd > 1.05
                elif label == SNFH:
                    assert flair > 1.02
                    assert t1gd < 1.05
                elif label == NETC:
                    assert t1gd < 1.0 < t2
                elif label == RC:
                    assert t1gd < 0.8
                    assert t2 > 1.5


def test_only_tumours_without_enhancement_have_outlines_that_hold_a_faint_margin() -> None:
    tissue = np.full((40, 40, 40), tumour.WHITE, dtype=np.uint8)
    away = np.sqrt(sum((axis - 20.0) ** 2 for axis in np.ogrid[:40, :40, :40]))
    contrasts = {label: np.array([0.7, 0.7, 2.0, 1.8], dtype=np.float32) for label in (NETC, SNFH, ET, RC)}

    def brightness_of_margin(labels: np.ndarray, seed: int) -> float:
        """Share of the tumour's T2 brightness 1 to 2 voxels within its outline."""
        images = brain_images(tissue)
        contrast.paint(images, contrast.CHANNELS, tissue, labels, contrasts, np.random.default_rng(seed), grain=0.0)
        return float(images[2][(away > 10) & (away < 11)].mean() - 1)

    infiltrating = np.where(away < 12, NETC, 0).astype(np.uint8)
    enhancing = infiltrating.copy()
    enhancing[20, 20, 20] = ET
    faint = [brightness_of_margin(infiltrating, seed) for seed in range(12)]
    assert min(faint) < 0.4 and max(faint) > 0.9
    assert min(brightness_of_margin(enhancing, seed) for seed in range(12)) > 0.9


def test_painting_leaves_the_rest_of_the_brain_alone() -> None:
    tissue = ball_brain()
    before = brain_images(tissue)
    images = before.copy()
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[20:26, 20:26, 20:26] = ET
    contrasts = contrast.draw_contrasts(np.random.default_rng(0), TumourKind.SOLID)
    contrast.paint(images, contrast.CHANNELS, tissue, labels, contrasts, np.random.default_rng(0))
    far = ~ndimage.binary_dilation(labels > 0, np.ones((3, 3, 3)), iterations=5)
    assert np.array_equal(images[:, far], before[:, far])


def test_vessels_brighten_t1gd_inside_the_brain_only() -> None:
    tissue = ball_brain()
    image = brain_images(tissue)[0]
    changed = image.copy()
    contrast.add_vessels(changed, tissue, np.random.default_rng(1))
    assert (changed >= image).all()
    assert changed.max() > image.max()
    assert not changed[tissue == 0].any()


@pytest.mark.parametrize("seed", range(4))
def test_meninges_brighten_surface_and_midline_only(seed: int) -> None:
    tissue = ball_brain()
    image = brain_images(tissue)[0]
    changed = image.copy()
    i, _, k = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in SHAPE], indexing="ij")
    aside, height = i - SHAPE[0] / 2, k / SHAPE[2]
    contrast.add_meninges(changed, tissue, aside, height, np.random.default_rng(seed))
    added = changed - image
    assert (added >= 0).all() and added.max() > 0.1
    assert not changed[tissue == 0].any()
    deep_and_aside = (ndimage.distance_transform_edt(tissue > 0) > 8) & (np.abs(aside) > 12)
    assert added[deep_and_aside].max() < 0.01


def test_faint_enhancement_is_the_more_frequent() -> None:
    rng = np.random.default_rng(0)
    drawn = [contrast.draw_contrasts(rng, TumourKind.RING)[ET][1] for _ in range(400)]
    assert min(drawn) >= 1.1 and max(drawn) <= 3.0
    assert np.median(drawn) < 2.0


def test_acquisition_keeps_the_surroundings_of_the_brain_empty() -> None:
    tissue = ball_brain()
    for seed in range(6):
        images = brain_images(tissue)
        acquisition.distort(images, tissue > 0, np.random.default_rng(seed))
        acquisition.add_noise(images, tissue > 0, np.random.default_rng(seed), 0.03)
        assert np.isfinite(images).all()
        assert not images[:, tissue == 0].any()


def test_motion_leaves_a_faint_shifted_copy_in_some_images(monkeypatch: pytest.MonkeyPatch) -> None:
    point = np.zeros(SHAPE, np.float32)
    point[8, 9, 10] = 1
    for seed in range(20):
        moved = acquisition.with_ghosts(point, np.random.default_rng(seed))
        copies = moved - point
        assert np.count_nonzero(copies) == 1 and 0.02 <= copies.max() <= 0.12
        assert copies[:, :, 10].any() and (copies[8].any() != copies[:, 9].any())
    tissue = ball_brain()

    def distorted() -> list[np.ndarray]:
        found = []
        for seed in range(40):
            images = brain_images(tissue)
            acquisition.distort(images, tissue > 0, np.random.default_rng(seed))
            found.append(images)
        return found

    with_motion = distorted()
    monkeypatch.setattr(acquisition, "with_ghosts", lambda image, _rng: image)
    still = distorted()
    moved_images = [
        not np.array_equal(one, other)
        for images, others in zip(with_motion, still, strict=True)
        for one, other in zip(images, others, strict=True)
    ]
    assert 2 < sum(moved_images) < 24  # of 160; whatever else is drawn is the same


def test_stripping_leaves_residue_or_takes_brain_and_its_labels() -> None:
    tissue = ball_brain()
    brain = tissue > 0
    grown = shrunk = 0
    for seed in range(150):
        images, labels = brain_images(tissue), np.where(brain, ET, 0).astype(np.uint8)
        mask = acquisition.vary_mask(images, labels, brain, np.random.default_rng(seed))
        assert np.array_equal(labels > 0, mask & brain)
        assert np.array_equal(np.any(images > 0, axis=0), mask)
        grown += int((mask & ~brain).any())
        shrunk += int((brain & ~mask).any())
    assert grown > 3
    assert shrunk > 2


def test_a_surgical_rim_is_thin_and_no_label() -> None:
    tissue = np.full(SHAPE, tumour.WHITE, dtype=np.uint8)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[18:38, 18:38, 18:38] = RC
    images = brain_images(tissue)
    before = images.copy()
    contrast.add_surgical_rim(images, tissue, labels, np.random.default_rng(3))
    changed = np.abs(images - before).max(axis=0) > 0.05
    assert changed.any()
    near_wall = ndimage.binary_dilation(labels == RC, iterations=3) & ~ndimage.binary_erosion(
        labels == RC, iterations=3
    )
    assert not (changed & ~near_wall).any()
    assert set(np.unique(labels)) == {0, RC}


def test_a_patch_may_lack_sequences_but_never_both_t1gd_and_flair() -> None:
    often = source(missing=(0.5, 0.9, 0.5, 0.9))
    for index in range(12):
        present = draw_sample(often, 32, seed=8, index=index).images.any(axis=(1, 2, 3))
        assert present[1] or present[3]
    full = source(missing=(0.0, 0.0, 0.0, 0.0))
    assert all(draw_sample(full, 32, seed=8, index=i).images.any(axis=(1, 2, 3)).all() for i in range(6))


def test_the_same_seed_and_number_give_the_same_sample() -> None:
    first, second = (draw_sample(source(), 32, seed=5, index=9) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)
    other = draw_sample(source(), 32, seed=5, index=10)
    assert not np.array_equal(first.images, other.images)


def test_samples_are_cubes_of_four_channels_with_labels_of_the_scheme() -> None:
    for index in range(12):
        sample = draw_sample(source(), 32, seed=1, index=index)
        assert sample.images.shape == (4, 32, 32, 32)
        assert sample.images.dtype == np.float32
        assert np.isfinite(sample.images).all()
        assert sample.labels.shape == (32, 32, 32)
        assert set(np.unique(sample.labels)) <= ALLOWED
        assert not sample.images[:, ~np.any(sample.images, axis=0)].any()


def test_samples_without_tumour_have_no_labels() -> None:
    for index in range(6):
        assert not draw_sample(source(tumour=0.0, inferior=0.4, ventricle=0.4), 32, seed=2, index=index).labels.any()


@pytest.mark.parametrize("kind", list(TumourKind))
def test_the_shares_say_which_kinds_of_tumour_are_drawn(kind: TumourKind) -> None:
    asked = source(tumour=1.0, real_shape=0.0, kinds={kind: 1.0})
    assert {draw_sample(asked, 32, seed=5, index=index).kind for index in range(4)} == {kind.value}


def test_real_mask_shapes_keep_their_labels() -> None:
    shape = np.zeros((20, 20, 20), dtype=np.uint8)
    shape[2:18, 2:18, 2:18] = SNFH
    shape[6:14, 6:14, 6:14] = RC
    only_shapes = SampleSource(source().real, shapes=[shape], shares=SampleShares(1.0, 0.0, 0.0, 0.0, 1.0))
    found = set()
    for index in range(5):
        found |= set(np.unique(draw_sample(only_shapes, 32, seed=3, index=index).labels))
    assert found == {0, SNFH, RC}


def test_label_maps_give_brains_of_varied_contrast() -> None:
    classes = np.zeros((40, 40, 40), dtype=np.uint8)
    classes[4:36, 4:36, 4:36] = 4
    classes[10:30, 10:30, 10:30] = 1
    maps = SampleSource([], [LabelMapBackground("cube", classes)], shares=SampleShares(0.5, 0.2, 0.1, 1.0, 0.0))
    samples = [draw_sample(maps, 32, seed=4, index=index) for index in range(4)]
    assert len({float(s.images.std()) for s in samples}) == 4


def write_label_map(data: Path, labels: np.ndarray) -> Path:
    path = data / "label_maps" / "synthseg" / "map.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels.astype(np.int16), np.eye(4)), path)
    return path


def test_a_label_map_s_brain_ends_where_its_tissue_does_not_with_the_fluid_of_the_spine(tmp_path: Path) -> None:
    labels = np.zeros((40, 40, 90), dtype=np.int16)
    labels[9:31, 9:31, 61:83] = 24  # fluid around white matter, in the canal of the spine, and a stray voxel
    labels[11:29, 11:29, 63:81] = 2
    labels[19:21, 19:21, :61] = 24
    labels[2, 2, 2] = labels[7, 7, 59] = 24
    labels[:, :, 88] = 512  # scalp
    write_label_map(tmp_path, labels)
    (brain,) = load_label_maps(tmp_path)
    assert np.array_equal(np.ptp(np.argwhere(brain.tissue > 0), axis=0) + 1, (22, 22, 24))
    assert (brain.tissue == tumour.WHITE).sum() == 18**3


def test_what_is_wrong_with_a_generator_s_data_is_named(tmp_path: Path) -> None:
    write_label_map(tmp_path, np.full((4, 4, 4), 2000))
    with pytest.raises(UserError, match=r"map\.nii\.gz.*labels that are not SynthSeg's"):
        load_label_maps(tmp_path)
    write_label_map(tmp_path, np.zeros((4, 4, 4))).write_bytes(b"no image")
    with pytest.raises(UserError, match=r"map\.nii\.gz"):
        load_label_maps(tmp_path)
    brain = tmp_path / "healthy" / "kirby1"
    brain.mkdir(parents=True)
    (brain.parent / ".DS_Store").touch()
    for name, size in (("MPRAGE", 8), ("T2w", 9)):
        nib.save(nib.Nifti1Image(np.ones((8, 8, size), np.float32), np.eye(4)), brain / f"{name}.nii.gz")
    with pytest.raises(UserError, match=r"FLAIR\.nii\.gz is not there"):
        load_backgrounds(tmp_path)
    nib.save(nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4)), brain / "FLAIR.nii.gz")
    with pytest.raises(UserError, match=r"T2w\.nii\.gz” has other voxels than MPRAGE"):
        load_backgrounds(tmp_path)


def test_only_the_cerebellum_of_normal_brain_is_brightened() -> None:
    size = (60, 80, 60)
    coordinates = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in size], indexing="ij"))
    images = np.ones((4, *size), np.float32)
    samples._brighten_cerebellum(images, coordinates, size, np.random.default_rng(1))
    assert (images[:2] == 1).all()
    cerebellum, elsewhere = images[2:, 20:40, 8:24, 2:12], images[2:, :, 56:, :]
    assert (cerebellum > 1.01).all()
    assert elsewhere.max() < 1.001 and images[2:, :, :, 36:].max() < 1.001


def write_case(folder: Path, names: Sequence[str], tumour_on_right: bool) -> None:
    """A brain of 40 x 48 x 40 mm in RAS with a bright lesion on one side."""
    folder.mkdir(parents=True)
    tissue = ball_brain((40, 48, 40))
    for name, image in zip(names, brain_images(tissue), strict=True):
        if "f" in name:
            image[(28 if tumour_on_right else 6) :][:6, 20:28, 16:24] = 3.0
        nib.save(nib.Nifti1Image(image * 100, np.eye(4)), folder / f"{name}.nii.gz")


@pytest.mark.parametrize("tumour_on_right", [True, False])
def test_the_healthy_hemispheres_of_unlabelled_cases_are_backgrounds(tmp_path: Path, tumour_on_right: bool) -> None:
    write_case(tmp_path / "raw_clinical" / "A" / "sri24_bet", ("t1", "t1c", "t2", "flair"), tumour_on_right)
    write_case(tmp_path / "longitudinal" / "B" / "tp0", ("t1", "t1ce", "t2", "flair"), tumour_on_right)
    write_case(tmp_path / "longitudinal" / "B" / "tp1", ("t1", "t1ce", "t2", "flair"), tumour_on_right)
    found = load_backgrounds(tmp_path)
    assert [background.name for background in found] == ["B mirrored", "A mirrored"]
    for background in found:
        assert background.has_gadolinium
        assert background.images[3].max() < 2


def test_a_data_folder_without_brains_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="No tumour-free brains"):
        load_backgrounds(tmp_path)

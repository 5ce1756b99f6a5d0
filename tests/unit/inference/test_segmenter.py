from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import enhancing_network

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label, LabelScheme
from glioma_annotator.domain.model_card import BRAIN, ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError
from glioma_annotator.inference import covering, engine, openvino_library, openvino_runner, segmenter, torch_runner
from glioma_annotator.inference import device as devices
from glioma_annotator.inference.cards import CARD, find_cards, load_card
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.engine import Prediction
from glioma_annotator.inference.model_folder import WEIGHTS, save_model
from glioma_annotator.inference.networks import ResidualInceptionUNet, build_network
from glioma_annotator.inference.preparation import prepare
from glioma_annotator.inference.runner import OutOfMemory
from glioma_annotator.inference.segmenter import ModelSegmenter, _averaged
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.settings import SegmentationSettings

ET = 3


def segment(
    models: Path, images: dict[SequenceRole, Volume], model: str = "", device: str = "cpu"
) -> SegmentationOutcome:
    return ModelSegmenter([models]).segment(images, model, device, ignore_progress, CancelToken())


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_the_bright_ball_is_found_where_it_is(models: Path, phantom: Any) -> None:
    outcome = segment(models, phantom.images)
    assert outcome.labels.dtype == np.uint8
    assert dice(outcome.labels == ET, phantom.ball & phantom.brain) > 0.99
    assert set(np.unique(outcome.labels)) == {0, ET}
    assert not outcome.labels[~phantom.brain].any()
    assert outcome.card.name == "enhancing"
    assert (outcome.mode, outcome.patches) == ("one-pass", 1)
    assert outcome.device.startswith("CPU")
    assert outcome.messages == ()


def test_thick_slices_are_resampled_for_the_model_and_the_mask_comes_back(models: Path, thick_phantom: Any) -> None:
    outcome = segment(models, thick_phantom.images)
    assert outcome.labels.shape == thick_phantom.grid.shape
    assert dice(outcome.labels == ET, thick_phantom.ball & thick_phantom.brain) > 0.9
    assert any("0.8 x 0.8 x 4 to 1 x 1 x 1 mm" in message for message in outcome.messages)


def test_the_same_images_give_the_same_mask(
    models: Path, tmp_path: Path, phantom: Any, card: ModelCard, network: ResidualInceptionUNet
) -> None:
    save_model(tmp_path / "random" / "random", replace(card, name="random"), network)
    first = segment(tmp_path / "random", phantom.images)
    second = segment(tmp_path / "random", phantom.images)
    assert len(np.unique(first.labels)) > 2
    assert np.array_equal(first.labels, second.labels)


def test_images_that_the_model_does_not_need_change_nothing(models: Path, phantom: Any) -> None:
    extra = {SequenceRole.T1: Volume(np.ones(phantom.grid.shape, np.float32), phantom.grid), **phantom.images}
    assert np.array_equal(segment(models, extra).labels, segment(models, phantom.images).labels)


def test_the_scale_of_the_intensities_does_not_matter(models: Path, phantom: Any) -> None:
    scaled = {role: Volume(v.data * 37, v.grid) for role, v in phantom.images.items()}
    assert dice(segment(models, scaled).labels == ET, phantom.ball & phantom.brain) > 0.99


def test_tiny_islands_are_left_out_and_small_ones_kept(models: Path, phantom: Any) -> None:
    data = phantom.images[SequenceRole.T1GD].data.copy()
    data[12:14, 20:22, 20:22] = 300  # 8 voxels of 1 mm: 0.008 mL
    data[12:18, 30:36, 20:26] = 300  # 0.2 mL
    outcome = segment(models, {**phantom.images, SequenceRole.T1GD: Volume(data, phantom.grid)})
    assert not outcome.labels[12:14, 20:22, 20:22].any()
    assert (outcome.labels[12:18, 30:36, 20:26] == ET).mean() > 0.9


def test_a_volume_smaller_than_a_patch_is_segmented(models: Path, phantom: Any) -> None:
    corner = np.eye(4)
    images = {
        r: Volume(v.data[22:36, 26:38, 20:26].copy(), Grid((14, 12, 6), corner)) for r, v in phantom.images.items()
    }
    for volume in images.values():
        volume.data[0], volume.data[-1] = 0, 0
    assert segment(models, images).labels.shape == (14, 12, 6)


def test_progress_rises_to_one(models: Path, phantom: Any) -> None:
    seen: list[Progress] = []
    ModelSegmenter([models]).segment(phantom.images, "", "cpu", seen.append, CancelToken())
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.3, 0.9, 0.96])
def test_a_request_to_stop_is_heard_at_any_stage(models: Path, phantom: Any, moment: float) -> None:
    openvino_library.import_openvino()  # loading its libraries lets no other thread run
    cancel = CancelToken()
    asked: list[float] = []

    def report(progress: Progress) -> None:
        if progress.fraction >= moment and not asked:
            asked.append(time.monotonic())
            cancel.cancel()

    with pytest.raises(Cancelled):
        ModelSegmenter([models]).segment(phantom.images, "", "cpu", report, cancel)
    assert time.monotonic() - asked[0] < 1.0


def test_the_network_is_loaded_once(models: Path, phantom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    original = engine.make_runner

    def counted(*args: Any) -> Any:
        loads.append(args)
        return original(*args)

    monkeypatch.setattr(engine, "make_runner", counted)
    segmenter = ModelSegmenter([models])
    for _ in range(2):
        segmenter.segment(phantom.images, "", "cpu", ignore_progress, CancelToken())
    assert len(loads) == 1


def test_a_model_may_be_named_or_given_as_a_folder(models: Path, phantom: Any) -> None:
    elsewhere = ModelSegmenter([])
    assert segment(models, phantom.images, "enhancing").card.name == "enhancing"
    outcome = elsewhere.segment(phantom.images, str(models / "enhancing"), "cpu", ignore_progress, CancelToken())
    assert outcome.card.name == "enhancing"


def test_an_unknown_model_is_refused_with_those_at_hand(models: Path, phantom: Any) -> None:
    with pytest.raises(UserError, match=r"no model “best”.*“enhancing”"):
        segment(models, phantom.images, "best")


def test_a_folder_that_is_no_model_is_refused(models: Path, tmp_path: Path, phantom: Any) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no model"):
        segment(models, phantom.images, str(tmp_path / "empty"))


def test_no_model_at_all_is_explained(tmp_path: Path, phantom: Any) -> None:
    with pytest.raises(UserError, match="No segmentation model"):
        segment(tmp_path / "none", phantom.images)


def test_a_damaged_model_says_what_is_wrong(models: Path, phantom: Any) -> None:
    (models / "enhancing" / WEIGHTS).write_bytes(b"")
    with pytest.raises(UserError, match="SHA-256"):
        segment(models, phantom.images)
    (models / "enhancing" / CARD).write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        segment(models, phantom.images, "enhancing")
    assert ModelSegmenter([models]).models() == ()


def test_missing_sequences_and_the_model_s_needs_are_named(models: Path, phantom: Any) -> None:
    images = {SequenceRole.T1GD: phantom.images[SequenceRole.T1GD]}
    with pytest.raises(UserError, match="needs T1Gd, T2, FLAIR, but T2, FLAIR are missing"):
        segment(models, images)
    with pytest.raises(UserError, match="FLAIR is missing"):
        ModelSegmenter([models]).check("", {SequenceRole.T1GD, SequenceRole.T2}, GLIOMA_POST_TREATMENT)


def test_a_study_with_other_labels_is_refused_naming_both(models: Path) -> None:
    roles = set(SequenceRole)
    other = LabelScheme("schwannoma", (Label(1, "VS", "Vestibular schwannoma", "#FF0000"),), ())
    with pytest.raises(UserError, match=r"glioma-post-treatment.*schwannoma"):
        ModelSegmenter([models]).check("enhancing", roles, other)
    ModelSegmenter([models]).check("enhancing", roles, GLIOMA_POST_TREATMENT)


def test_a_model_with_fewer_of_the_study_s_labels_is_accepted(
    tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet
) -> None:
    fewer = LabelScheme("pre-operative", GLIOMA_POST_TREATMENT.labels[:3], GLIOMA_POST_TREATMENT.regions[:3])
    save_model(tmp_path / "pre", replace(card, scheme=fewer), network)
    ModelSegmenter([tmp_path]).check("", set(SequenceRole), GLIOMA_POST_TREATMENT)


def test_an_empty_sequence_is_refused_by_name(models: Path, phantom: Any) -> None:
    flat = Volume(np.where(phantom.brain, 50, 0).astype(np.float32), phantom.grid)
    with pytest.raises(UserError, match="FLAIR is the same everywhere"):
        segment(models, {**phantom.images, SequenceRole.FLAIR: flat})


def test_an_empty_sequence_that_may_be_absent_is_left_out_and_told(
    tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet, phantom: Any
) -> None:
    roles = (SequenceRole.T1GD, SequenceRole.FLAIR)
    save_model(tmp_path / "free", replace(card, optional=card.channels, one_of=roles), network)
    images = {
        **phantom.images,
        SequenceRole.T2: Volume(np.where(phantom.brain, 50, 0).astype(np.float32), phantom.grid),
    }
    empty = segment(tmp_path, images)
    del images[SequenceRole.T2]
    assert np.array_equal(empty.labels, segment(tmp_path, images).labels)
    assert "The T2 is the same everywhere in the brain; the model works without." in empty.messages
    images[SequenceRole.T2] = phantom.images[SequenceRole.T2]
    flat = Volume(np.where(phantom.brain, 50, 0).astype(np.float32), phantom.grid)
    with pytest.raises(UserError, match="FLAIR is the same everywhere"):
        segment(tmp_path, images | dict.fromkeys(roles, flat))


def test_empty_images_are_refused(models: Path, phantom: Any) -> None:
    zeros = Volume(np.zeros(phantom.grid.shape, np.float32), phantom.grid)
    with pytest.raises(UserError, match="No brain"):
        segment(models, dict.fromkeys(phantom.images, zeros))


def test_sequences_on_different_grids_are_refused(models: Path, phantom: Any) -> None:
    shifted = np.array(phantom.grid.affine)
    shifted[0, 3] += 5
    moved = Volume(phantom.images[SequenceRole.T2].data, Grid(phantom.grid.shape, shifted))
    with pytest.raises(UserError, match="one grid"):
        segment(models, {**phantom.images, SequenceRole.T2: moved})


def test_an_impossible_voxel_size_is_refused(models: Path, phantom: Any) -> None:
    wrong = Grid(phantom.grid.shape, np.diag([10.0, 10.0, 10.0, 1.0]))
    images = {role: Volume(volume.data, wrong) for role, volume in phantom.images.items()}
    with pytest.raises(UserError, match="voxel size"):
        segment(models, images)


def test_not_a_number_in_an_image_does_no_harm(models: Path, phantom: Any) -> None:
    data = phantom.images[SequenceRole.T1GD].data.copy()
    data[0, 0, :5] = np.nan
    data[20, 20, 20] = np.nan
    outcome = segment(models, {**phantom.images, SequenceRole.T1GD: Volume(data, phantom.grid)})
    assert dice(outcome.labels == ET, phantom.ball & phantom.brain) > 0.99


class TestModes:
    @pytest.mark.parametrize("backend", ["openvino", "torch"])
    def test_every_mode_and_backend_finds_the_ball(self, models: Path, phantom: Any, backend: Any) -> None:
        found = {}
        for mode in engine.MODES:
            options = SegmentationSettings(mode=mode, backend=backend)  # type: ignore[arg-type]
            outcome = ModelSegmenter([models], lambda options=options: options).segment(  # type: ignore[misc]
                phantom.images, "", "cpu", ignore_progress, CancelToken()
            )
            assert outcome.mode == mode
            assert outcome.messages == ()
            assert ("OpenVINO" in outcome.device) == (backend == "openvino")
            assert dice(outcome.labels == ET, phantom.ball & phantom.brain) > 0.98
            found[mode] = outcome.patches
        assert found["one-pass"] == 1
        assert found["patches"] > 1

    def test_the_same_mode_gives_the_same_mask(
        self, tmp_path: Path, phantom: Any, card: ModelCard, network: Any
    ) -> None:
        save_model(tmp_path / "random", replace(card, name="random"), network)
        for mode in engine.MODES:
            options = SegmentationSettings(mode=mode)  # type: ignore[arg-type]
            first, second = (
                ModelSegmenter([tmp_path], lambda: options).segment(  # noqa: B023 - called at once
                    phantom.images, "", "cpu", ignore_progress, CancelToken()
                )
                for _ in range(2)
            )
            assert np.array_equal(first.labels, second.labels)
            assert first.softmax is not None and second.softmax is not None
            assert np.array_equal(first.softmax.values, second.softmax.values)

    def test_the_softmax_covers_the_brain_s_box_in_8_bits(self, models: Path, phantom: Any) -> None:
        outcome = segment(models, phantom.images)
        assert outcome.softmax is not None
        values, box = outcome.softmax.values, outcome.softmax.box
        assert values.dtype == np.uint8
        assert values.shape == (5, *box.shape)
        assert np.abs(values.astype(int).sum(axis=0) - 255).max() <= 5
        inside = phantom.brain[box.slices]
        assert np.array_equal((values.argmax(axis=0) == ET) & inside, outcome.labels[box.slices] == ET)

    def test_flips_average_with_the_mirrored_images(
        self, tmp_path: Path, phantom: Any, card: ModelCard, network: ResidualInceptionUNet
    ) -> None:
        save_model(tmp_path / "random", replace(card, name="random"), network)
        options = SegmentationSettings(flips=True)
        segmenter = ModelSegmenter([tmp_path], lambda: options)
        outcome = segmenter.segment(phantom.images, "", "cpu", ignore_progress, CancelToken())
        mirrored = {
            role: Volume(np.ascontiguousarray(v.data[::-1]), phantom.grid) for role, v in phantom.images.items()
        }
        other = segmenter.segment(mirrored, "", "cpu", ignore_progress, CancelToken())
        assert outcome.patches == 2
        assert outcome.softmax is not None and other.softmax is not None
        difference = outcome.softmax.values.astype(int) - other.softmax.values[:, ::-1]
        assert np.abs(difference).max() <= 2

    def test_an_ensemble_is_the_mean_of_its_models(
        self, models: Path, phantom: Any, card: ModelCard, network: ResidualInceptionUNet
    ) -> None:
        save_model(models / "random", replace(card, name="random"), network)
        both, first, second = (segment(models, phantom.images, m) for m in ("enhancing+random", "enhancing", "random"))
        assert both.softmax is not None and first.softmax is not None and second.softmax is not None
        mean = (first.softmax.values.astype(float) + second.softmax.values) / 2
        assert np.abs(both.softmax.values - mean).max() <= 1.01
        assert both.card.name == "enhancing+random"
        assert both.card.identity not in (first.card.identity, second.card.identity)

    def test_an_ensemble_names_everything_that_computed(self) -> None:
        said = ("CPU, 8 bits", "CPU, float32", "CPU, 8 bits")
        found = _averaged([Prediction(np.ones((2, 1, 1, 1), np.float32), device, 1) for device in said])
        assert (found.device, found.patches) == ("CPU, 8 bits; CPU, float32", 3)

    @pytest.mark.parametrize("name", ["enhancing+", "+enhancing", "enhancing+ +enhancing", "+"])
    def test_an_ensemble_names_all_of_its_models(self, models: Path, name: str) -> None:
        with pytest.raises(UserError, match="there is no model"):
            ModelSegmenter([models]).check(name, set(SequenceRole), GLIOMA_POST_TREATMENT)

    def test_blanks_beside_the_sign_of_an_ensemble_do_not_count(self, models: Path) -> None:
        ModelSegmenter([models]).check("enhancing + enhancing ", set(SequenceRole), GLIOMA_POST_TREATMENT)

    def test_a_model_with_the_sign_in_its_own_name_is_no_ensemble(
        self, models: Path, card: ModelCard, network: ResidualInceptionUNet, phantom: Any
    ) -> None:
        save_model(models / "random+more", replace(card, name="random+more"), network)
        assert segment(models, phantom.images, "random+more").card.name == "random+more"

    def test_models_of_other_sequences_are_not_averaged(
        self, models: Path, phantom: Any, card: ModelCard, network: ResidualInceptionUNet
    ) -> None:
        save_model(models / "turned", replace(card, name="turned", channels=card.channels[::-1]), network)
        with pytest.raises(UserError, match="cannot be averaged"):
            segment(models, phantom.images, "enhancing+turned")

    def test_little_memory_is_made_do_with_and_said(self, models: Path, phantom: Any, monkeypatch: Any) -> None:
        fits = openvino_runner.OpenVinoRunner.fits
        monkeypatch.setattr(
            openvino_runner.OpenVinoRunner,
            "fits",
            lambda self, shape, *rest: shape[0] < 20 and fits(self, shape, *rest),
        )
        outcome = segment(models, phantom.images)
        assert outcome.mode == "patches"
        assert any("does not suffice for one pass" in message for message in outcome.messages)
        assert dice(outcome.labels == ET, phantom.ball & phantom.brain) > 0.98

    def test_a_backend_that_is_not_installed_is_refused_by_name_and_else_done_without(
        self, models: Path, phantom: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(openvino_library, "available", lambda: False)
        assert "torch" in segment(models, phantom.images).device
        options = SegmentationSettings(backend="openvino")
        with pytest.raises(UserError, match="OpenVINO is not installed"):
            ModelSegmenter([models], lambda: options).segment(phantom.images, "", "cpu", ignore_progress, CancelToken())

    def test_a_converted_network_needs_neither_torch_nor_monai(self, models: Path, phantom: Any) -> None:
        segment(models, phantom.images)  # converts
        code = (
            "import sys, numpy as np\n"
            "from pathlib import Path\n"
            "from glioma_annotator.inference.cards import load_card\n"
            "from glioma_annotator.inference.engine import Engine\n"
            "from glioma_annotator.progress import CancelToken, ignore_progress\n"
            f"folder = Path({str(models / 'enhancing')!r})\n"
            "brain = np.ones((8, 8, 8), bool)\n"
            "found = Engine().predict(folder, load_card(folder), np.zeros((3, 8, 8, 8), np.float32), brain, 'auto',"
            " ignore_progress, CancelToken(), features=True)\n"
            "print(found.features.shape, sorted({'torch', 'monai', 'torchio'} & set(sys.modules)))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout.strip() == "(2, 8, 8, 8) []", done.stderr


class TestMissingSequences:
    def test_an_optional_one_may_be_absent_and_is_named(
        self, tmp_path: Path, phantom: Any, card: ModelCard, network: ResidualInceptionUNet
    ) -> None:
        free = replace(card, name="free", optional=card.channels, one_of=(SequenceRole.T1GD, SequenceRole.FLAIR))
        save_model(tmp_path / "free", free, network)
        images = {SequenceRole.T1GD: phantom.images[SequenceRole.T1GD]}
        outcome = segment(tmp_path, images)
        assert any("T2 and FLAIR are absent" in message for message in outcome.messages)
        with pytest.raises(UserError, match="needs T1Gd or FLAIR"):
            segment(tmp_path, {SequenceRole.T2: phantom.images[SequenceRole.T2]})

    def test_three_are_named_as_a_list(self, phantom: Any, card: ModelCard) -> None:
        channels = (*card.channels, SequenceRole.T1)
        free = replace(card, channels=channels, optional=channels, one_of=(SequenceRole.T1GD,))
        images = {SequenceRole.T1GD: phantom.images[SequenceRole.T1GD]}
        messages = prepare(images, free, CancelToken()).messages
        assert any(message.startswith("T2, FLAIR and T1 are absent") for message in messages)


class TestBrainModels:
    def test_they_are_not_offered_for_tumours_and_refused_by_name(
        self, models: Path, phantom: Any, card: ModelCard
    ) -> None:
        brain = LabelScheme("brain", (Label(1, "brain", "Brain", "#FFFFFF"),), ())
        changed = replace(
            card, name="brain", task=BRAIN, scheme=brain, channels=(SequenceRole.OTHER,), normalisation="percentiles"
        )
        save_model(models / "brain", changed, build_network("residual-inception-unet", card.parameters, 1, 2))
        assert [c.name for c in ModelSegmenter([models]).models()] == ["enhancing"]
        assert [c.name for c in find_cards([models], BRAIN)] == ["brain"]
        assert find_cards([models], BRAIN)[0] == load_card(models / "brain")
        with pytest.raises(UserError, match="finds the brain, not tumours"):
            segment(models, phantom.images, "brain")


def test_before_surgery_a_cavity_becomes_the_next_most_probable_label(
    models: Path, phantom: Any, card: ModelCard
) -> None:
    network = enhancing_network()
    with torch.no_grad():  # RC where the plain model finds ET, NETC a little less probable
        network.head.weight[4], network.head.weight[1] = network.head.weight[3], 0.9 * network.head.weight[3]
        network.head.weight[3] = 0
        network.head.bias[4], network.head.bias[1], network.head.bias[3] = -20.0, -18.0, -50.0  # type: ignore[index]
    save_model(models / "cavities", replace(card, name="cavities"), network)

    def found(operated: bool) -> SegmentationOutcome:
        segmenter = ModelSegmenter([models])
        return segmenter.segment(phantom.images, "cavities", "cpu", ignore_progress, CancelToken(), operated=operated)

    after, before = found(True), found(False)
    assert set(np.unique(after.labels)) == {0, 4} and after.messages == ()
    assert np.array_equal(before.labels == 1, after.labels == 4) and not (before.labels == 4).any()
    assert before.softmax is not None and not before.softmax.values[4].any()
    volume_ml = np.count_nonzero(after.labels) * phantom.grid.voxel_volume_ml
    assert before.messages == (
        f"Before surgery there is no RC: {volume_ml:.1f} mL of it became the next most probable label.",
    )


class TestMemory:
    GPU = ComputeDevice(torch.device("cpu"), "Test GPU (CUDA)", mixed=False, gpu=True)

    @pytest.fixture
    def full_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A GPU (played by the CPU) whose memory never suffices."""
        run = torch_runner.TorchRunner.run

        def full(runner: Any, *args: Any) -> Any:
            if runner.gpu:
                raise OutOfMemory
            return run(runner, *args)

        monkeypatch.setattr(engine, "gpu_present", lambda: True)
        monkeypatch.setattr(devices, "choose_device", lambda _choice: self.GPU)
        monkeypatch.setattr(torch_runner.TorchRunner, "run", full)

    def test_the_cpu_takes_over_when_the_gpu_s_memory_does_not_suffice(
        self, models: Path, phantom: Any, full_gpu: None
    ) -> None:
        outcome = segment(models, phantom.images, device="auto")
        assert outcome.device.startswith("CPU")
        assert outcome.messages == ("The memory of the Test GPU (CUDA) did not suffice; the CPU was used.",)

    def test_a_gpu_asked_for_by_name_is_not_exchanged(self, models: Path, phantom: Any, full_gpu: None) -> None:
        with pytest.raises(EnvironmentFailure, match="Test GPU"):
            segment(models, phantom.images, device="cuda")

    @pytest.mark.parametrize(
        "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")]
    )
    def test_exhausted_main_memory_is_explained(
        self, models: Path, phantom: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fails(*args: Any) -> Any:
            raise error

        monkeypatch.setattr(ResidualInceptionUNet, "features", fails)
        monkeypatch.setattr(openvino_runner.OpenVinoRunner, "_run_in_slabs", fails)
        for backend in ("openvino", "torch"):
            options = SegmentationSettings(backend=backend)  # type: ignore[arg-type]
            with pytest.raises(EnvironmentFailure, match="memory does not suffice"):
                ModelSegmenter([models], lambda options=options: options).segment(  # type: ignore[misc]
                    phantom.images, "", "cpu", ignore_progress, CancelToken()
                )

    @pytest.mark.parametrize("error", [MemoryError(), RuntimeError("Exception from plugin.cpp:54:\ncan't alloc")])
    def test_memory_that_does_not_suffice_to_load_is_explained(
        self, models: Path, phantom: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fails(*args: Any) -> Any:
            raise error

        monkeypatch.setattr(openvino_runner.OpenVinoRunner, "_take", fails)
        with pytest.raises(EnvironmentFailure, match="does not suffice to load the model"):
            segment(models, phantom.images)

    @pytest.mark.parametrize("where", ["prepare", "eight_bits_and_labels", "post_processed"])
    def test_exhausted_memory_is_explained_wherever_it_is_needed(
        self, models: Path, phantom: Any, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        def fails(*args: Any, **options: Any) -> Any:
            raise MemoryError

        monkeypatch.setattr(segmenter, where, fails)
        with pytest.raises(EnvironmentFailure, match="memory does not suffice to segment"):
            segment(models, phantom.images)

    def test_patches_follow_where_there_is_no_memory_for_the_padded_images(
        self, models: Path, phantom: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*args: Any) -> Any:
            raise MemoryError

        monkeypatch.setattr(covering, "padded_to_multiple", fails)
        outcome = segment(models, phantom.images)
        assert outcome.mode == "patches"
        assert len(outcome.messages) == 2


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_model_whose_answer_is_no_number_is_refused(
    tmp_path: Path, card: ModelCard, phantom: Any, backend: Any
) -> None:
    network = build_network(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    with torch.no_grad():
        for values in network.parameters():
            if values.ndim == 5:
                values.mul_(1e30)
    save_model(tmp_path / "huge", replace(card, name="huge"), network, half=False)
    options = SegmentationSettings(backend=backend)
    with pytest.raises(UserError, match="answers with what is no number"):
        ModelSegmenter([tmp_path], lambda: options).segment(
            phantom.images, "huge", "cpu", ignore_progress, CancelToken()
        )

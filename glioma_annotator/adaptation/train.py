"""From a configuration to models: one training, one per fold of a cross-validation, or the members of an ensemble."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.config import TrainingConfig
from glioma_annotator.adaptation.first_weights import check_model, first_network
from glioma_annotator.adaptation.run_folder import (
    CONFIG,
    MODEL,
    PREPARED,
    check_cases,
    check_run,
    open_run,
    write_provenance,
)
from glioma_annotator.adaptation.sample_streams import (
    CaseSamples,
    DroppedChannels,
    MixedSamples,
    Samples,
    SyntheticSamples,
)
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds, load_label_maps, load_shapes
from glioma_annotator.adaptation.synthesis.samples import CHANNELS, SampleShares, SampleSource
from glioma_annotator.adaptation.synthesis.tumour import TumourKind
from glioma_annotator.adaptation.training import Trainer, TrainingOutcome
from glioma_annotator.adaptation.training_cases import TrainingCase, fingerprints, prepare_cases
from glioma_annotator.adaptation.validation import CaseDice, CaseValidation, SampleValidation, Validation
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.heap import kept_memory
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.imaging.case_files import CaseFiles, find_cases
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN, load_card, save_model
from glioma_annotator.progress import CancelToken, Progress, Report, part

SUMMARY = "cross_validation.json"
SCHEME = GLIOMA_POST_TREATMENT
#: Synthetic samples for validation come from a stream that no training reaches.
_VALIDATION_SEED = 7919
_SPLIT_SEED = 5
_PREPARING = 0.05  # share of the whole that preparing real cases is taken for


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a configuration came to.

    Attributes
    ----------
    models: folders of the models made; several are an ensemble.
    scores: of every model's validation; of a cross-validation, every case once, by the model that never saw it.
    summary: per region the mean and median Dice over the cases that have it.
    """

    models: tuple[Path, ...]
    scores: tuple[CaseDice, ...]
    summary: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class _Training:
    """One of the trainings that a configuration asks for: its settings and folder, and the names of its cases."""

    config: TrainingConfig
    folder: Path
    learn: tuple[str, ...]
    score: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Data:
    """What one training learns from and is scored on."""

    source: SampleSource | None
    learn: Sequence[TrainingCase]
    score: Sequence[TrainingCase]


@kept_memory()
def train(config: TrainingConfig, folder: Path, resume: bool, report: Report, cancel: CancelToken) -> TrainingResult:
    """Train what a configuration asks for in a run folder.

    The folder receives `config.json`, `provenance.json`, the checkpoint, log and pictures, and `model/`; with folds or
    members one such folder each (`fold-1`, `member-1`, ...), and for folds `cross_validation.json`.
    With `resume` nothing is written before it is certain that every training goes on with the cases it began with.
    Raises `UserError` (configuration, data), `EnvironmentFailure` (disk, memory) and `Cancelled` after a checkpoint.
    """
    torch.set_num_threads(config.run.threads)
    device = _device(config)
    card = _card(config)
    check_model(config, card, SCHEME)
    if resume and not (folder / CONFIG).exists():
        raise UserError(
            f"There is no training in “{folder}” to go on with.", "Correct --run, or begin one without --resume."
        )
    check_run(folder, config, resume)
    files = _chosen(find_cases(config.data.cases), config.data.exclude) if config.data.cases else ()
    judges = find_cases(config.data.validation) if config.data.validation else ()
    _check_counts(config, files)
    both = _united(files, judges)
    trainings = _trainings(config, folder, [case.name for case in files], tuple(case.name for case in judges))
    if resume:
        sums = fingerprints(both, folder / PREPARED, cancel)
        for one in trainings:
            check_cases(one.folder, {name: sums[name] for name in one.learn}, {name: sums[name] for name in one.score})
    preparing = part(report, 0, _PREPARING)
    prepared = prepare_cases(both, card, config.data.labels, folder / PREPARED, preparing, cancel)
    by_name = {case.name: case for case in prepared}
    source = _source(config) if config.data.synthetic else None
    open_run(folder, config, resume)  # not before: what is wrong with the data may be put right in the configuration

    scores: list[CaseDice] = []
    rest = part(report, _PREPARING if both else 0.0, 1.0)
    for number, one in enumerate(trainings):
        share = part(rest, number / len(trainings), (number + 1) / len(trainings))
        if one.folder != folder:
            open_run(one.folder, one.config, resume)
        data = _Data(source, [by_name[name] for name in one.learn], [by_name[name] for name in one.score])
        scores += _train_one(one.config, one.folder, card, data, device, resume, share, cancel)
    summary = summarise(scores)
    if config.repeat.folds:
        rows = [dataclasses.asdict(score) for score in scores]
        with atomic_write(folder / SUMMARY) as file:
            file.write(json.dumps({"summary": summary, "cases": rows}, indent=2).encode() + b"\n")
    report(Progress(1.0, "Done", 0.0))
    return TrainingResult(tuple(one.folder / MODEL for one in trainings), tuple(scores), summary)


def summarise(scores: Iterable[CaseDice]) -> dict[str, dict[str, float]]:
    """Mean and median Dice per region over the cases that have it, and their number."""
    by_region: dict[str, list[float]] = {}
    for score in scores:
        if score.present:
            by_region.setdefault(score.region, []).append(score.dice)
    return {
        region: {"mean": round(mean(values), 4), "median": round(median(values), 4), "cases": len(values)}
        for region, values in by_region.items()
    }


def _trainings(config: TrainingConfig, folder: Path, learn: Sequence[str], score: tuple[str, ...]) -> list[_Training]:
    """Every training that a configuration asks for, from the names of the cases to learn from and to score."""
    repeat, seed = config.repeat, config.run.seed
    order = np.random.default_rng([seed, _SPLIT_SEED]).permutation(len(learn))
    shuffled = [learn[int(n)] for n in order]

    def without(held: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in learn if name not in held)

    if repeat.folds:
        folds = [tuple(shuffled[fold :: repeat.folds]) for fold in range(repeat.folds)]
        return [_Training(config, folder / f"fold-{n}", without(held), held) for n, held in enumerate(folds, start=1)]
    if config.data.validation_share:
        score = tuple(shuffled[: _held_out(config, len(shuffled))])
    kept = without(score)
    if not repeat.members:
        return [_Training(config, folder, kept, score)]
    runs = [dataclasses.replace(config.run, seed=seed + n) for n in range(repeat.members)]
    return [
        _Training(dataclasses.replace(config, run=run), folder / f"member-{n}", kept, score)
        for n, run in enumerate(runs, start=1)
    ]


def _held_out(config: TrainingConfig, count: int) -> int:
    """How many of so many cases `data.validation_share` keeps for scoring."""
    return max(round(config.data.validation_share * count), 1)


def _train_one(
    config: TrainingConfig,
    folder: Path,
    card: ModelCard,
    data: _Data,
    device: ComputeDevice,
    resume: bool,
    report: Report,
    cancel: CancelToken,
) -> tuple[CaseDice, ...]:
    about_data = {
        "cases": {case.name: case.sha256 for case in data.learn},
        "validation": {case.name: case.sha256 for case in data.score},
        "backgrounds": [b.name for b in data.source.real] if data.source else [],
        "label_maps": len(data.source.label_maps) if data.source else 0,
        "real_mask_shapes": len(data.source.shapes) if data.source else 0,
    }
    record = write_provenance(folder, device.name, about_data)
    network = first_network(config, SCHEME)
    trainer = Trainer(
        network, _samples(config, data, network.multiple), folder, config, device, _validation(config, data)
    )
    if resume:
        trainer.resume()
    outcome = trainer.train(report, cancel)
    patch = max(stage.patch for stage in config.all_stages())
    card = dataclasses.replace(
        card,
        patch=(patch, patch, patch),
        training=_history(config, outcome, record),
        scores={"validation": _by_case(outcome.scores)} if data.score else {},
    )
    save_model(folder / MODEL, card, trainer.averaged)
    return outcome.scores


def _samples(config: TrainingConfig, data: _Data, multiple: int) -> Samples:
    settings, seed = config.data, config.run.seed
    synthetic = _synthetic(config, data.source, seed) if data.source else None
    if not data.learn:
        assert synthetic is not None  # the configuration names one kind of data at least
        return synthetic
    real: Samples = CaseSamples(data.learn, config.patches, seed, _augment(config), config.augmentation.flip, multiple)
    if settings.optional and settings.channel_dropout:
        optional = tuple(settings.channels.index(role) for role in settings.optional)
        one_of = tuple(settings.channels.index(role) for role in settings.one_of)
        real = DroppedChannels(real, optional, one_of, settings.channel_dropout, seed)
    return MixedSamples(real, synthetic, settings.real_share, seed) if synthetic else real


def _synthetic(config: TrainingConfig, source: SampleSource, seed: int) -> SyntheticSamples:
    return SyntheticSamples(source, seed, [CHANNELS.index(role.value) for role in config.data.channels])


def _validation(config: TrainingConfig, data: _Data) -> Validation | None:
    patch = max(stage.patch for stage in config.all_stages())
    if data.score:
        return CaseValidation(data.score, SCHEME, patch)
    if data.source and config.run.validation_samples:
        unseen = _synthetic(config, data.source, config.run.seed + _VALIDATION_SEED)
        return SampleValidation(unseen, config.run.validation_samples, SCHEME, patch)
    return None


def _source(config: TrainingConfig) -> SampleSource:
    data = Path(config.data.synthetic)
    real, maps, shapes = load_backgrounds(data), load_label_maps(data), load_shapes(data)
    shares = SampleShares()
    optional = {role.value for role in config.data.optional}
    missing = [share if name in optional else 0.0 for name, share in zip(CHANNELS, shares.missing, strict=True)]
    shares = dataclasses.replace(shares, missing=(missing[0], missing[1], missing[2], missing[3]))
    if config.data.kinds:
        whole = sum(config.data.kinds.values())
        kinds = {TumourKind(name): share / whole for name, share in config.data.kinds.items()}
        shares = dataclasses.replace(shares, kinds=kinds)
    return SampleSource(real, maps, shapes, shares, _augment(config))


def _augment(config: TrainingConfig) -> TorchIOAugmentation | None:
    wanted = config.augmentation
    return TorchIOAugmentation(wanted.bias_field, wanted.noise) if wanted.bias_field or wanted.noise else None


def _device(config: TrainingConfig) -> ComputeDevice:
    device, wanted = choose_device(config.run.device), config.run.precision
    if wanted == "auto":
        return device
    place = device.name.rpartition(",")[0]
    return dataclasses.replace(device, name=f"{place}, {wanted}", mixed=wanted == "bfloat16")


def _card(config: TrainingConfig) -> ModelCard:
    """The card as far as it is known before the training."""
    data = config.data
    return ModelCard(
        name=config.name,
        title=config.card.title or config.name,
        architecture=config.network.architecture,
        parameters=config.network.parameters,
        channels=data.channels,
        scheme=SCHEME,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
        limits=config.card.limits,
        optional=data.optional,
        one_of=data.one_of,
    )


def _history(config: TrainingConfig, outcome: TrainingOutcome, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the card tells about the training."""
    kinds = {"synthetic tumours": config.data.synthetic, "real cases": record["data"]["cases"]}
    history: dict[str, Any] = {
        "kind": config.card.kind or " and ".join(kind for kind, learnt in kinds.items() if learnt),
        "sources": dict(config.card.sources),
        **{name: value for name, value in record["data"].items() if value},
        "output": config.output.value,
        "seed": config.run.seed,
        "steps": outcome.steps,
        "patches": outcome.samples,
        "stages": [dataclasses.asdict(stage) for stage in config.all_stages()],
        "minutes": round(outcome.seconds / 60, 1),
        "processor_minutes": round(outcome.processor_seconds / 60, 1),
        "hardware": f"{record['device']}, {config.run.threads} thread(s), {record['system']}",
        "final_loss": round(outcome.loss, 4),
        "versions": record["versions"],
        "program_sha256": record["program_sha256"],
    }
    for how in ("model", "widen"):
        place = getattr(config.network.init, how)
        if place:
            history["begun_with"] = f"{load_card(Path(place)).identity}{', widened' if how == 'widen' else ''}"
    return history


def _by_case(scores: Iterable[CaseDice]) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    for score in scores:
        result.setdefault(score.case, {})[score.region] = round(score.dice, 3)
    return result


def _chosen(cases: Sequence[CaseFiles], exclude: Sequence[str]) -> tuple[CaseFiles, ...]:
    unknown = sorted(set(exclude) - {case.name for case in cases})
    if unknown:
        raise UserError(
            f"data.exclude names cases that are not there: {', '.join(unknown)}.", "Correct the configuration."
        )
    return tuple(case for case in cases if case.name not in exclude)


def _united(learn: Sequence[CaseFiles], score: Sequence[CaseFiles]) -> tuple[CaseFiles, ...]:
    both = sorted({case.name for case in learn} & {case.name for case in score})
    if both:
        raise UserError(
            f"The cases {', '.join(both)} would be trained on and scored.",
            "Name them in data.exclude, or score others.",
        )
    return (*learn, *score)


def _check_counts(config: TrainingConfig, files: Sequence[CaseFiles]) -> None:
    if config.repeat.folds > len(files):
        raise UserError(
            f"There are {len(files)} cases for {config.repeat.folds} folds.", "Choose fewer folds, or add cases."
        )
    if config.data.cases and not files:
        raise UserError("No case is left to train on.", "Take names out of data.exclude.")
    none_left = _held_out(config, len(files)) >= len(files)
    if config.data.validation_share and none_left and not config.data.synthetic:
        raise UserError("No case is left to train on.", "Lower data.validation_share, or add cases.")

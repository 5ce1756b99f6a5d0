"""Reading a training's configuration, with errors that name the entry and what would be right."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from glioma_annotator.adaptation.config import Output, ScheduleKind, Strategy, TrainingConfig
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.inference.networks import ARCHITECTURES, RESIDUAL_INCEPTION_UNET

#: What float32, in which losses and weights are kept, cannot hold.
_INFINITE = 3e38
#: No whole number that a training can do anything with is as large; TOML's own end there, too.
_LARGEST = 2**63
_MOST_WORKERS = 256
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def read_config(path: Path) -> TrainingConfig:
    """The configuration in a TOML file, its paths made absolute.

    Raises `UserError`, naming the entry, for a file that cannot be read, entries that are unknown or of the wrong kind,
    and values that make no sense, alone or together.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(
            f"The configuration “{path}” cannot be read: {error.strerror}.", "Give a TOML file with --config."
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, no TOML, endless digits, endless brackets
        raise UserError(f"The configuration “{path.name}” is not valid TOML: {error}.", "Correct the file.") from error
    try:
        config: TrainingConfig = _table(TrainingConfig, data, "")
    except RecursionError as error:
        raise UserError(f"The configuration “{path.name}” is nested too deeply.", "Correct the file.") from error
    except ValueError as error:
        raise UserError(f"The configuration “{path.name}” is wrong: {error}.", "Correct the file.") from error
    config = _located(config, path.parent.resolve())
    check_config(config, path.name)
    return config


def check_config(config: TrainingConfig, name: str = "") -> None:
    """Raise `UserError` naming the first thing in a configuration that makes no sense."""
    problem = _problem(config)
    if problem:
        which = f"The configuration “{name}”" if name else "The configuration"
        raise UserError(f"{which} is wrong: {problem}.", "Correct it; docs/training.md explains every entry.")


def _problem(config: TrainingConfig) -> str:
    data, run, opt, loss, patches = config.data, config.run, config.optimiser, config.loss, config.patches
    init, repeat, stages = config.network.init, config.repeat, config.all_stages()
    made = _synthetic_channels() if data.synthetic else []
    kinds = _synthetic_kinds() if data.kinds else []
    strange = [kind for kind in data.kinds if kind not in kinds]
    numbers = [share for share in data.kinds.values() if isinstance(share, int | float) and share is not True]
    shares = {
        "data.validation_share": data.validation_share,
        "data.real_share": data.real_share,
        "data.channel_dropout": data.channel_dropout,
        "run.start_share": run.start_share,
        "augmentation.bias_field": config.augmentation.bias_field,
        "augmentation.noise": config.augmentation.noise,
        "augmentation.flip": config.augmentation.flip,
        **{f"stages[{n}].until": stage.until for n, stage in enumerate(stages)},
    }
    counts = {
        "run.steps": run.steps,
        "run.minutes": run.minutes,
        "run.workers": run.workers,
        "run.validate_every": run.validate_every,
        "run.validation_samples": run.validation_samples,
        "optimiser.warm_up": opt.warm_up,
        "optimiser.weight_decay": opt.weight_decay,
        "optimiser.clip_norm": opt.clip_norm,
        "optimiser.final_learning_rate": opt.final_learning_rate,
        "network.init.noise": init.noise,
        "loss.smooth": loss.smooth,
        "loss.skip_below": loss.skip_below,
        "repeat.folds": repeat.folds,
        "repeat.members": repeat.members,
    }
    at_least_one = {
        "run.threads": run.threads,
        "run.checkpoint_every": run.checkpoint_every,
        "optimiser.patience": opt.patience,
        "optimiser.epoch": opt.epoch,
        "patches.volumes": patches.volumes,
        "patches.per_volume": patches.per_volume,
        **{f"stages[{n}].batch": stage.batch for n, stage in enumerate(stages)},
    }
    classes = len(GLIOMA_POST_TREATMENT.labels) + 1
    whole_in_batches = patches.strategy is Strategy.WHOLE and any(stage.batch > 1 for stage in stages)
    checks = {
        "“name” is empty or holds a path separator": (
            not config.name.strip(" .") or "/" in config.name or "\\" in config.name
        ),
        f"network.architecture “{config.network.architecture}” is not one of {', '.join(ARCHITECTURES)}": (
            config.network.architecture not in ARCHITECTURES
        ),
        "network.init names both a model to go on from and one to widen": bool(init.model and init.widen),
        "network.init.widen needs the residual-inception-unet": (
            bool(init.widen) and config.network.architecture != RESIDUAL_INCEPTION_UNET
        ),
        "there are no data: give data.synthetic, data.cases or both": not data.synthetic and not data.cases,
        "data.channels names no channel": not data.channels,
        "data.channels names a channel twice": len(set(data.channels)) != len(data.channels),
        "data.optional or data.one_of names a channel that data.channels does not": bool(
            {*data.optional, *data.one_of} - {*data.channels}
        ),
        "data.one_of names a channel that is not optional": bool({*data.one_of} - {*data.optional}),
        "all channels are optional, but data.one_of is empty": (
            set(data.optional) == set(data.channels) and not data.one_of
        ),
        f"the synthetic generator makes {', '.join(made)}, and data.channels asks for others": (
            bool(made) and not {role.value for role in data.channels} <= set(made)
        ),
        f"data.kinds names “{'”, “'.join(strange)}”; known are {', '.join(kinds)}": bool(strange),
        "data.kinds needs shares of 0 or more, one of them above 0": bool(data.kinds)
        and (len(numbers) < len(data.kinds) or min(numbers) < 0 or not sum(numbers)),
        "data.kinds is for the synthetic generator: give data.synthetic": bool(data.kinds) and not data.synthetic,
        "data.validation and data.validation_share exclude each other": bool(data.validation and data.validation_share),
        "data.validation_share takes all cases": data.validation_share == 1,
        "run.minutes and run.steps are both 0: the training would never end": not run.minutes and not run.steps,
        f"run.device “{run.device}” is not auto, cpu or cuda": run.device not in ("auto", "cpu", "cuda"),
        f"run.precision “{run.precision}” is not auto, bfloat16 or float32": (
            run.precision not in ("auto", "bfloat16", "float32")
        ),
        "run.seed is not between 0 and 2^63 - 1": not 0 <= run.seed < 2**63,
        "run.ema is not between 0 and 1": not 0 <= run.ema < 1,
        f"run.threads or run.workers is above {_MOST_WORKERS}": max(run.threads, run.workers) > _MOST_WORKERS,
        "network.background_bias is infinite": not abs(config.network.background_bias) < _INFINITE,
        "optimiser.learning_rate is not above 0": not 0 < opt.learning_rate < _INFINITE,
        "optimiser.factor is not between 0 and 1": not 0 < opt.factor < 1,
        f"loss.class_weights needs {classes} numbers above 0 (background, NETC, SNFH, ET, RC), or none": (
            len(loss.class_weights) not in (0, classes)
            or not all(0 < weight < _INFINITE for weight in loss.class_weights)
        ),
        "loss.class_weights are for multi-class training": (
            bool(loss.class_weights) and config.output is Output.MULTI_LABEL
        ),
        "optimiser.warm_up is for the cosine schedule": (opt.warm_up > 0 and opt.schedule is not ScheduleKind.COSINE),
        "stages must end one after the other, the last at 1": (
            [s.until for s in stages] != sorted({s.until for s in stages}) or stages[-1].until != 1
        ),
        "a patch must be a multiple of 8 voxels, 16 at least": any(s.patch < 16 or s.patch % 8 for s in stages),
        "whole brains differ in size: take them one at a time (volumes and per_volume 1, batch 1)": whole_in_batches,
        "whole brains cannot be mixed with synthetic patches": (
            patches.strategy is Strategy.WHOLE and bool(data.synthetic)
        ),
        "repeat.folds needs at least 2 folds, and cases": repeat.folds == 1 or (repeat.folds > 1 and not data.cases),
        "repeat.folds and repeat.members exclude each other": bool(repeat.folds and repeat.members),
        "with repeat.folds each fold is the validation: leave data.validation and data.validation_share out": (
            bool(repeat.folds) and bool(data.validation or data.validation_share)
        ),
        **{f"{entry} is not between 0 and 1": not 0 <= value <= 1 for entry, value in shares.items()},
        **{f"{entry} is negative or infinite": not 0 <= value < _INFINITE for entry, value in counts.items()},
        **{f"{entry} is below 1": value < 1 for entry, value in at_least_one.items()},
    }
    return next((problem for problem, present in checks.items() if present), "")


def _synthetic_channels() -> list[str]:
    from glioma_annotator.adaptation.synthesis.samples import CHANNELS  # only where it is asked for: half a second

    return list(CHANNELS)


def _synthetic_kinds() -> list[str]:
    from glioma_annotator.adaptation.synthesis.tumour import TumourKind

    return [kind.value for kind in TumourKind]


def _located(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """Paths counted from `folder`; `~` is the home folder, as far as it is known."""

    def located(place: str) -> str:
        return str(folder / os.path.expanduser(place)) if place else place  # noqa: PTH111 - Path's raises

    data, init = config.data, config.network.init
    data = dataclasses.replace(
        data,
        synthetic=located(data.synthetic),
        cases=tuple(map(located, data.cases)),
        validation=tuple(map(located, data.validation)),
    )
    init = dataclasses.replace(init, model=located(init.model), widen=located(init.widen))
    return dataclasses.replace(config, data=data, network=dataclasses.replace(config.network, init=init))


def _table(kind: type[Any], data: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a TOML table. Raises ValueError, naming the entry."""
    if not isinstance(data, Mapping):
        raise ValueError(f"“{where}” must be a table")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for entry in data:
        if entry not in fields:
            near = difflib.get_close_matches(entry, fields, 1)
            meant = f"; did you mean “{near[0]}”?" if near else f"; known are {', '.join(fields)}"
            raise ValueError(f"“{_joined(where, entry)}” is unknown{meant}")
    missing = [n for n, f in fields.items() if n not in data and _required(f)]
    if missing:
        raise ValueError(f"“{_joined(where, missing[0])}” is missing")
    return kind(**{entry: _value(hints[entry], value, _joined(where, entry)) for entry, value in data.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"“{where}” must be a list")
        return tuple(_value(typing.get_args(kind)[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return _table(typing.cast(type, kind), value, where)
    if typing.get_origin(kind) is not None and not isinstance(kind, types.UnionType):  # Mapping: passed on as it is
        if not isinstance(value, dict):
            raise ValueError(f"“{where}” must be a table")
        return _plain(value, where)
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise ValueError(f"“{where}” must be one of {', '.join(kind)}")
        return kind(value)
    right = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not right:
        raise ValueError(f"“{where}” must be {_KINDS[kind]}")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise ValueError(f"“{where}” is larger than any that makes sense")
    return float(value) if kind is float else value


def _plain(value: Any, where: str) -> Any:
    """What a card can hold: dates and times become text. Raises ValueError for what is no number."""
    if isinstance(value, dict):
        return {name: _plain(item, _joined(where, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{where}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not abs(value) < _INFINITE:
        raise ValueError(f"“{where}” is no number, or infinite")
    return value


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _joined(where: str, entry: str) -> str:
    return f"{where}.{entry}" if where else entry

"""MONAI bundles turned into model folders: weights of a known network, never unpickled, nothing in them executed.

A bundle's network often answers regions (TC, WT, ET), each by its own sigmoid. Regions are nested, so the same answer
is a softmax over tissues whose logits are sums of the regions' logits: background 0, SNFH = WT, NETC = WT + TC,
ET = WT + TC + ET. That is linear and becomes part of the head.
"""

from __future__ import annotations

import json
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference.card_bounds import MOST_CARD_BYTES, MOST_WEIGHTS_BYTES
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN, save_model
from glioma_annotator.inference.networks import DYNUNET, SEGRESNET, build_network
from glioma_annotator.inference.torchscript import read_weights

_ROLES = {"t1": SequenceRole.T1, "t1c": SequenceRole.T1GD, "t1ce": SequenceRole.T1GD, "t1gd": SequenceRole.T1GD,
          "t2": SequenceRole.T2, "flair": SequenceRole.FLAIR, "t2f": SequenceRole.FLAIR, "t1n": SequenceRole.T1,
          "t2w": SequenceRole.T2}  # fmt: skip
_REGIONS = {"tc": "TC", "tumorcore": "TC", "tumourcore": "TC", "wt": "WT", "wholetumor": "WT", "wholetumour": "WT",
            "et": "ET", "enhancingtumor": "ET", "enhancingtumour": "ET"}  # fmt: skip
_TISSUES = {"background": 0, "ncr": 1, "netc": 1, "necrosis": 1, "necrotic": 1, "edema": 2, "oedema": 2, "ed": 2,
            "snfh": 2, "et": 3, "enhancingtumor": 3, "enhancing": 3, "rc": 4, "resectioncavity": 4}  # fmt: skip
_MOST_TITLE = 100  # letters
#: Logit of a tissue that the bundle does not know, relative to background.
_NEVER = -20.0
#: What reading weights that are cut short or made up comes to, in torch and in the unpickler; torch says OSError, too.
_MADE_UP = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, AssertionError, MemoryError,
            NotImplementedError, OSError, struct.error, zlib.error, lzma.LZMAError)  # fmt: skip
_ADVICE = (
    "Choose a bundle with weights (models/model.pt or model.ts) of a SegResNet or DynUNet for the sequences used here."
)


def convert_bundle(bundle: Path, folder: Path, name: str) -> ModelCard:
    """Write the bundle in the folder `bundle` as a model folder.

    Raises `UserError` for a bundle that lacks a file, needs a network, sequence or output the program does not know,
    computes its settings, or whose weights do not fit.
    """
    metadata, inference = (_read(bundle / "configs" / f"{file}.json") for file in ("metadata", "inference"))
    data = _within(metadata, "network_data_format")
    channels = _channels(_within(data, "inputs", "image", "channel_def"))
    outputs = _names(_within(data, "outputs", "pred", "channel_def"))
    architecture, parameters = _network(inference.get("network_def", inference.get("network", {})))
    tensors = _weights(bundle / "models")
    body, weight, bias = _split(architecture, tensors)
    mixed = _mixing(outputs)
    if mixed.shape[1] != len(weight):
        raise UserError(f"The bundle names {mixed.shape[1]} outputs, its weights have {len(weight)}.", _ADVICE)
    offset = torch.zeros(len(mixed))
    offset[~_known(outputs)] = _NEVER
    network = build_network(architecture, parameters, len(channels), len(mixed))
    state = {**body, "head.weight": (mixed @ weight.flatten(1)).view(len(mixed), -1, 1, 1, 1)}
    state["head.bias"] = mixed @ bias + offset
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError("The bundle's weights do not fit the network that it describes.", _ADVICE) from error
    card = ModelCard(
        name=name,
        title=_one_line(metadata.get("name")) or name,
        architecture=architecture,
        parameters=parameters,
        channels=channels,
        scheme=GLIOMA_POST_TREATMENT,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
        training={"kind": "MONAI bundle", "version": str(metadata.get("version", "")),
                  "description": str(metadata.get("description", "")), "outputs": list(outputs)},
        limits=("Imported from a MONAI bundle: not measured here.",),
    )  # fmt: skip
    return save_model(folder, card, network.eval(), half=False)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > MOST_CARD_BYTES:
            raise UserError(f"The bundle's {file.name} is too large to be one.", _ADVICE)
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"The bundle has no configs/{file.name}.", _ADVICE) from error
    except OSError as error:
        raise EnvironmentFailure(f"{file.name} cannot be read ({error.strerror}).", "Check the folder.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"The bundle's {file.name} is no JSON.", _ADVICE) from error
    if not isinstance(data, dict):
        raise UserError(f"The bundle's {file.name} is no table.", _ADVICE)
    return data


def _within(table: Any, *names: str) -> Mapping[str, Any]:
    """A table within tables; an empty one where there is none."""
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _one_line(text: Any) -> str:
    """A title that fits into a table: in one line, of what can be read."""
    words = " ".join(str(text or "").split())
    return "".join(letter for letter in words if letter.isprintable())[:_MOST_TITLE]


def _names(channel_def: Mapping[str, Any]) -> tuple[str, ...]:
    """Names by channel number, in letters only and lower case."""
    try:
        ordered = sorted(channel_def.items(), key=lambda item: int(item[0]))
    except (ValueError, AttributeError) as error:
        raise UserError("The bundle does not say what its channels are.", _ADVICE) from error
    return tuple("".join(c for c in str(name).lower() if c.isalnum()) for _, name in ordered)


def _channels(channel_def: Mapping[str, Any]) -> tuple[SequenceRole, ...]:
    names = _names(channel_def)
    unknown = [name for name in names if name not in _ROLES]
    if unknown or not names:
        raise UserError(f"The bundle needs sequences unknown here: {', '.join(unknown) or 'it names none'}.", _ADVICE)
    roles = tuple(_ROLES[name] for name in names)
    if len(set(roles)) < len(roles):
        raise UserError("The bundle names a sequence twice.", _ADVICE)
    return roles


def _network(definition: Any) -> tuple[str, dict[str, Any]]:
    """The program's name for the network and its parameters."""
    if not isinstance(definition, dict):
        raise UserError("The bundle does not describe its network.", _ADVICE)
    computed = [v for v in definition.values() if isinstance(v, str) and v[:1] in ("$", "@", "%")]
    if computed:
        raise UserError(f"The bundle computes its settings (“{computed[0]}”); nothing in it is executed.", _ADVICE)
    target = str(definition.get("_target_", "")).rpartition(".")[2]
    if target == "SegResNet" and definition.get("upsample_mode", "nontrainable") == "nontrainable":
        norm = definition.get("norm", ["GROUP", {"num_groups": 8}])
        as_here = norm == ["GROUP", {"num_groups": 8}] and _named(definition.get("act", "RELU"), "relu", {"inplace"})
        if as_here and definition.get("spatial_dims", 3) == 3:
            keys = ("init_filters", "blocks_down", "blocks_up")
            return SEGRESNET, {"init_filters": 8} | {key: definition[key] for key in keys if key in definition}
    if target == "DynUNet" and definition.get("spatial_dims") == 3 and "filters" in definition:
        filters, kernels, strides = (_list(definition.get(key)) for key in ("filters", "kernel_size", "strides"))
        plain = all(k in (3, [3, 3, 3]) for k in kernels)
        plain &= _named(definition.get("norm_name", "INSTANCE"), "instance", {"affine"})
        plain &= _named(definition.get("act_name", "LEAKYRELU"), "leakyrelu", {"inplace"}, {"negative_slope": 0.01})
        strides = [s[0] if isinstance(s, list) and len(set(map(str, s))) == 1 else s for s in strides]
        if plain and strides == [1, *[2] * (len(filters) - 1)]:
            residual = bool(definition.get("res_block", False))
            return DYNUNET, {"filters": filters, "norm": "instance", "residual": residual}
    raise UserError(f"The bundle's network “{target or 'unnamed'}” with its settings is not known here.", _ADVICE)


def _named(layer: Any, name: str, free: Collection[str] = (), wanted: Mapping[str, Any] | None = None) -> bool:
    """Whether a layer, as MONAI has it (a name, or a name and its settings), is the one that the program builds."""
    word, settings = layer if isinstance(layer, list) and len(layer) == 2 else (layer, {})
    rest = {k: v for k, v in settings.items() if k not in free} if isinstance(settings, dict) else None
    return str(word).lower() == name and rest is not None and all((wanted or {}).get(k) == v for k, v in rest.items())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _weights(folder: Path) -> Mapping[str, Tensor]:
    """The tensors of models/model.pt, else of the TorchScript archive models/model.ts, by their names."""
    file, script = folder / "model.pt", folder / "model.ts"
    damaged = UserError("The bundle's weights hold more than numbers, or are damaged.", _ADVICE)
    try:
        if not file.is_file() and script.is_file():
            return _dense(read_weights(script))
        if _bytes_inside(file) > MOST_WEIGHTS_BYTES:
            raise UserError("The bundle's weights are larger than a model's can be.", _ADVICE)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError("The bundle has no models/model.pt and no models/model.ts.", _ADVICE) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError) as error:
        raise damaged from error
    except PermissionError as error:
        raise EnvironmentFailure("The bundle's weights cannot be read.", "Check that you may read the file.") from error
    except _MADE_UP as error:
        raise damaged from error
    while isinstance(found, dict) and isinstance(found.get("model", found.get("state_dict")), dict):
        found = found.get("model", found.get("state_dict"))
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError("The bundle's weights are no table of tensors.", _ADVICE)
    return _dense(found)


def _bytes_inside(file: Path) -> int:
    """What a file of weights holds when unpacked: a zip may say less than it holds, or be packed tightly."""
    if not zipfile.is_zipfile(file):
        return file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        return max(file.stat().st_size, sum(member.file_size for member in archive.infolist()))


def _dense(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors, where each has as many numbers as it says: one number can be spread over any size."""
    for value in tensors.values():
        plain = value.layout is torch.strided and not value.is_meta
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UserError("The bundle's weights hold less than they say.", _ADVICE)
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UserError("The bundle's weights are damaged: some are no numbers.", _ADVICE)
    return tensors


def _split(architecture: str, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The network's weights under our names without the head, and the head's weight and bias."""
    if architecture == SEGRESNET:
        head, kept = "conv_final.2.conv", {f"backbone.{k}": v for k, v in tensors.items() if "conv_final.2" not in k}
    else:
        head = "output_block.conv.conv"
        inside = "skip_layers."
        kept = {f"body.{k.removeprefix(inside)}": v for k, v in tensors.items() if k.startswith(inside)}
    if f"{head}.weight" not in tensors:
        raise UserError("The bundle's weights have no last layer where the network has it.", _ADVICE)
    weight = tensors[f"{head}.weight"].float()
    bias = tensors.get(f"{head}.bias")
    return kept, weight, torch.zeros(len(weight)) if bias is None else bias.float()


def _mixing(outputs: Sequence[str]) -> Tensor:
    """How logits of background and the scheme's labels come from the bundle's outputs, (class, output)."""
    mixed = torch.zeros(len(GLIOMA_POST_TREATMENT.labels) + 1, len(outputs))
    if set(outputs) <= set(_REGIONS) and {_REGIONS[name] for name in outputs} == {"TC", "WT", "ET"}:
        place = {_REGIONS[name]: number for number, name in enumerate(outputs)}
        mixed[[1, 2, 3], place["WT"]] = 1
        mixed[[1, 3], place["TC"]] = 1
        mixed[3, place["ET"]] = 1
        return mixed
    unknown = [name for name in outputs if name not in _TISSUES]
    if unknown or "background" not in outputs:
        raise UserError(f"The bundle's outputs are not known here: {', '.join(unknown or outputs) or 'none'}.", _ADVICE)
    for number, name in enumerate(outputs):
        mixed[_TISSUES[name], number] = 1
    return mixed


def _known(outputs: Sequence[str]) -> Tensor:
    """Bool (class,): whether the bundle says anything about background and every label."""
    known = _mixing(outputs).any(dim=1)
    known[0] = True
    return known

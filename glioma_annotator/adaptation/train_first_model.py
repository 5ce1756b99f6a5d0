"""Train the shipped base model on synthetic tumours: `python -m glioma_annotator.adaptation.train_first_model`."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict
from pathlib import Path

import torch

from glioma_annotator import __version__
from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds, load_label_maps, load_shapes
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.adaptation.training import Trainer, TrainingPlan
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network
from glioma_annotator.progress import Progress

PARAMETERS = {"filters": [12, 24, 48, 96], "branch_fraction": 0.5}

#: What the training data are and under which terms, as their sources state them.
SOURCES = {
    "healthy/kirby21_113-02": "healthy brain; T1 in the place of T1Gd; its repository has no licence file",
    "healthy/open_ms_*": "multiple-sclerosis brains without tumour; CC BY",
    "atlas/sri24": "SRI24 atlas, FLAIR derived from proton density; CC BY-SA 3.0",
    "unlabelled/*": "healthy hemisphere of an unlabelled glioma, mirrored; repository Apache-2.0, data not stated",
    "label_maps/synthseg": "anatomical label maps; Apache-2.0",
    "posttreatment_masks": "shapes of real masks, UCSF-ALPTDG; no images",
}
LIMITS = (
    "Trained on painted tumours only, for about an hour on one core: a start for corrections, not a reading.",
    "Measured on four pre-operative cases alone, three of them of low grade: the figures are a direction. "
    "Resection cavities (RC) were never measured on real scans.",
    "Marks normal brain, the cerebellum and the skull base above all, as SNFH.",
    "Finds faint, diffuse and low-grade tumours in part, and takes non-enhancing core for SNFH or the reverse.",
    "Misses thin or faint enhancement, and may take vessels or dura for ET.",
    "Calls wide ventricles and cystic or necrotic cores a resection cavity, also where nobody was operated on.",
)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, train, write `RUN/model`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with healthy/, atlas/, label_maps/, ...")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint, log and the finished model")
    parser.add_argument("--minutes", type=float, default=60.0, help="time to train, in minutes")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of the training itself")
    parser.add_argument("--resume", action="store_true", help="take up the run folder's checkpoint")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)

    real, maps, shapes = load_backgrounds(options.data), load_label_maps(options.data), load_shapes(options.data)
    source = SampleSource(real, maps, shapes, augment=TorchIOAugmentation())
    plan = TrainingPlan(minutes=options.minutes)
    torch.manual_seed(plan.seed)
    network = build_network(
        RESIDUAL_INCEPTION_UNET, PARAMETERS, in_channels=3, out_channels=len(GLIOMA_POST_TREATMENT.labels) + 1
    )
    if network.head.bias is not None:
        network.head.bias.data[0] += 3.0  # most voxels are background: begin there, not at equal shares
    trainer = Trainer(network, source, options.run, plan)
    if options.resume and trainer.resume():
        print("Resumed.", flush=True)
    outcome = trainer.train(_print_progress)
    card = ModelCard(
        name="glioma",
        title="Glioma, first base model",
        architecture=RESIDUAL_INCEPTION_UNET,
        parameters=PARAMETERS,
        channels=(SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR),
        scheme=GLIOMA_POST_TREATMENT,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
        patch=(96, 96, 96),
        training={
            "kind": "synthetic tumours painted into tumour-free brains; no real tumour's intensities",
            "sources": SOURCES,
            "backgrounds": [b.name for b in real],
            "label_maps": len(maps),
            "real_mask_shapes": len(shapes),
            "seed": plan.seed,
            "steps": outcome.steps,
            "patches": outcome.samples,
            "stages": [asdict(stage) for stage in plan.stages],
            "minutes": round(outcome.seconds / 60, 1),
            "processor_minutes": round(outcome.processor_seconds / 60, 1),
            "hardware": f"{options.threads} thread(s) of a {platform.machine()} CPU with "
            f"{torch.backends.cpu.get_cpu_capability()}, bfloat16",
            "final_loss": round(outcome.loss, 4),
            "versions": {"glioma-annotator": __version__, "torch": torch.__version__},
        },
        limits=LIMITS,
    )
    save_model(options.run / "model", card, trainer.averaged)
    print(f"Wrote {options.run / 'model'}", flush=True)


def _print_progress(progress: Progress) -> None:
    print(f"{progress.fraction:6.1%}  {progress.message}", flush=True)


if __name__ == "__main__":
    main()

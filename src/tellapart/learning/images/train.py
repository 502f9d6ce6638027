"""From labelled images to an encoder's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tellapart.encoders.images import ImageEncoder
from tellapart.errors import TellapartError
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.exporting import export_encoder
from tellapart.learning.images.network import ConvNet
from tellapart.learning.images.reading import LabelledImages
from tellapart.learning.images.samples import ImageSamples
from tellapart.learning.training.checkpoints import remove_checkpoint
from tellapart.learning.training.history import History
from tellapart.learning.training.objectives import make_objective
from tellapart.learning.training.report import report_html, summary
from tellapart.learning.training.settings import Settings
from tellapart.learning.training.trainer import Trainer, Watch
from tellapart.progress import Progress, silent

HELD_OUT = 0.1
"""Share of the identities kept for judging (our choice)."""

FEWEST_HELD_OUT = 5
"""Fewer say nothing about new identities (our choice)."""

LEAST_IDENTITIES = 20
"""Below so many, all are needed for learning: none are held out (our choice)."""

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Split:
    """Identities to learn from and identities to judge by; never the same ones."""

    train: LabelledImages
    held_out: LabelledImages | None

    def turned(self) -> Split:
        """Learn from turned identities as well; what is held out stays as it is."""
        return replace(self, train=self.train.with_turns())


@dataclass(frozen=True, slots=True)
class TrainedImages:
    """An encoder, the record of its training, and the sentence that sums it up."""

    encoder: ImageEncoder
    history: History
    summary: str


def split_identities(data: LabelledImages, *, share: float = HELD_OUT, seed: int = 0) -> Split:
    """Hold out a share of the identities that have at least two images; the split goes by identity, never by image."""
    if not 0 <= share < 1:
        raise TellapartError(f"a held-out share of {share:g} is none: give one from 0 to below 1")
    counts = np.bincount(data.labels, minlength=len(data.names))
    able = np.flatnonzero(counts >= 2)
    wanted = max(round(share * len(data.names)), FEWEST_HELD_OUT)
    if not share or len(data.names) < LEAST_IDENTITIES or len(able) < wanted:
        return Split(data, None)
    chosen = np.sort(np.random.default_rng(seed).permutation(able)[:wanted])
    rest = np.setdiff1d(np.arange(len(data.names)), chosen)
    return Split(data.of_identities(rest), data.of_identities(chosen))


def make_trainer(
    split: Split, settings: Settings, augmentation: Augmentation, folder: Path | None = None
) -> Trainer:
    """Build network, objective and trainer; the seed decides every weight."""
    torch.manual_seed(settings.seed)
    network = ConvNet(
        size=split.train.size,
        channels=split.train.channels,
        dim=settings.dim,
        width=settings.width,
        dropout=settings.dropout,
    )
    held_out = ImageSamples(split.held_out, augmentation) if split.held_out else None
    return Trainer(
        network,
        make_objective(settings, len(split.train.names)),
        ImageSamples(split.train, augmentation),
        settings,
        held_out=held_out,
        folder=folder,
    )


def train_images(
    split: Split,
    settings: Settings,
    augmentation: Augmentation,
    output: Path,
    *,
    facts: Mapping[str, str] | None = None,
    progress: Progress = silent,
    watch: Watch | None = None,
) -> TrainedImages:
    """Train, or go on where a killed run was, and write the encoder, `training.json` and `report.html`.

    Raises:
        TellapartError: `output` holds something else, or training broke; the message names the sample.
    """
    if (output / "config.json").exists():
        raise TellapartError(f"{output} already holds an encoder: give another --output, or remove it")
    trainer = make_trainer(split, settings, augmentation, output / CHECKPOINT)
    history = trainer.run(progress=progress, watch=watch)
    assert isinstance(trainer.network, ConvNet)
    held_out = len(split.held_out.names) if split.held_out else 0
    shown = {
        "identities": f"{len(split.train.names):,} learned, {held_out:,} held out",
        "images": f"{len(split.train.labels):,} learned",
        "data": split.train.digest(),
        **{name: str(value) for name, value in asdict(settings).items()},
        **{f"augmentation: {name}": str(value) for name, value in asdict(augmentation).items()},
        **(facts or {}),
    }
    output.mkdir(parents=True, exist_ok=True)
    record = {"summary": summary(history), "facts": shown, "looks": history.to_json()}
    (output / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (output / "report.html").write_text(
        report_html(f"Training of {output.name}", history, shown), encoding="utf-8"
    )
    encoder = export_encoder(trainer.network, output, output.name)
    remove_checkpoint(output / CHECKPOINT)
    return TrainedImages(encoder, history, summary(history))

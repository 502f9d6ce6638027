"""From labelled images to an encoder's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tellapart.encoders.images import ImageEncoder, PixelEncoder, write_learned
from tellapart.encoders.protocol import unit_rows
from tellapart.errors import TellapartError, require
from tellapart.learning.centres.workers import Workers
from tellapart.learning.images.augmenting import Augmentation
from tellapart.learning.images.backbones import NetworkSpec
from tellapart.learning.images.exporting import export_encoder
from tellapart.learning.images.reading import LabelledImages, read_images
from tellapart.learning.images.samples import ImageSamples
from tellapart.learning.training.checkpoints import remove_checkpoint
from tellapart.learning.training.evaluation import Judgement, judge_encoder
from tellapart.learning.training.feeding import SampleFeed
from tellapart.learning.training.history import History, Look
from tellapart.learning.training.objectives import make_objective, strength
from tellapart.learning.training.options import Objective, TrainingOptions
from tellapart.learning.training.report import report_html, summary
from tellapart.learning.training.trainer import Trainer, Watch
from tellapart.progress import Progress, silent

HELD_OUT = 0.1
"""Share of the identities kept for judging (our choice)."""

FEWEST_HELD_OUT = 5
"""Fewer identities say nothing about new ones (our choice)."""

LEAST_IDENTITIES = 20
"""Below so many, all are needed for learning, and images are held out instead (our choice)."""

LEAST_IMAGES = 4
"""Of an identity, from which two can be held out and two are left to learn from."""

SHOWN_LEARNED = 1_000
"""Learned images that are judged beside those held out, at most (our choice)."""

CHECKPOINT, WEIGHTS, RECORD = "checkpoint", "weights.safetensors", "training.json"


@dataclass(frozen=True, slots=True)
class Split:
    """Images to learn from and images to judge by; `unseen` says what these are: identities, images, or nothing."""

    train: LabelledImages
    held_out: LabelledImages | None
    unseen: str = "identities"

    def turned(self) -> Split:
        """Learn from turned identities as well; what is held out stays as it is."""
        return replace(self, train=self.train.with_turns())


@dataclass(frozen=True, slots=True)
class TrainedImages:
    """An encoder, the record of its training, what it is worth, and the sentence that sums it up."""

    encoder: ImageEncoder
    history: History
    judgement: Judgement | None
    summary: str


def split_identities(data: LabelledImages, *, share: float = HELD_OUT, seed: int = 0) -> Split:
    """Hold out a share of the identities that have two images; below LEAST_IDENTITIES, of each identity's images."""
    if not 0 <= share < 1:
        raise TellapartError(f"a held-out share of {share:g} is none: give one from 0 to below 1")
    if not share:
        return Split(data, None)
    counts = np.bincount(data.labels, minlength=len(data.names))
    able = np.flatnonzero(counts >= 2)
    wanted = max(round(share * len(data.names)), FEWEST_HELD_OUT)
    if len(data.names) < LEAST_IDENTITIES or len(able) < wanted:
        return _split_images(data, counts, share, seed)
    chosen = np.sort(np.random.default_rng(seed).permutation(able)[:wanted])
    rest = np.setdiff1d(np.arange(len(data.names)), chosen)
    return Split(data.of_identities(rest), data.of_identities(chosen))


def _split_images(data: LabelledImages, counts: NDArray[np.int64], share: float, seed: int) -> Split:
    draw = np.random.default_rng(seed)
    held: list[NDArray[np.int64]] = []
    for identity in np.flatnonzero(counts >= LEAST_IMAGES):
        rows = draw.permutation(np.flatnonzero(data.labels == identity))
        held.append(rows[: min(max(2, round(share * len(rows))), len(rows) - 2)])
    if not held:
        return Split(data, None)
    out = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(data.labels)), out)
    return Split(data.take(rest), data.take(out), unseen="images")


def make_trainer(
    split: Split,
    options: TrainingOptions,
    augmentation: Augmentation,
    folder: Path | None = None,
    *,
    network: nn.Module | None = None,
    device: torch.device | str = "cpu",
    workers: Workers | None = None,
    objective: nn.Module | None = None,
    loaders: int = 1,
    facts: Mapping[str, Any] | None = None,
) -> Trainer:
    """Build network (None: the small one), objective (None: that of the options) and trainer; the seed decides all."""
    torch.manual_seed(options.seed)
    train = split.train.each_its_own() if options.objective is Objective.NTXENT else split.train
    if network is None:
        network = NetworkSpec(
            train.size, train.channels, options.dim, width=options.width, dropout=options.dropout
        ).build()
    samples = ImageSamples(train, augmentation)
    pinned = torch.device(device).type == "cuda"
    return Trainer(
        network,
        objective or make_objective(options, len(train.names)),
        SampleFeed.of(samples, options, workers=workers, loaders=loaders, pinned=pinned),
        options,
        held_out=ImageSamples(split.held_out, augmentation) if split.held_out else None,
        folder=folder,
        device=device,
        workers=workers,
        facts=facts,
    )


def train_images(
    split: Split,
    options: TrainingOptions,
    augmentation: Augmentation,
    output: Path,
    *,
    spec: NetworkSpec | None = None,
    network: nn.Module | None = None,
    start: Path | None = None,
    device: torch.device | str = "cpu",
    workers: Workers | None = None,
    objective: nn.Module | None = None,
    loaders: int = 1,
    facts: Mapping[str, str] | None = None,
    progress: Progress = silent,
    watch: Watch | None = None,
) -> TrainedImages | None:
    """Train, or go on where a killed run was, and write the encoder, its weights, `training.json` and `report.html`.

    Args:
        split: What is learned and what is held out.
        options: Of the run.
        augmentation: Changes made to images in training.
        output: Folder of the encoder.
        spec: The network by name; None = the small one.
        network: A network of one's own instead.
        start: A trained folder whose weights the network begins with.
        device: Where to train.
        workers: Who else takes part; all must call this, worker 0 writes.
        objective: One's own, such as centres spread over workers.
        loaders: Threads that make batches.
        facts: Shown in the report.
        progress: Told of steps.
        watch: Told of looks.

    Returns:
        What was made; None on workers other than the first.

    Raises:
        TellapartError: `output` holds something else, or training broke; the message names the sample.
    """
    if (output / "config.json").exists():
        raise TellapartError(f"{output} already holds an encoder: give another --output, or remove it")
    workers = workers or Workers()
    train = split.train
    torch.manual_seed(options.seed)
    if network is None:
        spec = spec or NetworkSpec(
            train.size, train.channels, options.dim, width=options.width, dropout=options.dropout
        )
        network = spec.build(pretrained=False if start else None)
    if start is not None:
        load_weights(network, start)
    told = spec.record() if spec else {"backbone": type(network).__name__}
    trainer = make_trainer(
        split,
        options,
        augmentation,
        output / CHECKPOINT,
        network=network,
        device=device,
        workers=workers,
        objective=objective,
        loaders=loaders,
        facts={"network": json.dumps(told), "augmentation": augmentation},
    )
    shown = _facts(split, options, augmentation, told, trainer) | dict(facts or {})
    title = f"Training of {output.name}"

    def tell(look: Look) -> None:
        output.mkdir(parents=True, exist_ok=True)
        seen = trainer.history
        (output / "report.html").write_text(report_html(title, seen, shown), encoding="utf-8")
        if watch:
            watch(look)

    history = trainer.run(progress=progress, watch=tell)
    if workers.rank:
        return None
    judgement = _judged(trainer, split, ImageSamples(train, augmentation))
    output.mkdir(parents=True, exist_ok=True)
    said = summary(history, judgement)
    record = {
        "summary": said,
        "facts": shown,
        "network": told,
        "judgement": judgement.to_json() if judgement else None,
        "looks": history.to_json(),
    }
    (output / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (output / "report.html").write_text(report_html(title, history, shown, judgement), encoding="utf-8")
    write_learned(output, train.known().tolist())
    weights = {name: tensor.cpu().contiguous() for name, tensor in trainer.network.state_dict().items()}
    require("safetensors.torch", extra="train").save_file(weights, output / WEIGHTS)
    encoder = export_encoder(trainer.network, output, output.name, size=train.size, channels=train.channels)
    remove_checkpoint(output / CHECKPOINT)
    return TrainedImages(encoder, history, judgement, said)


def train_encoder(
    model: nn.Module | None,
    data: Path | str | LabelledImages,
    output: Path | str,
    *,
    size: int = 64,
    channels: int = 3,
    options: TrainingOptions | None = None,
    augmentation: Augmentation | None = None,
    held_out: float = HELD_OUT,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> TrainedImages:
    """Train a network of one's own (None: the small one) on labelled images and write it as an encoder's folder.

    Args:
        model: Pixels (n, channels, size, size) of 0..1 to features (n, options.dim), not normalised.
        data: What `tellapart train` takes, or images that are read already (then their size and channels count).
        output: Folder of the encoder.
        size: Edge in pixels.
        channels: 1 or 3.
        options: Of the run, the objective among them.
        augmentation: Changes made to images in training.
        held_out: Share kept for judging.
        device: Where to train.
        progress: Told of images and steps.

    Raises:
        TellapartError: The data cannot be used, or training broke; the message names the sample.
    """
    options = options or TrainingOptions()
    if not isinstance(data, LabelledImages):
        data = read_images(Path(data), size=size, channels=channels, progress=progress)
    split = split_identities(data, share=held_out, seed=options.seed)
    done = train_images(
        split,
        options,
        augmentation or Augmentation(),
        Path(output),
        network=model,
        device=device,
        progress=progress,
    )
    assert done is not None
    return done


def load_weights(network: nn.Module, folder: Path) -> None:
    """Take over the weights of a trained folder.

    Raises:
        TellapartError: It holds none, or those of another network.
    """
    if not (folder / WEIGHTS).is_file():
        raise TellapartError(f"{folder} holds no {WEIGHTS}: give a folder that 'tellapart train' wrote")
    weights = require("safetensors.torch", extra="train").load_file(folder / WEIGHTS)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise TellapartError(
            f"{folder} holds the weights of another network ({str(error).splitlines()[-1].strip()}): give the same"
            " size, channels, dim and backbone"
        ) from error


def _judged(trainer: Trainer, split: Split, train: ImageSamples) -> Judgement | None:
    if split.held_out is None or split.held_out.labels.size < 2:
        return None
    held = split.held_out
    vectors = unit_rows(
        trainer.features(ImageSamples(held, train.augmentation)), encoder="the trained network"
    )
    every = np.arange(len(held.labels))
    pixels = PixelEncoder().encode_images(held.images[every])
    rows = np.sort(np.random.default_rng(0).permutation(len(train.labels))[:SHOWN_LEARNED])
    seen = None
    if np.bincount(train.labels[rows]).max(initial=0) > 1:
        seen = unit_rows(trainer.features(train, rows), encoder="the trained network"), train.labels[rows]
    return judge_encoder(split.unseen, vectors, pixels, held.labels, learned=seen)


def _facts(
    split: Split,
    options: TrainingOptions,
    augmentation: Augmentation,
    network: Mapping[str, Any],
    trainer: Trainer,
) -> dict[str, str]:
    held = split.held_out
    held_out = (
        "nothing"
        if held is None
        else f"{len(np.unique(held.labels)):,} identities, {len(held.labels):,} images"
    )
    in_effect = {name: value for name, value in strength(options).items() if value is not None}
    told = {name: value for name, value in options.record().items() if name not in ("scale", "margin")}
    names = {"identities": "identities in a batch", "samples": "samples of each in a batch"}
    return {
        "learned": f"{len(split.train.names):,} identities, {len(split.train.labels):,} images",
        "held out": held_out
        if held is None or split.unseen == "identities"
        else f"{held_out} of the learned ones",
        "data": split.train.digest(),
        "device": str(trainer.device),
        **{f"{name} in effect": f"{value:g}" for name, value in in_effect.items()},
        **{names.get(name, name.replace("_", " ")): str(value) for name, value in told.items()},
        **{f"network: {name}": str(value) for name, value in network.items()},
        **{f"augmentation: {name}": str(value) for name, value in asdict(augmentation).items()},
    }

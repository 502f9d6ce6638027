"""From labelled images to an encoder's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from tellapart.learning.images.augmenting import Augmentation, ImageSamples
from tellapart.learning.images.backbones import NetworkSpec, WhitenedPixels
from tellapart.learning.images.exporting import export_encoder
from tellapart.learning.images.reading import HELD_OUT, LabelledImages, Split, read_images, split_identities
from tellapart.learning.training.checkpoints import remove_checkpoint
from tellapart.learning.training.evaluation import Judgement, judge_encoder
from tellapart.learning.training.feeding import SampleFeed
from tellapart.learning.training.history import History, Look
from tellapart.learning.training.objectives import make_objective, strength
from tellapart.learning.training.options import Objective, TrainingOptions
from tellapart.learning.training.report import report_html, summary
from tellapart.learning.training.trainer import BATCH, Trainer, Watch
from tellapart.progress import Progress, silent

SHOWN_LEARNED = 1_000
"""Learned images that are judged beside those held out, at most: half a million pairs."""

CHECKPOINT, WEIGHTS, RECORD = "checkpoint", "weights.safetensors", "training.json"


@dataclass(frozen=True, slots=True)
class TrainedImages:
    """An encoder, the record of its training, what it is worth, and the sentence that sums it up."""

    encoder: ImageEncoder
    history: History
    judgement: Judgement | None
    summary: str


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
    network.eval()
    told = spec.record() if spec else {"backbone": type(network).__name__}
    shown = _facts(split, options, augmentation, told, device) | dict(facts or {})
    title = f"Training of {output.name}"
    if isinstance(network, WhitenedPixels):
        with progress("whitening", 1) as advance:
            network.fit(ImageSamples(train, augmentation), seed=options.seed)
            advance(1)
        history = History()
    else:
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

        def tell(look: Look) -> None:
            output.mkdir(parents=True, exist_ok=True)
            seen = trainer.history
            (output / "report.html").write_text(report_html(title, seen, shown), encoding="utf-8")
            if watch:
                watch(look)

        history = trainer.run(progress=progress, watch=tell)
        if workers.rank:
            return None
    judgement = _judged(network, split)
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
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    require("safetensors.torch", extra="train").save_file(weights, output / WEIGHTS)
    encoder = export_encoder(network, output, output.name, size=train.size, channels=train.channels)
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


def _judged(network: nn.Module, split: Split) -> Judgement | None:
    held, train = split.held_out, split.train
    if held is None or held.labels.size < 2:
        return None
    every = np.arange(len(held.labels))
    rows = np.sort(np.random.default_rng(0).permutation(len(train.labels))[:SHOWN_LEARNED])
    seen = None
    if np.bincount(train.labels[rows]).max(initial=0) > 1:
        seen = _vectors(network, train, rows), train.labels[rows]
    pixels = PixelEncoder().encode_images(held.images[every])
    return judge_encoder(split.unseen, _vectors(network, held, every), pixels, held.labels, learned=seen)


def _vectors(network: nn.Module, data: LabelledImages, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vectors (n, dim) of some images in float32, as the exported encoder gives them."""
    device = next(network.parameters()).device
    samples = ImageSamples(data, Augmentation())
    with torch.inference_mode():
        parts = [
            network(samples.plain(rows[start : start + BATCH]).to(device)).float().cpu()
            for start in range(0, len(rows), BATCH)
        ]
    return unit_rows(torch.cat(parts).numpy(), encoder="the trained network")


def _facts(
    split: Split,
    options: TrainingOptions,
    augmentation: Augmentation,
    network: Mapping[str, Any],
    device: torch.device | str,
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
        "device": str(device),
        **{f"{name} in effect": f"{value:g}" for name, value in in_effect.items()},
        **{names.get(name, name.replace("_", " ")): str(value) for name, value in told.items()},
        **{f"network: {name}": str(value) for name, value in network.items()},
        **{f"augmentation: {name}": str(value) for name, value in asdict(augmentation).items()},
    }

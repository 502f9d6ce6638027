"""Adapting an encoder to labelled texts: those of one label come closer together, also of labels never seen.

The map is that of `Components.within`. Whole labels are held out in turn: MAP@R of their texts among each other, with
the map and without, is an experiment, and `decide` says whether the map is better.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.document import Granularity
from tellapart.encoders.adapted import AdaptedConfig, Domain, write_map
from tellapart.encoders.cache import open_cache
from tellapart.encoders.config import write_config
from tellapart.encoders.load import load_encoder
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder, OfImages, Vectors
from tellapart.encoders.windows import UnitText
from tellapart.engine.configuration import Configuration
from tellapart.errors import TellapartError
from tellapart.experiments.arms import Arm
from tellapart.experiments.deciding import decide
from tellapart.experiments.experiment import FOLDS, ArmValues, Experiment, assign_folds
from tellapart.experiments.posterior.model import ADAPTED, load_models
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.experiments.verification import nearest_neighbours
from tellapart.learning.adapting.adapt import Adapted, refuse_occupied, written
from tellapart.learning.adapting.adapters import Components, LinearMap, class_means, mapped
from tellapart.progress import Progress, silent

TEXT_COLUMNS, LABEL_COLUMNS = ("text", "utterance", "sentence"), ("label", "intent", "class")

MOST_OF_A_LABEL = 50
"""Texts of each label that are asked about; all are learned from, so that no label decides alone; not measured."""

MEASURE = "MAP@R"


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts (n), the number of the label of each (n,), and what the labels are called."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]


def read_labelled(path: Path) -> LabelledTexts:
    """Read a .tsv, .csv or .jsonl with a text and a label in each row.

    Raises:
        TellapartError: The file cannot be read, or a row lacks its text or label; the message names the row.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TellapartError(f"cannot read {path} ({error}): give a .tsv, .csv or .jsonl in UTF-8") from error
    rows: Sequence[Mapping[str, Any]]
    if path.suffix.lower() == ".jsonl":
        try:
            rows = [json.loads(line) for line in content.splitlines() if line.strip()]
        except ValueError as error:
            raise TellapartError(f"{path}: not one JSON object per line ({error})") from error
    else:
        delimiter = "," if path.suffix.lower() == ".csv" else "\t"
        lines = io.StringIO(content, newline="")
        if delimiter == ",":
            rows = list(csv.DictReader(lines))
        else:
            rows = list(csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
    known = rows[0].keys() if rows else ()
    text = next((name for name in TEXT_COLUMNS if name in known), None)
    label = next((name for name in LABEL_COLUMNS if name in known), None)
    if text is None or label is None:
        raise TellapartError(
            f"{path}: has the columns {', '.join(known) or '(none)'}, but needs text and label"
        )
    for number, row in enumerate(rows, 1):
        if not str(row.get(text) or "").strip() or row.get(label) in (None, ""):
            raise TellapartError(f"{path}: record {number} lacks its {text} or {label}")
    names, labels = np.unique([str(row[label]) for row in rows], return_inverse=True)
    return LabelledTexts(tuple(str(row[text]) for row in rows), labels, tuple(names.tolist()))


def adapt_to_labels(
    data: LabelledTexts,
    output: Path,
    *,
    encoder: str = "minilm",
    keep_anyway: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Adapted:
    """Adapt an encoder to labelled texts and write it where texts of labels never seen are told apart better.

    Args:
        data: What is learned from, and what decides.
        output: Folder to write; left alone where the adapted encoder is not recommended.
        encoder: What is adapted.
        keep_anyway: Write it although it is not recommended.
        seed: Random seed.
        progress: Told of texts encoded and maps fitted.

    Raises:
        TellapartError: Too few labels have two texts, the encoder sees images, or `output` holds one already.
    """
    refuse_occupied(output)
    counts = np.bincount(data.labels)
    if (able := int((counts > 1).sum())) < FOLDS:
        raise TellapartError(f"{able} labels have two texts: give {FOLDS} or more, better {FEW_QUERIES}")
    base = load_encoder(encoder)
    if isinstance(base, OfImages):
        raise TellapartError(f"{encoder!r} sees images: adapt an encoder of texts, such as minilm")
    units = [UnitText("", text) for text in data.texts]
    vectors, _ = embed(base, units, cache=open_cache(), progress=progress)
    experiment = _experiment(data, vectors, encoder, seed, progress)
    verdict = decide(experiment, models=load_models(ADAPTED), seed=seed)
    arm = next(each.arm for each in experiment.arms.values() if len(each.arm.variants) > 1)
    place = arm.variants.index(verdict.finding(arm.name).configuration)
    found = Adapted(verdict, LinearMap().pulls[place - 1] if place else None)
    if not (found.recommended or keep_anyway):
        return found
    with written(found, output) as part:
        _write(part, output.name, data, vectors, found.pull or LinearMap().pulls[0], (encoder, base))
    return replace(found, encoder=load_encoder(f"folder:{output}"))


def _experiment(
    data: LabelledTexts, vectors: Vectors, encoder: str, seed: int, progress: Progress
) -> Experiment:
    """MAP@R of the texts of held-out labels among each other, by maps that were fitted to the other labels."""
    pulls = LinearMap().pulls
    counts = np.bincount(data.labels)
    order = np.random.default_rng(seed).permutation(len(data.labels))
    rank = np.empty(len(order), dtype=np.int64)  # of a text among those of its label
    for label in range(len(counts)):
        own = order[data.labels[order] == label]
        rank[own] = np.arange(len(own))
    asked = np.flatnonzero((rank < MOST_OF_A_LABEL) & (counts[data.labels] > 1))
    folds = assign_folds([data.names[label] for label in data.labels], seed=seed)
    values = np.zeros((len(data.labels), len(pulls) + 1))
    with progress("fitting maps", FOLDS) as advance:
        for fold in range(FOLDS):
            held = asked[folds[asked] == fold]
            if len(held):
                rest = folds != fold
                components = Components.within(
                    vectors[rest], np.unique(data.labels[rest], return_inverse=True)[1]
                )
                for column, pull in enumerate((None, *pulls)):
                    moved = vectors[held] if pull is None else mapped(vectors[held], components.map(pull))
                    found = nearest_neighbours(moved, data.labels[held])
                    values[held[found.rows], column] = found.map_at_r
            advance(1)
    plain = Configuration(encoder, (Granularity.DOCUMENT,), "knn")
    variants = tuple(replace(plain, encoder=f"{encoder}+linear {pull:g}") for pull in pulls)
    names = tuple(f"text {row + 1}" for row in asked.tolist())
    of = dict(zip(names, asked.tolist(), strict=True))
    query_set = QuerySet(
        MappingProxyType({name: data.texts[row] for name, row in of.items()}),
        Qrels(MappingProxyType({name: {data.names[data.labels[row]]: 1} for name, row in of.items()})),
        clusters=MappingProxyType({name: data.names[data.labels[row]] for name, row in of.items()}),
    )
    results = (
        ArmValues(Arm.fixed(plain), values[asked, :1]),
        ArmValues(Arm(f"adapted {plain.name}", (plain, *variants)), values[asked]),
    )
    arms = MappingProxyType({each.arm.name: each for each in results})
    return Experiment(query_set, names, MEASURE, arms, plain.name, plain.name)


def _write(
    folder: Path, name: str, data: LabelledTexts, vectors: Vectors, pull: float, base: tuple[str, Encoder]
) -> None:
    matrix = Components.within(vectors, data.labels).map(pull)
    domain = Domain.of(vectors, np.asarray(class_means(vectors, data.labels), dtype=np.float32))
    config = AdaptedConfig(
        name=name,
        base=base[0],
        base_fingerprint=base[1].fingerprint,
        dim=len(matrix),
        map=write_map(matrix, folder),
        domain=domain.save(folder),
    )
    write_config(config, folder)

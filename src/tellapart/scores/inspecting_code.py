"""How well code is embedded: tasks whose answers are known, made from a code base, and what scores look like there.

Every task ends in an `Experiment`: for each function a value between 0 and 1 of every way to compare texts. `decide`
makes means, intervals and paired differences of it. Intervals resample files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tellapart.corpus.code.mutations import Mutation
from tellapart.encoders.load import load_encoder
from tellapart.encoders.lsa import NAME as LSA
from tellapart.engine import Index
from tellapart.experiments.deciding import decide
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.statistics import FEW_QUERIES
from tellapart.experiments.verdict import Verdict
from tellapart.progress import Progress, silent
from tellapart.scores.code_functions import MOST_FUNCTIONS, SampledFunction, sample_functions
from tellapart.scores.code_similarity import Likeness, Parts, fitted_lsa, likenesses

Floats = NDArray[np.float64]

DEFAULT_ENCODERS = ("minilm", LSA)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
UNRELATED = 3_000
"""Pairs of functions of different files drawn at random, for the distribution of their
similarity: its median is then known to about .01."""

FOUND, NEARER = "RR", "AUROC"
"""Measures of tasks: the reciprocal rank of the answer among all candidates, and the share of the comparisons in which
what should be more alike is."""

DRAWS = 2_000
"""Resamples behind each interval: two dozen tasks are asked, and nothing is chosen by them."""

TELLING = (Mutation.CONSTANT, Mutation.OPERATOR, Mutation.CONDITION)


@dataclass(frozen=True, slots=True)
class CodeTask:
    """One question about embeddings of code, answered for every way to compare texts.

    `candidates` is how many texts each answer was among, 0 where two similarities were compared.
    """

    name: str
    candidates: int
    verdict: Verdict

    @property
    def queries(self) -> int:
        """How many functions, or pairs, it was asked of."""
        return len(self.verdict.queries)

    @property
    def few(self) -> bool:
        """Whether they come from too few files for the interval's promise."""
        return self.verdict.independent < FEW_QUERIES


@dataclass(frozen=True, slots=True)
class Distribution:
    """Similarities of one kind of pair by one way to compare: quantiles .05, .25, .5, .75 and .95 of n pairs."""

    likeness: str
    relation: str
    pairs: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CodeInspection:
    """What was found of some functions, `functions` of `total` in `files` files, drawn as `FunctionSample` says.

    `names` maps configurations to what a person calls them: BM25 and its vectors first, then the encoders.
    """

    functions: int
    total: int
    files: int
    read: int
    of_files: int
    names: Mapping[str, str]
    tasks: tuple[CodeTask, ...]
    distributions: tuple[Distribution, ...]

    def names_share(self, likeness: str) -> float | None:
        """How much of the similarity goes with the names; None where nothing could be compared.

        0 where a function without its names stays as near to itself as it was, 1 where it is no nearer than an
        unrelated one.
        """
        median = {
            each.relation: each.quantiles[2] for each in self.distributions if each.likeness == likeness
        }
        unrelated, renamed = median.get(RELATED_BY_CHANCE), median.get(Mutation.RENAME.value)
        if unrelated is None or renamed is None or unrelated == 1:
            return None
        return (1 - renamed) / (1 - unrelated)


RELATED_BY_CHANCE = "functions of different files"
SAME_FILE = "functions of one file"


def inspect_code(
    index: Index,
    *,
    encoders: Sequence[str] = DEFAULT_ENCODERS,
    most: int = MOST_FUNCTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> CodeInspection:
    """Ask of the functions of an index how well encoders and words see what they do.

    Args:
        index: With code in it; it needs no vectors.
        encoders: What to compare beside BM25; `lsa` is fitted on these functions.
        most: Functions drawn.
        seed: Of what is drawn.
        progress: Where long work is reported.

    Raises:
        TellapartError: There are no functions, or no such encoder.
    """
    sample = sample_functions(index, most=most, seed=seed, progress=progress)
    functions = sample.functions
    texts: list[str] = []
    with progress("changing functions", len(functions)) as advance:
        for each in functions:
            texts += each.texts()
            advance(1)
    corpus = [each.body for each in functions]
    loaded = [fitted_lsa(corpus) if name == LSA else load_encoder(name) for name in encoders]
    ways = likenesses(loaded, corpus, progress)
    for way in ways:
        way.read(texts)  # together: an encoder tells how far it is
    with progress("comparing", None):
        tasks = (*_finding(functions, ways, seed), *_telling(functions, ways, seed))
    return CodeInspection(
        len(functions),
        sample.total,
        len({each.file for each in functions}),
        sample.read,
        sample.files,
        MappingProxyType({way.configuration: way.name for way in ways}),
        tasks,
        tuple(_distributions(functions, ways, seed)),
    )


def finding_task(
    name: str,
    ways: Sequence[Likeness],
    queries: Sequence[str],
    documents: Sequence[Parts],
    answers: Sequence[int],
    clusters: Sequence[str],
    *,
    seed: int = 0,
) -> CodeTask:
    """Look for one document of each query among all: the reciprocal rank, ties counted at their middle."""
    values = {}
    for way in ways:
        scores = way.matrix(queries, documents)
        own = scores[np.arange(len(queries)), list(answers)][:, None]
        before, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1
        values[way.configuration] = 1 / (1 + before + equal / 2)
    return CodeTask(name, len(documents), _verdict(values, clusters, FOUND, seed))


def _finding(functions: Sequence[SampledFunction], ways: Sequence[Likeness], seed: int) -> Iterable[CodeTask]:
    """Look for functions by what belongs to them."""
    files = [each.file for each in functions]
    bodies = [(each.body,) for each in functions]
    whole = [(each.text,) for each in functions]
    halves = [each.halves for each in functions]
    documented = [at for at, each in enumerate(functions) if each.docstring]
    sentences = [functions[at].docstring for at in documented]
    own = [files[at] for at in documented]
    their_bodies = [functions[at].body for at in documented]
    asked: list[tuple[str, Sequence[str], Sequence[Parts], Sequence[int], Sequence[str]]] = [
        ("docstring -> function", sentences, bodies, documented, own),
        ("function -> docstring", their_bodies, [(s,) for s in sentences], range(len(documented)), own),
    ]
    for level, key in (("class", [each.class_ for each in functions]), ("file", files)):
        groups: dict[str, list[str]] = {}
        for each, group in zip(functions, key, strict=True):
            groups.setdefault(group, []).append(each.body)
        place = {group: at for at, group in enumerate(groups)}
        group_of = [place[key[at]] for at in documented]
        asked.append((f"docstring -> {level}", sentences, list(groups.values()), group_of, own))
    first, second = [a for a, _ in halves], [(b,) for _, b in halves]
    asked.append(("half -> other half", first, second, range(len(halves)), files))
    for name, texts in (
        ("its names alone", [each.names for each in functions]),
        ("its logic alone", [each.logic or "" for each in functions]),
        *((m.value, [each.changed.get(m, "") for each in functions]) for m in Mutation),
    ):
        there = [at for at, text in enumerate(texts) if text]
        asked.append(
            (f"{name} -> function", [texts[at] for at in there], whole, there, [files[at] for at in there])
        )
    for name, queries, documents, answers, clusters in asked:
        if queries:
            yield finding_task(name, ways, queries, documents, answers, clusters, seed=seed)


def _telling(functions: Sequence[SampledFunction], ways: Sequence[Likeness], seed: int) -> Iterable[CodeTask]:
    """Ask whether what does the same is nearer than what does something else."""
    asked = {
        f"{telling.value}: further away than with {harmless.value}": [
            (each.text, each.changed[harmless], each.changed[telling], each.file)
            for each in functions
            if harmless in each.changed and telling in each.changed
        ]
        for harmless in (Mutation.RENAME, Mutation.STRIP)
        for telling in TELLING
    }
    asked["a copy with other names: nearer than another function of its file"] = [
        (a.text, a.logic or "", b.text, a.file) for a, b in _neighbours(functions, seed)
    ]
    for name, compared in asked.items():
        if not compared:
            continue
        texts, same, other, files = zip(*compared, strict=True)
        values = {}
        for way in ways:
            near, far = way.pairs(texts, same), way.pairs(texts, other)
            values[way.configuration] = (near > far) + 0.5 * (near == far)
        yield CodeTask(name, 0, _verdict(values, files, NEARER, seed))


def _neighbours(
    functions: Sequence[SampledFunction], seed: int
) -> list[tuple[SampledFunction, SampledFunction]]:
    """Pair each function that can be copied without its names with another one of its file."""
    generator = np.random.default_rng(seed)
    by_file: dict[str, list[SampledFunction]] = {}
    for each in functions:
        by_file.setdefault(each.file, []).append(each)
    pairs = []
    for each in functions:
        others = [one for one in by_file[each.file] if one is not each]
        if others and each.logic:
            pairs.append((each, others[int(generator.integers(len(others)))]))
    return pairs


def _distributions(
    functions: Sequence[SampledFunction], ways: Sequence[Likeness], seed: int
) -> Iterable[Distribution]:
    drawn = np.random.default_rng(seed).integers(0, len(functions), (UNRELATED, 2)).tolist()
    relations: dict[str, list[tuple[str, str]]] = {
        RELATED_BY_CHANCE: [
            (functions[a].text, functions[b].text) for a, b in drawn if functions[a].file != functions[b].file
        ],
        SAME_FILE: [(a.text, b.text) for a, b in _neighbours(functions, seed)],
        "docstring and function": [(each.docstring, each.body) for each in functions if each.docstring],
        "two halves": [each.halves for each in functions],
        "names and function": [(each.names, each.text) for each in functions if each.names],
        **{
            m.value: [(each.text, each.changed[m]) for each in functions if m in each.changed]
            for m in Mutation
        },
    }
    for way in ways:
        for relation, pairs in relations.items():
            if pairs:
                found = way.pairs([a for a, _ in pairs], [b for _, b in pairs])
                quantiles = tuple(float(value) for value in np.quantile(found, QUANTILES))
                yield Distribution(way.configuration, relation, len(pairs), quantiles)


def _verdict(values: Mapping[str, Floats], clusters: Sequence[str], measure: str, seed: int) -> Verdict:
    """Decide on the experiment of a task; BM25 is what gains are shown against."""
    reference = next(iter(values))
    experiment = Experiment.from_values(values, default=reference, clusters=clusters, measure=measure)
    return decide(experiment, seed=seed, draws=DRAWS)

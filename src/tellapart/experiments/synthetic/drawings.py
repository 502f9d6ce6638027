"""Measuring on synthetic queries: where a corpus offers few, further ones are drawn with other seeds."""

from __future__ import annotations

from collections.abc import Mapping

from tellapart.engine import Index
from tellapart.experiments.arms import Arms
from tellapart.experiments.experiment import Experiment
from tellapart.experiments.measures import Measure
from tellapart.experiments.query_set import QuerySet
from tellapart.experiments.running import run_texts
from tellapart.experiments.synthetic.generate import generate
from tellapart.progress import Progress, silent

ENOUGH = 300
"""Queries from which on one drawing is enough: a small corpus offers one or two for each of its documents, too few
to see even large differences (46 for 46 documents of limit-small). Our choice, not measured."""

ROUNDS = 5
"""Drawings at most."""


def run_synthetic(
    index: Index,
    arms: Arms,
    measure: Measure | None = None,
    *,
    seed: int = 0,
    query_log: Mapping[str, str] | None = None,
    language_model: str | None = None,
    progress: Progress = silent,
) -> Experiment:
    """Make queries from the corpus and ask them of all arms, each drawing in its own masked copy of the index.

    `query_log` and `language_model` are those of `generate`. Where the corpus offers no query the experiment has none,
    and its query set's notes say why.
    """
    parts: list[Experiment] = []
    known: set[tuple[str, str]] = set()
    while len(parts) < ROUNDS and len(known) < ENOUGH:
        made = generate(
            index,
            seed=seed + len(parts),
            encoders=arms.encoders,
            query_log=query_log,
            language_model=language_model if not parts else None,
            progress=progress,
        )
        fresh = _fresh(made.query_set, known, len(parts))
        if not fresh.queries:
            return Experiment.joined(parts) if parts else Experiment.without_queries(fresh, arms, measure)
        with made.masked_index(progress=progress) as masked:
            parts.append(run_texts(masked, fresh, arms, measure, progress))
        known |= {(text, fresh.cluster(query)) for query, text in fresh.queries.items()}
    return Experiment.joined(parts)


def _fresh(made: QuerySet, known: set[tuple[str, str]], drawing: int) -> QuerySet:
    """Only the queries that did not come before for the same document, with ids that no other drawing has."""
    names = {
        query: query if drawing == 0 else f"{query}+{drawing}"
        for query, text in made.queries.items()
        if (text, made.cluster(query)) not in known
    }
    return made.renamed(names)

"""A verdict: which configuration to use, and on what evidence, as plain values; its JSON; and how an index keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from types import MappingProxyType
from typing import Any

from tellapart.arguments import need
from tellapart.engine import Index
from tellapart.engine.configuration import Configuration
from tellapart.engine.records import (
    VerdictRecord,
    corpus_state,
    examples_record,
    generation_with,
    write_records,
)
from tellapart.engine.results import frame_of
from tellapart.errors import TellapartError
from tellapart.experiments.entropy import EntropyRule
from tellapart.experiments.experiment import Cost
from tellapart.experiments.posterior.choice import Contender, ExpectedGain, WeightGain
from tellapart.experiments.query_set import Provenance
from tellapart.experiments.verdict_json import verdict_json
from tellapart.index.catalogue import VERDICT

EVALUATION = "evaluation"
"""Name of the record that holds all that was measured, as `evaluate --json` prints it."""


def described(name: str, configuration: Configuration) -> str:
    """Give a finding's name with the parameters that were chosen: `minilm/paragraph/hybrid (weight 0.5)`."""
    return configuration.described if configuration.parameters.shown() else name


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference of means with its interval; `p` is Holm-corrected over the grid."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class LengthBin:
    """Mean quality over the queries whose gold is a unit of `shortest` to `longest` characters."""

    shortest: int
    longest: int
    queries: int
    mean: float


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """What the queries of one source show: mean value by finding, and the words they share with their answer.

    `overlap` is the mean share of a query's terms that stand in the unit it asks for (None for judged queries):
    where it is high, the source favours rankers by words.
    """

    name: str
    queries: int
    overlap: float | None
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One configuration measured.

    `name` is the configuration's own, with ` tuned` behind it where its parameters were chosen here:
    `per_query` then holds cross-fitted values (each query scored with what the other folds chose), and the
    configuration the parameters chosen on all queries. `low` and `high` bound the mean. `vs_bm25` and
    `vs_default` are None for the reference and the default themselves. `tied_with_best` = not separated from
    the best mean after Holm; `non_inferior` = at most .01 below it at 95 %. `span_recall` is the mean share of
    the gold passages read within 1,000 tokens, `per_query_spans` its values; None and empty without passages.
    `gain` is what it is expected to gain over the default on people's queries; None for the default itself.
    """

    name: str
    configuration: Configuration
    mean: float
    low: float
    high: float
    vs_bm25: Difference | None
    vs_default: Difference | None
    tied_with_best: bool
    non_inferior: bool
    per_query: Mapping[str, float]
    cost: Cost
    span_recall: float | None = None
    per_query_spans: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    lengths: tuple[LengthBin, ...] = ()
    gain: ExpectedGain | None = None


@dataclass(frozen=True, slots=True)
class CompressionFinding:
    """What keeping vectors in fewer dimensions or bits does to quality, size and time.

    `spec` is what `index --compress` takes, `dim` the dimensions that are left. `means` are by configuration (the one
    in use, and nearest neighbours alone), `differences` those from whole vectors, paired, p by Holm over all
    compressions; empty for whole vectors themselves. `bytes_kept` counts the vectors of the compared units on disk with
    their codes, `bytes_read` what a search reads of them. `vectors_ms` is the time of searching the vectors,
    `query_ms` that of a whole search. `found` is the share of the first ten units that the search finds (codes may
    overlook some). `as_good`: in all configurations at most .01 below whole vectors at 95 %, like all that keep more.
    """

    spec: str
    dim: int
    means: Mapping[str, float]
    differences: Mapping[str, Difference]
    bytes_kept: int
    bytes_read: int
    vectors_ms: float
    query_ms: float
    found: float
    as_good: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which configuration to use, and on what evidence.

    Attributes:
        measure: Spelling of the measure.
        provenance: Who says what is relevant: people, the corpus, or examples.
        sources: What the queries were made from.
        corpus: Fingerprint of the documents.
        corpus_sketch: Says how alike another corpus is.
        queries: Ids of the queries that count, in order.
        independent: How many groups of dependent queries (`clusters`) they form.
        findings: One for each arm.
        choice: Name of the arm to use.
        default: Name of the arm that is used without a verdict.
        reference: Name of the arm that gains are shown against, usually plain BM25.
        suggested: Where the default stays, name of the arm that is expected to gain most; None where none is.
        optimism: How much the best mean overstates what choosing it brings on new queries.
        transfer_error: How far the expected gain of the arm ahead is off in half of the cases, where only synthetic
            queries were asked; None for judged ones.
        detectable_difference: What these queries would show between the default and its closest rival in 80 % of
            trials, at the level that the test uses after Holm's correction.
        needed_for_half: How many independent queries half of that would take.
        reason: Why, in a sentence.
        notes: What else a reader must know.
        by_source: What the queries of each source show.
        clusters: Label of the group of dependent queries by query id.
        weights: Expected gain over the default by the weight of the vectors; empty where the default is no hybrid.
        contenders: What is worth judging next (`judge` asks for it), the default first.
        entropy: What an entropy rule says about that weight; None where the default is no hybrid.
        compressions: What fewer dimensions and bits cost, whole vectors first; empty where nobody asked.
    """

    measure: str
    provenance: Provenance
    sources: tuple[str, ...]
    corpus: str
    corpus_sketch: tuple[int, ...]
    queries: tuple[str, ...]
    independent: int
    findings: tuple[Finding, ...]
    choice: str
    default: str
    reference: str
    suggested: str | None
    optimism: float
    transfer_error: float | None
    detectable_difference: float
    needed_for_half: int
    reason: str
    notes: tuple[str, ...] = ()
    by_source: tuple[SourceFinding, ...] = ()
    clusters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    weights: tuple[WeightGain, ...] = ()
    contenders: tuple[Contender, ...] = ()
    entropy: EntropyRule | None = None
    compressions: tuple[CompressionFinding, ...] = ()

    @property
    def smallest(self) -> CompressionFinding | None:
        """The compression with the fewest bytes that is as good as whole vectors; None where nobody asked."""
        good = [each for each in self.compressions if each.as_good]
        return min(good, key=lambda each: each.bytes_kept) if good else None

    @property
    def kept_default(self) -> bool:
        """Whether the choice is the default."""
        return self.choice == self.default

    def finding(self, name: str) -> Finding:
        """Give the finding of an arm by its name.

        Raises:
            TellapartError: There is no such arm.
        """
        for each in self.findings:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.findings)
        raise TellapartError(f"the verdict has no finding {name!r}: choose one of {known}")

    @property
    def chosen(self) -> Finding:
        """The finding of the choice."""
        return self.finding(self.choice)

    @property
    def best(self) -> Finding:
        """The finding with the highest mean; the first of equals."""
        return max(self.findings, key=lambda finding: finding.mean)

    def ranked(self) -> list[Finding]:
        """Findings by mean, the best first."""
        return sorted(self.findings, key=lambda each: (-each.mean, each.name))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give a row of plain values for each finding, the best mean first."""
        return [
            {
                "configuration": each.name,
                "mean": each.mean,
                "low": each.low,
                "high": each.high,
                "vs_bm25": None if each.vs_bm25 is None else each.vs_bm25.difference,
                "vs_default": None if each.vs_default is None else each.vs_default.difference,
                "p_default": None if each.vs_default is None else each.vs_default.p,
                "expected_gain": None if each.gain is None else each.gain.expected,
                "tied_with_best": each.tied_with_best,
                "query_ms": each.cost.query_ms,
                "chosen": each.name == self.choice,
            }
            for each in self.ranked()
        ]

    def to_frame(self) -> Any:  # noqa: ANN401
        """Give the rows of `to_dicts` as a data frame: of pandas if it is installed, else of polars.

        Raises:
            TellapartError: Neither is installed.
        """
        return frame_of(self.to_dicts())

    def to_json(self) -> dict[str, Any]:
        """Give the documented shape (schema 1); figures that do not exist (one query has no interval) are None."""
        return verdict_json(self)

    def _repr_html_(self) -> str:
        """Show the sentence and the intervals in a notebook as the page does."""
        from tellapart.pages import notebook

        rows = [
            (
                "choice" if row["chosen"] else "tied" if row["tied_with_best"] else "behind",
                row["configuration"],
                row["mean"],
                row["low"],
                row["high"],
            )
            for row in self.to_dicts()
        ]
        said = f'<p>{escape(self.reason)}</p><p class="status">{escape(self.measure)}</p>'
        return notebook.framed(said + notebook.intervals(rows))

    def keep(self, index: Index) -> None:
        """Let searches of an index follow this verdict, in place of the one that it holds.

        A verdict on values that were measured elsewhere names no corpus: it is kept for the documents as they are now.

        Raises:
            TellapartError: The index cannot be written, lacks the encoder of the choice, or holds other documents than
                were measured.
        """
        need(index, Index, "index", "an open tellapart.Index")
        configuration = self.chosen.configuration
        encoder = configuration.encoder
        with index.reading() as snapshot:
            state = corpus_state(index.store)
            if encoder is not None and encoder not in snapshot.encoders:
                raise snapshot.unknown_encoder(encoder)
            if self.corpus and state.fingerprint != self.corpus:
                raise TellapartError(
                    f"the index {index.place} changed meanwhile: run 'tellapart evaluate' again"
                )
            kept = VerdictRecord(
                configuration,
                self.reason,
                state,
                None if encoder is None else snapshot.encoders[encoder].fingerprint,
                datetime.now(UTC).isoformat(timespec="seconds"),
                generation_with(index.store),
            )
        if self.provenance is Provenance.EXAMPLES:
            records = {examples_record(str(encoder), configuration.granularity): kept.encode()}
        else:
            records = {VERDICT: kept.encode(), EVALUATION: json.dumps(self.to_json())}
        write_records(index.store, records)

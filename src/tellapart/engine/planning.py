"""What `auto` means: from a request to one configuration, whether words, examples or both are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tellapart.corpus.document import KIND_OF, LEVELS, Granularity, Kind
from tellapart.encoders.load import PIXELS
from tellapart.encoders.shelf import fetched
from tellapart.engine.configuration import Configuration, parse_granularities, present_levels
from tellapart.engine.examples import are_images, is_single_unit
from tellapart.engine.records import CheckedVerdict, VerdictRecord, examples_record
from tellapart.engine.request import AUTO, SearchRequest
from tellapart.errors import TellapartError
from tellapart.index.latent import LSA
from tellapart.index.reading import DocumentStore
from tellapart.index.settings import kept_settings
from tellapart.index.snapshot import Snapshot
from tellapart.rankers.registry import EXAMPLE_RANKERS, LEXICAL_ONLY, RANKERS, WITHOUT_VECTORS, Parameters
from tellapart.rankers.structure_weights import stages

PREFERRED_ENCODER = "minilm"
WEIGHTLESS = frozenset({LSA, PIXELS})

BY_EXAMPLES = "ridge"
"""Ranks by examples unless this corpus was measured to want another: three examples of judged documents found .033
nDCG@10 more than their mean, and beside a query .027 more than Rocchio (docs/svm.md)."""

ONE_EXAMPLE = "knn"
"""Ranks by a single example: no other ranker was shown to find more there (docs/benchmarks/svm_evidence.md, rows of 1
example), and the score is a cosine, 1 for a copy."""

NO_RERANK = "none"
"""Declines the second look that a verdict asks for."""

IMAGES = (Granularity.IMAGE,)

CODE_SHARE = 1 / 3
"""Share of the documents that are files of code from which on `auto` ranks files by their structure. A
repository with its documentation is above it, notes with some scripts are below. Not measured at half or twice.
Records have no files."""

FEW_FILES = 1 / 20
"""Of so few files of code, CODE_SHARE of the words will do: a repository may keep a page of HTML for every class, or a
file for every expected output of a test. Chosen on two such repositories, not measured at half or twice."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The configuration that a search uses, and why.

    `by_examples` ranks by vectors where there are examples; `notes` says what a user should know about them.
    """

    configuration: Configuration
    why: str
    by_examples: str = BY_EXAMPLES
    notes: tuple[str, ...] = ()


class Planner:
    """Chooses the configuration of a request over one snapshot.

    What a user leaves open follows the `verdict` kept in the index, unless that is stale; otherwise the defaults.
    `sources` reads where the documents come from: only examples need it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: DocumentStore,
        sources: Callable[[], Sequence[str]] = tuple,
        verdict: CheckedVerdict | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.store = store
        self.sources = sources
        self.verdict = verdict

    def plan(self, request: SearchRequest) -> SearchPlan:
        """Choose what the user left open.

        Raises:
            TellapartError: The index does not have what was asked for.
        """
        if request.parameters.rerank == NO_RERANK:
            return _without_second_look(
                self.plan(replace(request, parameters=replace(request.parameters, rerank=None)))
            )
        if request.examples:
            return _without_second_look(self._with_examples(request))
        plan = self._verdict_or_default(request)
        chosen = plan.configuration
        if chosen.granularities != IMAGES or (request.ranker, request.encoder) != (AUTO, None):
            return plan
        return SearchPlan(
            Configuration(None, chosen.granularities, "bm25", request.parameters),
            "of images only paths and captions have words: give an image as example (--like)",
        )

    def default(self, request: SearchRequest) -> SearchPlan:
        """Choose what the user left open as if nothing had ever been evaluated."""
        ranker, encoder, parameters = request.ranker, request.encoder, request.parameters
        _check_ranker(ranker, by_examples=bool(request.examples))
        asked = parse_granularities(request.granularity) if request.granularity else ()
        if encoder and encoder not in self.snapshot.encoders:
            raise self.snapshot.unknown_encoder(encoder)
        if not self.snapshot.granularities:
            return SearchPlan(Configuration(None, (), "bm25", parameters), "the index is empty")
        covered = self.snapshot.encoders[encoder].granularities if encoder and not asked else ()
        levels = present_levels(asked, covered or self.snapshot.granularities)
        if ranker in LEXICAL_ONLY:
            if encoder:
                raise TellapartError(f"the ranker {ranker} uses no encoder: leave out --encoder {encoder}")
            return SearchPlan(Configuration(None, levels, ranker, parameters), "asked for")
        chosen = encoder or self._covering(levels)
        if ranker != AUTO and chosen is None and ranker not in WITHOUT_VECTORS:
            raise TellapartError(
                f"the ranker {ranker} needs vectors, which this index does not have:"
                f" add them with {self.snapshot.adding(f'--encoder {PREFERRED_ENCODER}')}"
            )
        fitted = chosen is None or (chosen == PREFERRED_ENCODER and "vectors" in stages())
        if ranker == "structure" and encoder is None and not fitted:
            chosen = None  # its second stage was fitted with one encoder: others are taken only where named
        if ranker != AUTO:
            return SearchPlan(Configuration(chosen, levels, ranker, parameters), "asked for")
        if fitted and not request.examples and self._is_code(levels):
            why = "the default for code: files by words, names and places"
            why += "; no vectors in this index" if chosen is None else ", and vectors"
            return SearchPlan(Configuration(chosen, levels, "structure", parameters), why)
        if chosen is None:
            return SearchPlan(Configuration(None, levels, "bm25", parameters), "no vectors in this index")
        why = "the default: words and vectors together"
        return SearchPlan(Configuration(chosen, levels, "hybrid", parameters), why)

    def _verdict_or_default(self, request: SearchRequest) -> SearchPlan:
        plan = self.default(request)
        if self.verdict is None or (request.ranker, request.granularity, request.encoder) != (
            AUTO,
            None,
            None,
        ):
            return plan
        if self.verdict.stale is None:
            return _followed(self.verdict.record, request.parameters)
        name = self.verdict.record.configuration.name
        why = f"{plan.why}; the verdict for {name} is stale ({self.verdict.stale}): run 'tellapart evaluate'"
        return SearchPlan(plan.configuration, why)

    def _with_examples(self, request: SearchRequest) -> SearchPlan:
        """Choose how to rank by examples: their words count too beside a query, else their vectors alone.

        A verdict on images was measured with a single one as example, and is followed to the letter then.
        """
        if request.granularity is None and are_images(
            self.snapshot, self.store, self.sources(), request.examples
        ):
            request = replace(request, granularity=Granularity.IMAGE)
        if request.ranker != AUTO:
            plan = self.default(request)
            return replace(plan, by_examples=self._ranker_of_examples(plan.configuration)[0])
        plan = self._verdict_or_default(request)
        if plan.configuration.encoder is None:  # a verdict for words alone knows nothing of examples
            plan = self.default(request)
        chosen = plan.configuration
        single = request.query is None and is_single_unit(self.store, self.sources(), request)
        measured_so = single and chosen.granularities == IMAGES and self._follows_verdict(chosen)
        if chosen.encoder is None or measured_so:
            return plan
        if single:
            nearest = Configuration(chosen.encoder, chosen.granularities, ONE_EXAMPLE, request.parameters)
            return SearchPlan(nearest, "the default for units like one example")
        side, why = self._ranker_of_examples(chosen)
        ranker = side
        if request.query is not None:
            ranker, why = "hybrid", f"{why}: words, and {side} for the examples"
        configuration = Configuration(chosen.encoder, chosen.granularities, ranker, request.parameters)
        return SearchPlan(configuration, why, side)

    def _ranker_of_examples(self, chosen: Configuration) -> tuple[str, str]:
        """Name the ranker of vectors that examples are given to, and say why; what was measured here decides.

        Where granularities disagree nothing is told.
        """
        if chosen.encoder is None:
            return BY_EXAMPLES, "no vectors are used"
        kept = [
            CheckedVerdict.of(self.store, self.snapshot, examples_record(chosen.encoder, level))
            for level in chosen.granularities
        ]
        fresh = [each.record for each in kept if each is not None and each.stale is None]
        if len({each.configuration.ranker for each in fresh}) != 1:
            return BY_EXAMPLES, "the default with examples"
        why = f"inspect measured rankers of examples on this corpus: {fresh[0].reason}"
        return fresh[0].configuration.ranker, why

    def _follows_verdict(self, chosen: Configuration) -> bool:
        return (
            self.verdict is not None
            and self.verdict.stale is None
            and replace(chosen, parameters=Parameters())
            == replace(self.verdict.record.configuration, parameters=Parameters())
        )

    def _is_code(self, levels: Sequence[Granularity]) -> bool:
        """Whether units of code are asked for and enough of the documents are files of code."""
        if not any(KIND_OF[level] is Kind.CODE for level in levels):
            return False
        share = self.snapshot.names.share_of_code
        return share >= CODE_SHARE or (share >= FEW_FILES and self._share_of_words() >= CODE_SHARE)

    def _share_of_words(self) -> float:
        """Share of all words that stand in code; of the largest units, where each path counts once a document."""
        words = {Kind.CODE: 0.0, Kind.PROSE: 0.0}
        for kind in words:
            for level in [each for each in LEVELS[kind] if each in self.snapshot.granularities][-1:]:
                lexical = self.snapshot.lexical(level)
                words[kind] = lexical.average_length * lexical.n_units
        return words[Kind.CODE] / max(sum(words.values()), 1.0)

    def _covering(self, levels: Sequence[Granularity]) -> str | None:
        """Name an encoder that covers all these levels.

        The one that `migrate` put to use comes first, then the bundled one; those without weights last.
        """
        used = self.snapshot.in_use
        names = sorted(
            self.snapshot.encoders,
            key=lambda name: (name != used, name in WEIGHTLESS, name != PREFERRED_ENCODER, name),
        )
        return next((n for n in names if all(self.snapshot.has_vectors(n, level) for level in levels)), None)


def _check_ranker(ranker: str, *, by_examples: bool) -> None:
    if ranker in EXAMPLE_RANKERS and not by_examples:
        raise TellapartError(f"the ranker {ranker} ranks by examples: name some with --like")
    if ranker == "structure" and by_examples:
        raise TellapartError(
            "the ranker structure answers a query: leave out --like and --unlike, or --ranker"
        )
    known = (AUTO, *RANKERS, *(EXAMPLE_RANKERS if by_examples else ()))
    if ranker not in known:
        more = "" if by_examples else f"; with --like: {', '.join(EXAMPLE_RANKERS)}"
        raise TellapartError(f"unknown ranker {ranker!r}: choose one of {', '.join(known)}{more}")


def _followed(record: VerdictRecord, parameters: Parameters) -> SearchPlan:
    """Take the verdict's configuration; parameters that the user gave win over tuned ones.

    A cross-encoder that is not on this machine is left out, and the reason says so.
    """
    tuned, why = record.configuration.parameters, f"the verdict of {record.made[:10]}: {record.reason}"
    absent = tuned.rerank is not None and ":" not in tuned.rerank and fetched(tuned.rerank) is None
    if absent and parameters.rerank is None:
        why += f"; without its second look: 'tellapart models add {tuned.rerank}' fetches what that needs"
        tuned = replace(tuned, rerank=None, depth=None, rerank_ms=None)
    return SearchPlan(replace(record.configuration, parameters=parameters.over(tuned)), why)


def _without_second_look(plan: SearchPlan) -> SearchPlan:
    """Leave out the cross-encoder: it was declined, or there is no query that it could read."""
    chosen = plan.configuration
    parameters = replace(chosen.parameters, rerank=None, depth=None, rerank_ms=None)
    return replace(plan, configuration=replace(chosen, parameters=parameters))


def about_vectors(snapshot: Snapshot, chosen: Configuration, store: DocumentStore) -> tuple[str, ...]:
    """Say what a user should know about the vectors that a search looks at: not all there, or a stand-in."""
    if chosen.encoder is None:
        return ()
    globs = kept_settings(store).vectors_for
    notes = [only_some(globs)] if globs else []
    share = snapshot.coverage(chosen.encoder, *chosen.granularities)
    if share < 1 and chosen.granularities:
        notes.append(
            f"{share:.0%} of the units have vectors so far, the others are found by their words only:"
            f" {snapshot.adding()} goes on"
        )
    if Granularity.SENTENCE in chosen.granularities and (
        Granularity.SENTENCE in snapshot.encoders[chosen.encoder].pooled
    ):
        notes.append(
            "the vectors of sentences are pooled from their paragraphs':"
            f" {snapshot.adding('--encode sentence')} encodes each by itself"
        )
    return tuple(notes)


def only_some(globs: Sequence[str]) -> str:
    """Say which documents have vectors where not all do."""
    return f"only documents that match {' or '.join(globs)} have vectors (index --vectors-for), others words only"

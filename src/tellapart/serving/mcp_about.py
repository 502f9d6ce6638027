"""What the MCP tools that tell of the index answer: its state, its evaluation, why a unit has its place."""

from __future__ import annotations

from dataclasses import asdict

from tellapart.engine.status import index_status
from tellapart.serving.explaining import explain
from tellapart.serving.jobs import JobState
from tellapart.serving.mcp_models import (
    ComparedConfiguration,
    EvaluationAnswer,
    ExplanationAnswer,
    StatusAnswer,
)
from tellapart.serving.projects import Project
from tellapart.serving.units import locate


def status(project: Project) -> StatusAnswer:
    """Say what is indexed and what is going on."""
    folder, root = project.shared.place, str(project.root)
    if not project.searchable:
        return StatusAnswer(
            summary=indexing_summary(project),
            state="indexing",
            index=folder,
            root=root,
            working_on=working_on(project),
        )
    with project.shared.use() as index:
        state = index_status(index)
    encoders = [encoder.name for encoder in state.encoders]
    with_vectors = f"vectors of {', '.join(encoders)}" if encoders else "words only"
    age = f"{state.changed_sources} changed since" if state.changed_sources else "nothing changed since"
    return StatusAnswer(
        summary=f"{state.documents:,} documents, {with_vectors}, indexed {state.updated or 'never'}, {age}",
        state="ready",
        index=folder,
        root=root,
        documents=state.documents,
        skipped=state.skipped,
        units=state.units,
        encoders=encoders,
        updated=state.updated,
        changed_sources=state.changed_sources,
        working_on=working_on(project),
        verdict=state.verdict.reason if state.verdict else None,
    )


def evaluated(job: JobState) -> EvaluationAnswer:
    """Say what an evaluation found, or how far it is."""
    if job.state == "failed":
        return EvaluationAnswer(summary=f"the evaluation failed: {job.error}", state="failed")
    if job.result is None:
        of = f"{job.done:,} of {job.total:,}" if job.total else ""
        return EvaluationAnswer(
            summary=f"running: {job.step or 'starting'} {of}".rstrip()
            + "; call evaluate again to see the result",
            state="running",
        )
    found = job.result
    configurations = [
        ComparedConfiguration(
            name=each["name"],
            mean=each["mean"],
            low=each["low"],
            high=each["high"],
            tied_with_best=each["tied_with_best"],
            query_ms=each["cost"]["query_ms"],
        )
        for each in found["configurations"]
    ]
    return EvaluationAnswer(
        summary=f"{found['choice']}: {found['reason']}",
        state="done",
        measure=found["measure"],
        queries=found["queries"],
        choice=found["choice"],
        reason=found["reason"],
        configurations=sorted(configurations, key=lambda each: -(each.mean or 0.0))[:12],
        notes=found["notes"],
    )


def explanation(project: Project, query: str, name: str) -> ExplanationAnswer:
    """Say why a unit has its score for a query."""
    with project.shared.use() as index:
        unit = locate(index, name)
        why = explain(index, query, unit)
    strong = ", ".join(word.word for word in why.words[:5] if word.weight > 0) or "no word of the query"
    near = ""
    if why.cosine is not None and why.cosine_percentile is not None and why.unrelated_cosine is not None:
        side = "above" if why.cosine > why.unrelated_cosine else "below"
        near = (
            f"; cosine {why.cosine:.2f}, higher than {why.cosine_percentile:.1%} of the units,"
            f" {side} what 99 % of unrelated pairs reach ({why.unrelated_cosine:.2f})"
        )
    return ExplanationAnswer(
        summary=f"rank {why.rank:,} of {why.of:,} by {why.configuration}; words: {strong}{near}",
        path=unit.stored.document.id,
        lines=unit.lines,
        granularity=unit.granularity,
        **asdict(why),
    )


def indexing_summary(project: Project) -> str:
    """One line on how far the first indexing is."""
    work = project.work
    far = f" ({work.done:,} of {work.total:,} files)" if work is not None and work.total else ""
    return f"indexing {project.root}{far}: ask again in a few seconds; nothing can be found before that"


def working_on(project: Project) -> str | None:
    """What goes on in the background."""
    if project.work is not None:
        return f"{project.work.label}: {project.work.done:,} of {project.work.total or '?'}"
    return "making vectors" if project.encoding else None


def state_notes(project: Project) -> list[str]:
    """What a caller should know about the state of the index."""
    notes = []
    if project.encoding:
        notes.append("vectors are being made: so far the words decide")
    if project.stale:
        notes.append("files changed and the index is being refreshed: this answer is from before")
    if project.failure is not None:
        notes.append(f"the index could not be refreshed: {project.failure}")
    return notes

"""The MCP server: search and its evidence as tools for agents, over stdio or streamable HTTP (SDK `mcp` 2.x)."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field, ValidationError

from tellapart.errors import TellapartError
from tellapart.serving import mcp_about as about
from tellapart.serving import mcp_answers as answers
from tellapart.serving.jobs import Jobs, evaluation
from tellapart.serving.mcp_arguments import (
    DEFAULT_TOKENS,
    Budget,
    Level,
    Name,
    Offset,
    Repo,
    SnippetLines,
    TopK,
    Where,
)
from tellapart.serving.mcp_models import (
    ContextAnswer,
    EvaluationAnswer,
    ExplanationAnswer,
    SearchAnswer,
    StatusAnswer,
    UnitAnswer,
    as_text,
)
from tellapart.serving.mistakes import describe_mistakes
from tellapart.serving.projects import Project, Projects

BUILD_PATIENCE = 20.0
"""Seconds a first search waits for the index of words: clients give up after 60, some after 30."""

REFRESH_PATIENCE = 3.0
"""Seconds a search waits for changes to be taken over; then it answers from before and says so."""

EVALUATION_PATIENCE = 20.0
TICK = 0.2

INSTRUCTIONS = (
    "Search code and documents of this machine by words and by meaning. Start with `search`: ask in your own words or"
    " with an identifier; hits carry path, lines and text, so that opening the file is seldom needed. `context` gives"
    " passages that answer a question, to be cited by number. `get` shows the rest of a unit and what it lies in,"
    " `find_related` finds what is like it. An answer that says 'nothing relevant'"
    " means that: do not guess. `status` tells how old the index is, `evaluate` measures which way of searching works"
    " best here, `explain_score` says why a hit has its place."
)

Answer = Callable[..., Awaitable[CallToolResult]]


def make_server(projects: Projects) -> MCPServer[None]:
    """Build the server over some projects; it serves both transports and many clients at once."""
    return MCPServer(
        "tellapart",
        title="tellapart",
        instructions=INSTRUCTIONS,
        version=version("tellapart"),
        tools=[_strict(tool) for tool in (*_finding(projects), *_telling_of(projects, Jobs()))],
        log_level="WARNING",
    )


def _finding(projects: Projects) -> tuple[Answer, ...]:
    """Make the tools that give texts of the corpus."""

    async def search(
        query: Annotated[str, Field(min_length=1, max_length=20_000, description="What to look for.")],
        ctx: Context,
        repo: Repo = None,
        top_k: TopK = 5,
        mode: Annotated[
            Literal["auto", "words", "meaning", "exact", "regex"],
            Field(
                description="auto: what works best here; words: these words; meaning: other words too;"
                " exact: this very text; regex: a regular expression (Python's)."
            ),
        ] = "auto",
        content: Annotated[
            Literal["all", "code", "docs"], Field(description="Only code, or only documents.")
        ] = "all",
        where: Where = [],  # noqa: B006 - pydantic copies it
        granularity: Level = None,
        rerank: Annotated[
            str | None,
            Field(
                description="A cross-encoder that looks again at the first hits (slower): one of"
                " 'tellapart models'; none: no second look. Default: as the verdict says."
            ),
        ] = None,
        max_snippet_lines: SnippetLines = None,
        max_tokens: Budget = DEFAULT_TOKENS,
        offset: Offset = 0,
    ) -> Annotated[CallToolResult, SearchAnswer]:
        """Find what answers a query: code and documents, with path, lines and text, best first."""
        project, inside = await _find(projects, repo)
        if not await _ready(project, ctx):
            return _result(answers.still_indexing(project, SearchAnswer))
        return await _call(
            answers.search,
            project,
            projects.roots,
            query,
            mode=mode,
            content=content,
            where=(*where, *inside),
            granularity=granularity,
            rerank=rerank,
            top_k=top_k,
            offset=offset,
            max_tokens=max_tokens,
            max_snippet_lines=max_snippet_lines,
        )

    async def context(
        question: Annotated[
            str, Field(min_length=1, max_length=20_000, description="What is to be answered.")
        ],
        ctx: Context,
        repo: Repo = None,
        where: Where = [],  # noqa: B006 - pydantic copies it
        max_tokens: Budget = DEFAULT_TOKENS,
        always: Annotated[
            bool, Field(description="Give the nearest passages even where nothing answers.")
        ] = False,
    ) -> Annotated[CallToolResult, ContextAnswer]:
        """Give the passages that answer a question, numbered to be cited, within a budget; or say that none does."""
        project, inside = await _find(projects, repo)
        if not await _ready(project, ctx):
            return _result(answers.still_indexing(project, ContextAnswer))
        return await _call(
            answers.context,
            project,
            projects.roots,
            question,
            where=(*where, *inside),
            max_tokens=max_tokens,
            always=always,
        )

    async def find_related(
        file_path: Name,
        ctx: Context,
        line: Annotated[int | None, Field(ge=1, description="Line in that file, from 1.")] = None,
        repo: Repo = None,
        top_k: TopK = 5,
        max_snippet_lines: SnippetLines = None,
        max_tokens: Budget = DEFAULT_TOKENS,
        offset: Offset = 0,
    ) -> Annotated[CallToolResult, SearchAnswer]:
        """Find code or text like the unit at a place: other implementations, copies, callers that look alike."""
        project, _ = await _find(projects, repo)
        if not await _ready(project, ctx):
            return _result(answers.still_indexing(project, SearchAnswer))
        return await _call(
            answers.find_related,
            project,
            projects.roots,
            file_path if line is None else f"{file_path}:{line}",
            top_k=top_k,
            offset=offset,
            max_tokens=max_tokens,
            max_snippet_lines=max_snippet_lines,
        )

    async def get(
        id: Name,
        ctx: Context,
        repo: Repo = None,
        granularity: Level = None,
        first_line: Annotated[
            int | None, Field(ge=1, description="Begin at this line of the document.")
        ] = None,
        max_tokens: Budget = DEFAULT_TOKENS,
    ) -> Annotated[CallToolResult, UnitAnswer]:
        """Show a unit in full with the units around it (its class and file, its section and document)."""
        project, _ = await _find(projects, repo)
        await _built(project, ctx)
        return await _call(
            answers.get,
            project,
            projects.roots,
            id,
            granularity=granularity,
            first_line=first_line,
            max_tokens=max_tokens,
        )

    return search, context, find_related, get


def _telling_of(projects: Projects, jobs: Jobs) -> tuple[Answer, ...]:
    """Make the tools that tell of the index and of its ways of searching."""

    async def status(ctx: Context, repo: Repo = None) -> Annotated[CallToolResult, StatusAnswer]:
        """Say what is indexed, how old it is, what is going on, and which verdict search follows."""
        project, _ = await _find(projects, repo)
        project.begin()
        await _wait(project, ctx, TICK)
        return await _call(about.status, project)

    async def evaluate(
        ctx: Context,
        repo: Repo = None,
        restart: Annotated[bool, Field(description="Measure again although there is a result.")] = False,
    ) -> Annotated[CallToolResult, EvaluationAnswer]:
        """Measure which encoder, granularity and ranker find most here, with intervals; takes minutes: call again."""
        project, _ = await _find(projects, repo)
        await _built(project, ctx)
        subject = project.shared.place
        job = jobs.latest(subject)
        if job is None or (restart and job.state != "running"):
            job = jobs.start(subject, evaluation(project.shared.folder, keep=False))
        until = time.monotonic() + EVALUATION_PATIENCE
        while job.state == "running" and time.monotonic() < until:
            await ctx.report_progress(job.done, job.total, job.step)
            await anyio.sleep(TICK)
        return _result(about.evaluated(job))

    async def explain_score(
        query: Annotated[
            str, Field(min_length=1, max_length=20_000, description="The query as searched for.")
        ],
        id: Name,
        ctx: Context,
        repo: Repo = None,
    ) -> Annotated[CallToolResult, ExplanationAnswer]:
        """Say why a unit has its place for a query: its rank, the words that count, how near its vector is."""
        project, _ = await _find(projects, repo)
        await _built(project, ctx)
        return await _call(about.explanation, project, query, id)

    return status, evaluate, explain_score


class _PlainTool(Tool):
    """A tool that says in one line what is wrong with its arguments, and which there are."""

    async def run(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            return await super().run(*args, **kwargs)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = [{**each, "loc": ("arguments", *each["loc"])} for each in error.__cause__.errors()]
            known = ", ".join(self.parameters["properties"])
            raise ToolError(f"{describe_mistakes(wrong)} ({self.name} takes {known})") from None


def _strict(function: Answer) -> Tool:
    """Make a tool that refuses arguments it does not know, which the SDK drops without a word."""
    tool = _PlainTool.from_function(
        _telling(function),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    model = tool.fn_metadata.arg_model
    model.model_config["extra"] = "forbid"
    model.model_rebuild(force=True)
    tool.parameters = model.model_json_schema(by_alias=True)
    return tool


def _telling(function: Answer) -> Answer:
    """Raise a user's mistake so that the model reads it."""

    @functools.wraps(function)
    async def told(*args: Any, **kwargs: Any) -> CallToolResult:  # noqa: ANN401
        try:
            return await function(*args, **kwargs)
        except TellapartError as error:
            raise ToolError(str(error)) from error

    return told


async def _find(projects: Projects, repo: str | None) -> tuple[Project, tuple[str, ...]]:
    return await anyio.to_thread.run_sync(projects.find, repo)


async def _call(function: Callable[..., BaseModel], *args: Any, **kwargs: Any) -> CallToolResult:  # noqa: ANN401
    return _result(await anyio.to_thread.run_sync(functools.partial(function, *args, **kwargs)))


def _result(answer: BaseModel) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=as_text(answer))],
        structured_content=answer.model_dump(mode="json"),
    )


async def _ready(project: Project, ctx: Context) -> bool:
    """Bring the index up to date as far as patience goes; False where nothing can be searched yet."""
    project.begin()
    searchable = await anyio.to_thread.run_sync(lambda: project.searchable)
    await _wait(project, ctx, REFRESH_PATIENCE if searchable else BUILD_PATIENCE)
    if not searchable and project.failure is not None:
        raise project.failure
    return await anyio.to_thread.run_sync(lambda: project.searchable)


async def _built(project: Project, ctx: Context) -> None:
    if not await _ready(project, ctx):
        raise TellapartError(about.indexing_summary(project))


async def _wait(project: Project, ctx: Context, seconds: float) -> None:
    """Wait while the project is busy, telling how far it is."""
    until = time.monotonic() + seconds
    told = 0.0
    while project.busy and time.monotonic() < until:
        work = project.work
        if work is not None and time.monotonic() - told >= TICK:
            told = time.monotonic()
            await ctx.report_progress(work.done, work.total, work.label)
        await anyio.sleep(0.01)

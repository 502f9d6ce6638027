"""What the HTTP API takes and gives: the shapes behind its OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tellapart.engine.context import Passage
from tellapart.engine.results import Hit
from tellapart.serving.highlighting import SyntaxPiece
from tellapart.serving.units import EnclosingUnit

MOST_HITS = 1_000
MOST_TEXTS = 512
"""Texts of one request to embed or to order."""

Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Names = Annotated[list[Text], Field(max_length=200)]
IndexName = Annotated[
    str | None, Field(default=None, description="Which index, where several are served. Default: the first.")
]

RerankName = Annotated[
    str | None,
    Field(
        default=None,
        min_length=1,
        max_length=200,
        description="A cross-encoder that looks again at the first hits (ms-marco-minilm, or another of"
        " `tellapart models`); `none`: no second look. Default: as the verdict says.",
    ),
]


class Body(BaseModel):
    """A request; a field it does not know is refused by name."""

    model_config = ConfigDict(extra="forbid")


class SearchBody(Body):
    """A search by words, by examples, or both."""

    query: Text | None = Field(default=None, examples=["how are retries handled"])
    like: Names = Field(
        default_factory=list, description="Examples: a file, FILE:LINE, the id of a unit, or a folder."
    )
    unlike: Names = Field(default_factory=list, description="Counter-examples, given in the same ways.")
    k: int = Field(default=10, ge=1, le=MOST_HITS)
    ranker: str = "auto"
    granularity: str | None = None
    encoder: str | None = None
    where: Names = Field(default_factory=list, description="Conditions on documents that must all hold.")
    rerank: RerankName = None
    index: IndexName = None


class RelatedBody(Body):
    """Units like the one at a line of a document, or documents like the whole of it."""

    document: Text
    line: int | None = Field(default=None, ge=1)
    k: int = Field(default=10, ge=1, le=MOST_HITS)
    granularity: str | None = None
    where: Names = []
    index: IndexName = None


class ContextBody(Body):
    """Passages for a language model."""

    query: Text
    tokens: int = Field(default=1_000, ge=50, le=100_000)
    where: Names = []
    always: bool = Field(default=False, description="Give the nearest passages even where nothing answers.")
    index: IndexName = None


class ExplainBody(Body):
    """Why a unit has its place for a query."""

    query: Text
    id: Text
    ranker: str = "auto"
    index: IndexName = None


class EvaluateBody(Body):
    """An evaluation on queries made from the corpus itself, or on those that somebody judged."""

    keep: bool = Field(default=False, description="Let searches follow the verdict.")
    judged: str | None = Field(
        default=None, max_length=100, description="A session of judging by hand, whose judgements decide."
    )
    index: IndexName = None


class HighlightBody(Body):
    """Units of code to be shown in colours."""

    ids: Names
    index: IndexName = None


class HighlightedShape(BaseModel):
    """The pieces of each unit by its id; none for what is no code."""

    units: dict[str, list[SyntaxPiece]]


class EmbeddingsBody(BaseModel):
    """As OpenAI's: other fields are taken and not used, since its clients send some."""

    model: str = Field(examples=["minilm"])
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["query", "document"] = "document"


class RerankDocument(BaseModel):
    """A text to be ordered."""

    text: str = Field(max_length=100_000)


class RerankBody(BaseModel):
    """As Cohere's and Jina's."""

    model: str = Field(examples=["minilm"])
    query: Text
    documents: Annotated[
        list[Annotated[str, Field(max_length=100_000)] | RerankDocument],
        Field(min_length=1, max_length=MOST_TEXTS),
    ]
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool = False


class ConfigurationShape(BaseModel):
    """How a query was answered."""

    encoder: str | None
    granularity: str
    ranker: str


class SearchAnswerShape(BaseModel):
    """As `search --json`, with what nobody but a server is asked: whether anything answers."""

    schema_: int = Field(alias="schema")
    query: str | None
    like: list[str]
    unlike: list[str]
    configuration: ConfigurationShape
    why: str
    calibration: dict[str, Any] | None
    certificates: list[dict[str, Any]]
    freshness: dict[str, Any] | None
    partial: str | None = Field(
        description="Which shards of a published index did not answer; null where all did."
    )
    hits: list[Hit]
    absent: str | None = Field(description="Why nothing here answers the query; null where something may.")


class ContextShape(BaseModel):
    """Passages within a budget."""

    query: str
    configuration: str
    why: str
    absent: str | None
    partial: str | None
    tokens: int
    limit: int
    tokenizer: str
    passages: list[Passage]
    text: str


class UnitShape(BaseModel):
    """A unit and what it lies in."""

    id: str
    document: str
    path: str | None
    granularity: str
    label: str
    span: tuple[int, int]
    lines: tuple[int, int]
    text: str
    parents: list[EnclosingUnit]


class JobShape(BaseModel):
    """Long work: `result` is the verdict as `evaluate --json` gives it."""

    id: str
    state: Literal["running", "done", "failed"]
    step: str
    done: int
    total: int | None
    result: dict[str, Any] | None
    error: str | None


class EmbeddingShape(BaseModel):
    """One vector, as numbers or as base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class UsageShape(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsShape(BaseModel):
    """As OpenAI's."""

    object: Literal["list"] = "list"
    data: list[EmbeddingShape]
    model: str
    usage: UsageShape


class RankedShape(BaseModel):
    """A document by its place in the request; the score is the cosine with the query."""

    index: int
    relevance_score: float
    document: RerankDocument | None = None


class RerankShape(BaseModel):
    """As Cohere's."""

    model: str
    results: list[RankedShape]


class ServedIndexShape(BaseModel):
    """An index that is served."""

    name: str
    generation: int
    documents: int
    encoders: list[str]
    granularities: list[str]


class HealthShape(BaseModel):
    """That the server answers, and what it serves."""

    status: Literal["ok"]
    version: str
    indexes: list[ServedIndexShape]
    galleries: list[str]


class ErrorShape(BaseModel):
    """What went wrong and what to do."""

    detail: str

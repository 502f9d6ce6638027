"""Arguments that several MCP tools take, as an agent reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

DEFAULT_TOKENS, MOST_TOKENS = 4_000, 20_000
"""Agents refuse answers over 25,000 tokens; theirs may count more than ours."""

Repo = Annotated[
    str | None,
    Field(
        description="Folder to search in: a repository, a worktree or a folder below. Default: where the server runs."
    ),
]
Budget = Annotated[int, Field(ge=200, le=MOST_TOKENS, description="Tokens the answer may have.")]
TopK = Annotated[int, Field(ge=1, le=50, description="How many hits at most.")]
Offset = Annotated[
    int, Field(ge=0, le=1_000, description="Skip so many hits: next_offset of the page before.")
]
SnippetLines = Annotated[
    int | None,
    Field(
        ge=0,
        le=1_000,
        description="Lines of text per hit, those that match best with their numbers; 0 gives places only."
        " Default: the whole text, as far as it fits.",
    ),
]
Where = Annotated[
    list[str],
    Field(
        description="Only documents like this, e.g. \"language = 'python' and path like 'src/%'\"; all must hold."
    ),
]
Level = Annotated[
    str | None,
    Field(
        description="sentence, paragraph, section, document; function, class, file. Default: paragraph and function."
    ),
]
Name = Annotated[str, Field(description="The id of a hit, PATH:LINE, or PATH.")]

"""A language model's question -> the unit it was shown, from any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

from tellapart.encoders.endpoint import EXCERPT, Client, Endpoint
from tellapart.experiments.synthetic.material import Material
from tellapart.experiments.synthetic.types import QueryCandidate, QuerySource
from tellapart.experiments.synthetic.words import content_words, plain

PATH = "chat/completions"
SHOWN = 4_000
"""Characters of a unit that the model sees: some 1,000 tokens, longer than nearly all paragraphs and functions."""

ANSWER_TOKENS = 200
MIN_CONTENT, MAX_WORDS = 2, 40

PROMPT = """Somebody needs the text below but does not have it and does not know how it is worded. Write the one \
search query that this person would type. Ask for what the text is about or what it does, in your own words; do not \
copy phrases or names from it. Between three and fifteen words, on one line, nothing else.

TEXT:
{text}"""


class QueryWriter:
    """Asks a model for one query per unit."""

    def __init__(self, model: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Name MODEL[@BASE-URL]; see `Endpoint.parse` for the environment that is read."""
        self._client = Client(Endpoint.parse(model, what="language model"), sleep=sleep)

    def __call__(self, material: Material, count: int) -> Iterator[QueryCandidate]:
        """Show the model some units of a document; what it answers beyond a query is left out.

        Raises:
            TellapartError: The endpoint refuses, or answers something else than a chat completion.
        """
        for unit in material.some_units(count):
            query = self._query(material.document.text[slice(*unit)])
            if content_words(query) >= MIN_CONTENT and len(query.split()) <= MAX_WORDS:
                yield QueryCandidate(QuerySource.MODEL, query, material.number, unit)

    def _query(self, text: str) -> str:
        message = {"role": "user", "content": PROMPT.format(text=text.strip()[:SHOWN])}
        body = self._client.ask(PATH, {"messages": [message], "temperature": 0, "max_tokens": ANSWER_TOKENS})
        try:
            answer = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, TypeError, IndexError):
            answer = None
        if not isinstance(answer, str):
            raise self._client.failure(
                PATH, f"not a chat completion: {body[:EXCERPT].decode('utf-8', 'replace')!r}"
            )
        return _bare(answer)


def _bare(answer: str) -> str:
    """Take the last line that says something out of quotes: a model may think aloud first."""
    lines = [plain(line) for line in answer.split("\n") if line.strip()]
    query = lines[-1] if lines else ""
    return query.removeprefix("Query:").strip().strip("\"'`").strip()

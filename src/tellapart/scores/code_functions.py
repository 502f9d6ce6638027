"""The functions of an index as `inspect --code` needs them: with and without docstring, in halves, changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent

import numpy as np

from tellapart.corpus.code.languages import Language
from tellapart.corpus.code.mutations import Mutation, mutate, names_in
from tellapart.corpus.document import Granularity, Kind
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.experiments.synthetic.from_code import docstrings
from tellapart.experiments.synthetic.material import Material
from tellapart.progress import Progress, silent

LEAST_LINES, MOST_CHARACTERS = 5, 4_000
"""Functions that are looked at: shorter ones have no halves, and of longer ones an encoder reads several windows.
Not measured."""

MOST_FUNCTIONS = 300
"""Functions drawn unless asked otherwise: intervals are then some .05 to either side, and minilm needs a minute or
two, once: its vectors are kept."""

READ_FOR_ONE = 10
"""Functions that are read for each that is drawn, of files in random order: reading all of a large repository would
take longer than asking. With so many the draw depends little on which files came first."""


@dataclass(frozen=True, slots=True)
class FunctionSample:
    """Functions drawn out of `total` different ones, which the first `read` of `files` files of code hold."""

    functions: tuple[SampledFunction, ...]
    total: int
    read: int
    files: int


@dataclass(frozen=True)
class SampledFunction:
    """A function of a code base.

    Attributes:
        name: What it is called.
        text: As it stands, moved to the left.
        body: Without what documents it.
        docstring: The first sentence of what documents it; "" where nothing does.
        file: The id of its document.
        class_: Document and number of the class around it.
        language: What it is written in.
    """

    name: str
    text: str
    body: str
    docstring: str
    file: str
    class_: str
    language: Language | None

    @cached_property
    def changed(self) -> Mapping[Mutation, str]:
        """The function after each change that is possible in it."""
        return mutate(self.text, self.language)

    @cached_property
    def logic(self) -> str | None:
        """What is left without names, comments and docstrings."""
        bare = self.changed.get(Mutation.STRIP, self.text)
        return mutate(bare, self.language).get(Mutation.RENAME)

    @cached_property
    def names(self) -> str:
        """Its names in order, each once, and nothing else."""
        return " ".join(dict.fromkeys(names_in(self.body, self.language)))

    def texts(self) -> list[str]:
        """All of them, as they are compared."""
        own = (self.text, self.body, self.docstring, self.names, self.logic or "", *self.halves)
        return [text for text in (*own, *self.changed.values()) if text]

    @cached_property
    def halves(self) -> tuple[str, str]:
        """The first and the second half of the lines of its body."""
        lines = [line for line in self.body.split("\n") if line.strip()]
        middle = len(lines) // 2
        return "\n".join(lines[:middle]), "\n".join(lines[middle:])


def sample_functions(
    index: Index, *, most: int = MOST_FUNCTIONS, seed: int = 0, progress: Progress = silent
) -> FunctionSample:
    """Draw functions of an index, equal ones once, evenly over its code.

    Raises:
        TellapartError: The index has no code with functions of the right size.
    """
    generator = np.random.default_rng(seed)
    found: dict[str, SampledFunction] = {}
    read = 0
    with index.reading():
        code = sorted(number for number, kind in index.store.kinds().items() if kind is Kind.CODE)
        with progress("reading code", len(code)) as advance:
            for number in generator.permutation(code).tolist():
                for each in _functions(Material(index.stored(number), seed)):
                    found.setdefault(each.body, each)
                read += 1
                advance(1)
                if len(found) >= READ_FOR_ONE * most:
                    break
    if len(found) < 2:
        raise TellapartError(
            f"the index {index.place} has no functions of {LEAST_LINES} lines or more: index a folder with code"
        )
    every = list(found.values())
    drawn = generator.permutation(len(every))[:most]
    return FunctionSample(
        tuple(every[place] for place in sorted(drawn.tolist())), len(every), read, len(code)
    )


def _functions(material: Material) -> Iterator[SampledFunction]:
    documented = {each.span: each for each in docstrings(material)}
    text = material.document.text
    for function in material.functions:
        found = documented.get(function.unit)
        masks = found.masks if found is not None else ()
        whole, body = text[function.start : function.end], _without(text, function.start, function.end, masks)
        lines = sum(bool(line.strip()) for line in body.split("\n"))
        if lines < LEAST_LINES or len(whole) > MOST_CHARACTERS:
            continue
        line = text.rfind("\n", 0, function.start) + 1
        indent = text[line : function.start] if not text[line : function.start].strip() else ""
        class_ = material.tree.at(Granularity.CLASS, function.start)
        yield SampledFunction(
            function.name,
            dedent(indent + whole),
            dedent(indent + body),
            found.query if found is not None else "",
            material.document.id,
            f"{material.document.id}#{class_}",
            material.language,
        )


def _without(text: str, start: int, end: int, masks: tuple[tuple[int, int], ...]) -> str:
    """Cut spans out of a function, and the lines that they leave empty."""
    parts, at = [], start
    for low, high in masks:
        if start <= low and high <= end:
            parts.append(text[at:low])
            at = high
    lines = "".join([*parts, text[at:end]]).split("\n")
    return "\n".join(line for line in lines if line.strip())

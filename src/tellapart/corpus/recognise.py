"""Prose or code, and in which language: by declaration, name, first line, and only then by content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from tellapart.corpus import signatures
from tellapart.corpus.code.languages import INTERPRETERS, language_of_path
from tellapart.corpus.document import Kind

_SAMPLE = 4_096
"""Characters of a text that are looked at; records and most functions are shorter."""

_PROSE_EXTENSIONS: Mapping[str, str | None] = MappingProxyType(
    {".md": "markdown", ".markdown": "markdown", ".mdx": "markdown", ".mkd": "markdown", ".mdown": "markdown"}
    | {".rst": "rst", ".rest": "rst"}
    # Readers turn these into Markdown-like text before anyone asks what it is.
    | dict.fromkeys((".html", ".htm", ".xhtml", ".ipynb", ".docx", ".pdf"), "markdown")
    | dict.fromkeys(
        (".text", ".log", ".csv", ".tsv", ".tex", ".adoc", ".asciidoc", ".org", ".textile", ".srt")
    )
    | dict.fromkeys((".po", ".pot", ".bib", ".eml", ".vtt"))
)
_PROSE_NAMES = frozenset(
    re.findall(
        r"\w+",
        "readme license licence copying authors contributors changelog changes news notice todo install history "
        "maintainers thanks",
    )
)
_SHEBANG = re.compile(r"\ufeff?#![ \t]*(?:/\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*(?:\w+=\S+[ \t]+)*)?([\w.+-]+)")

# Emptied before anything is counted: prose in comments and docstrings is not the kind of the text around it.
_FENCED = re.compile(r"^[ \t]{0,3}(```|~~~)(?s:.*?)(?:^[ \t]{0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE)
_DOCSTRINGS = r"\"\"\"(?s:.*?)(?:\"\"\"|\Z)|'''(?s:.*?)(?:'''|\Z)|/\*(?s:.*?)(?:\*/|\Z)|\{-(?s:.*?)(?:-\}|\Z)"
_DOCUMENTATION = re.compile(_DOCSTRINGS)
_DIRECTIVE = r"#(?:[\[!]|[ ]?(?:include|define|ifn?def|if|endif|import|pragma|undef|else)\b)"
_BLANKED = re.compile(
    _DOCSTRINGS + rf"|(?<![:\w\"'])//[^\n]*|^[ \t]*(?:(?!{_DIRECTIVE})#|--[ ])[^\n]*"
    r"|\$\$[^$\n]{0,500}\$\$|\$[^$\n]{0,200}\\[a-z]+[^$\n]{0,200}\$"
    r"|(?P<string>\"(?:[^\"\n\\]|\\.){0,300}\")",
    re.MULTILINE,
)
_MARKS = ('"', "'''", "/*", "//", "{-", "#", "--", "$")
_SYMBOLS = "{}();=<>[]_|&*+$@\\^~`"
_NEIGHBOURS = re.compile(r"[^\W\d_]+[,;:']? (?=[^\W\d_])")
_WORD = re.compile(r"[^\W\d_]+")
_JSON = re.compile(r"\s*[\[{]\s*(?:\"(?:[^\"\\\n]|\\.)*\"\s*[:,\]]|[\[{]\s*[\"\[{]|\{|-?\d[\d.eE+-]*\s*,)")
_XML = re.compile(r"\s*<(?:\?xml\b|!DOCTYPE (?!html)|[\w:]+(?:\s+xmlns\b))")
_LATEX = re.compile(r"\\(?:documentclass|usepackage|begin|section|chapter)\b\*?[\[{]")
_ATX = re.compile(r"^#{1,6} \S[^\n]*(?:\n\s*\n|\Z)", re.MULTILINE)
_MARKDOWN = re.compile(
    r"\[[^\]\n]+\]\((?:https?:|[#./])[^)\s]*\)|\*\*[^\s*][^*\n]*\*\*|^#{2,6} [^\n#]*\w[ \t]*\n", re.MULTILINE
)
_RST = re.compile(
    r"^\.\. [\w-]+::|:(?:ref|class|func|meth|doc|mod):`|``[^`\n]+``|\w::[ \t]*\n[ \t]*\n[ \t]+\S",
    re.MULTILINE,
)
_SHAPE = re.compile(
    r"\)[ \t\n]*(?:throws[ ]+[\w., ]+)?\{|[;{}][ \t]*(?:$|\})|;\w+[ ]?=|\w\(\)[.;]|^[ \t]+return\b|=>|(?<=\w)->(?=\w)"
    r"|^[ \t]*(?:def|class|if|for|while|with|else|try)\b[^\n]*:[ \t]*$|\bdef[ ]\w+\("
    r"|^[ \t]*\w[\w.\[\]]*[ ]?(?:[-+*/|&:]?=|<-)[ ]?[\w(\[{\"'-]|[\w\])](?:\.\w+)*\([^()\n]*\);",
    re.MULTILINE,
)
_HEAD = re.compile(
    r"\s*(?:@\w+(?:\([^()]*\))?\s+|\[\w+(?:\([^()]*\))?\]\s+)*"
    r"(?:public|private|protected|internal|static|override|func|fn|fun|function|void)\b"
    r"[^;={}]{0,400}\)[^;=}()]{0,200}(?:\([^;{}]*\)\s*)?\{"
)
_COMMENT_LINE = re.compile(r"^[ \t]*(?:#|//|/?\*|--|;|%)", re.MULTILINE)

_PROSE_BELOW = -0.105
"""Symbol density minus a fifth of word adjacency. Seen on the judged sets: 99 % of scifact, cisi, med and xquad-en
lie below -.10 (a lone title may lie anywhere), all of cosqa, mbpp and java-cs above -.085."""

_PLAINLY_PROSE = -0.135
"""Below this nothing else needs to be looked at (judged code: nothing below -.085)."""

_GLANCE = 512
"""Characters that settle it for plain prose."""

_SHAPES_NEEDED = 3
"""Statements, blocks or calls that make a text code though no language claims it ("X(int n){n_ = n;}")."""

_CODE_ABOVE = 0.03
"""From here a text with symbols enough is code though no language claims it."""

_SYMBOLS_NEEDED = 12
"""For that; short titles with brackets ("Bessel Function (Algorithm 22[S17])") have fewer."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text is; `certain` is False where a whole collection's majority should rather be followed."""

    kind: Kind
    language: str | None
    certain: bool


def recognise(
    text: str, *, path: str | None = None, declared: Kind | None = None, language: str | None = None
) -> Recognised:
    """Say whether a text is prose or code and in which programming language or markup it is written.

    What was declared is never contradicted; then the file's name counts, then a `#!` line, then the first
    4,096 characters.
    """
    if declared is not None and language is not None:
        return Recognised(declared, language, certain=True)
    sample = text[:_SAMPLE]
    named = _by_name(sample, path) or _by_shebang(sample)
    if named is not None and declared in (None, named.kind):
        return Recognised(named.kind, language or named.language, named.certain)
    if declared is Kind.PROSE:
        return Recognised(declared, _markup(sample), certain=True)
    if declared is Kind.CODE:
        return Recognised(declared, _language(_blank(sample)), certain=True)
    if language is not None:
        prose = language in ("markdown", "rst")
        return Recognised(Kind.PROSE if prose else Kind.CODE, language, certain=True)
    return _by_content(text, sample)


def _by_name(sample: str, path: str | None) -> Recognised | None:
    if path is None:
        return None
    name = PurePosixPath(path.replace("\\", "/")).name
    stem, dot, last = name.rpartition(".")
    extension = dot + last if stem else ""
    if extension in signatures.FAMILIES:
        return _shared_extension(sample, extension)
    extension = extension.lower()
    if extension in _PROSE_EXTENSIONS:
        return Recognised(Kind.PROSE, _PROSE_EXTENSIONS[extension], certain=True)
    language = language_of_path(path)
    if language is not None:
        return Recognised(Kind.CODE, language, certain=True)
    if extension == ".txt" or (stem or name).lower() in _PROSE_NAMES:
        markup = _markup(sample) if extension != ".txt" else None
        return Recognised(Kind.PROSE, markup, certain=True)
    return None


def _shared_extension(sample: str, extension: str) -> Recognised | None:
    family = signatures.FAMILIES[extension]
    score, best = signatures.scores(_blank(sample), family)[0]
    return Recognised(Kind.CODE, best if score else family[0], certain=score > 0)


def _by_shebang(sample: str) -> Recognised | None:
    match = _SHEBANG.match(sample)
    if match is None:
        return None
    name = match[1]
    language = INTERPRETERS.get(name) or INTERPRETERS.get(name.rstrip("0123456789.-"))
    return Recognised(Kind.CODE, language, certain=True)


def _blank(sample: str) -> str:
    if not any(mark in sample for mark in _MARKS):
        return sample
    return _BLANKED.sub(lambda match: '""' if match["string"] else " ", sample)


def _by_content(text: str, sample: str) -> Recognised:
    if _JSON.match(sample):
        return Recognised(Kind.CODE, "json", certain=len(sample) > 40)
    if _XML.match(sample):
        return Recognised(Kind.CODE, "xml", certain=True)
    if _lean(_blank(sample[:_GLANCE])) < _PLAINLY_PROSE:
        return Recognised(Kind.PROSE, _markup(sample), certain=True)
    markup = _markup(_DOCUMENTATION.sub(" ", sample))
    unfenced = _FENCED.sub(" ", sample)
    bare = _blank(unfenced)
    if len(unfenced) == len(sample) and len(bare) < len(sample) // 10 and _all_comment(sample):
        bare = _blank(text[_SAMPLE : 3 * _SAMPLE]) or bare
        return Recognised(Kind.CODE, _language(bare), certain=False)
    lean = _lean(bare)
    if lean < (_PROSE_BELOW if markup is None else _CODE_ABOVE) or _LATEX.search(bare):
        return Recognised(Kind.PROSE, markup, certain=lean < _PLAINLY_PROSE)
    shapes = len(_SHAPE.findall(bare))
    shaped = _HEAD.match(bare) or shapes >= _SHAPES_NEEDED or (shapes and _is_dense(bare, lean))
    if not shaped and not ((shapes or lean > 0) and signatures.is_sure(bare)):
        return Recognised(Kind.PROSE, markup, certain=False)
    (score, language), (second, _) = (*signatures.scores(bare), (0.0, ""))[:2]
    certain = score >= signatures.SURE and score - second >= 2 * signatures.LIKELY
    return Recognised(Kind.CODE, _refined(language, bare) if score else None, certain)


def _is_dense(bare: str, lean: float) -> bool:
    return lean > _CODE_ABOVE and _symbols(bare) >= _SYMBOLS_NEEDED


def _lean(bare: str) -> float:
    """Above zero towards code: the density of symbols against how often word follows word."""
    visible = len(bare) - sum(map(bare.count, " \t\n\r"))
    words = len(_WORD.findall(bare))
    adjacency = len(_NEIGHBOURS.findall(bare)) / words if words else 0.0
    return _symbols(bare) / max(visible, 1) - adjacency / 5


def _symbols(bare: str) -> int:
    return sum(map(bare.count, _SYMBOLS))


def _all_comment(sample: str) -> bool:
    rows = [row for row in sample.splitlines() if row.strip()]
    return len(rows) >= 5 and len(_COMMENT_LINE.findall(sample)) >= 0.8 * len(rows)


def _language(bare: str) -> str | None:
    score, language = signatures.scores(bare)[0]
    return _refined(language, bare) if score else None


def _refined(language: str, bare: str) -> str:
    """TypeScript with elements in it needs the grammar of TSX."""
    if language == "typescript" and re.search(r"</\w*>|<\w+[^<>\n]*/>", bare):
        return "tsx"
    return language


def _markup(sample: str) -> str | None:
    """Markdown or reStructuredText if a text without a telling name is clearly written in it."""
    if ("`" in sample or "::" in sample) and len(_RST.findall(sample)) >= 2:
        return "rst"
    if "#" not in sample and "```" not in sample and "~~~" not in sample:
        return None
    headings = len(_ATX.findall(sample))
    fenced = _FENCED.search(sample) is not None
    marked = fenced or _MARKDOWN.search(sample) is not None
    return "markdown" if marked and (headings or fenced) else None

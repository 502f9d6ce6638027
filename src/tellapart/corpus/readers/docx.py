"""Word documents become Markdown, read straight from the archive's XML (ECMA-376, part 1, chapter 17).

What matters is the order of paragraphs, the outline level of their styles, list membership, tables and formulas.
mammoth (1.13.0) was tried: it drops formulas and outline levels, has no headers, and takes 17.3 s where this takes .5 s
(20,000 paragraphs, one core).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from tellapart.corpus.document import Places
from tellapart.corpus.readers.extracted import SPACE, Extracted, NotReadableError, clean, collapsed
from tellapart.corpus.units import SEPARATOR

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_TRANSITIONAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_BOX = f"{_W}txbxContent"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"

_MAX_PART = 200_000_000
"""Bytes of one unpacked part (ours: a book of 1,000 pages is some 10 MB of XML); more is a decompression
bomb."""

_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-", f"{_W}ptab": "\t"}
_NOT_TEXT = frozenset(
    {_FALLBACK, f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_W}instrText", f"{_W}rt"}
)
"""Deleted and moved text, properties, commands of fields, and readings above characters, which part their words."""

_BEFORE = {f"{_M}sup": "^", f"{_M}sub": "_", f"{_M}den": "/", f"{_M}deg": "root "}
"""What a formula's part is written behind, as in TeX's plain notation: `x^2`, `a/b`."""

_OPENING = {f"{_M}nary": ("chr", "∫"), f"{_M}d": ("begChr", "("), f"{_M}rad": ("", "√")}
_CLOSING = {f"{_M}d": ("endChr", ")")}
"""Signs that a structure of a formula has by itself, where its properties name no other."""

_STRUCTURES = frozenset(
    f"{_M}{name}" for name in ("f", "sSup", "sSub", "sSubSup", "rad", "nary", "func", "d")
)
_APPLIED = frozenset((f"{_M}nary", f"{_M}func"))
_GAP = "\x1f"  # never part of XML
_NEEDED_GAP = re.compile(r"(?<=[\w)])\x1f+(?=[\w√∑∫(])")
"""Where a structure of a formula ends: a blank, if a letter or the like follows."""

_SYMBOL = dict(
    zip(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ",
        strict=True,
    )
) | dict(
    zip(
        b"\xa3\xa5\xac\xae\xb0\xb1\xb3\xb4\xb6\xb7\xb9\xba\xbb\xc7\xc8\xce\xd1\xd6\xdb\xde\xe5\xf2",
        "≤∞←→°±≥×∂•≠≡≈∩∪∈∇√⇔⇒∑∫",
        strict=True,
    )
)
"""The font Symbol's own encoding (Adobe), which Word keeps at U+F000: letters and the commonest signs."""


def extract_docx(content: bytes, *, comments: bool = False) -> Extracted:
    """Read the body, then foot- and endnotes; places are the paths of headings.

    Deleted text falls away; so do headers, footers and comments unless `comments` asks for them. A table inside a
    table stands in its cell, a text box behind the paragraph that holds it.

    Raises:
        NotReadableError: this is no Word document, it is damaged, protected, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            body = _part(archive, "word/document.xml")
            if body is None:
                raise NotReadableError("not a Word document: word/document.xml is missing")
            styles = _styles(_part(archive, "word/styles.xml"))
            blocks = list(_blocks(body.find(f"{_W}body"), styles))
            for notes in ("footnotes", "endnotes", "comments") if comments else ("footnotes", "endnotes"):
                blocks.extend(_notes(_part(archive, f"word/{notes}.xml"), styles))
            if comments:
                names = sorted(filter(_MARGIN.fullmatch, archive.namelist()))
                margins = (block for name in names for block in _blocks(_part(archive, name), styles))
                blocks.extend(dict.fromkeys(margins))
            title = _core_title(_part(archive, "docProps/core.xml"))
    except (zipfile.BadZipFile, ElementTree.ParseError, EOFError, RuntimeError) as error:
        protected = content.startswith(b"\xd0\xcf\x11\xe0")
        reason = "protected by a password, or an old .doc" if protected else f"no Word document ({error})"
        raise NotReadableError(reason) from error
    except (OSError, ValueError, ArithmeticError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise NotReadableError(f"a damaged Word document ({error})") from error
    first = next((text for level, text in blocks if level == 1), "")
    text, places = _joined([(level, clean(text)) for level, text in blocks])
    return Extracted(text, title=clean(title or first.removeprefix("# ")), language="markdown", places=places)


_MARGIN = re.compile(r"word/(?:header|footer)\d*\.xml")

_Block = tuple[int, str]
"""A heading's level (0 for none, -1 for a list item) and the block's Markdown."""


def _joined(blocks: list[_Block]) -> tuple[str, Places]:
    """Blank lines between blocks, none between the items of a list; and where which heading holds."""
    out: list[str] = []
    length = 0
    path: list[tuple[int, str]] = []
    places: list[tuple[int, int | str]] = []
    for position, (level, text) in enumerate(blocks):
        if position:
            out.append("\n" if level == blocks[position - 1][0] == -1 else "\n\n")
            length += len(out[-1])
        if level > 0:
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, text.lstrip("#").strip()))
            places.append((length, SEPARATOR.join(title for _, title in path)))
        out.append(text)
        length += len(text)
    return "".join(out), {"heading": tuple(places or [(0, "")])}


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element | None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > _MAX_PART:
        raise NotReadableError(f"{name} unpacks to {info.file_size:,} bytes, over {_MAX_PART:,}")
    with archive.open(info) as stream:
        content = stream.read(_MAX_PART + 1)
    if b"<!DOCTYPE" in content[:2000]:
        raise NotReadableError(f"{name} declares a document type, which Word never writes")
    return ElementTree.fromstring(content.replace(_STRICT, _TRANSITIONAL))


def _styles(root: ElementTree.Element | None) -> dict[str, int]:
    """Heading level of each style: by its outline level, its name, or the style it is based on."""
    if root is None:
        return {}
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in root.iter(f"{_W}style"):
        identity = style.get(f"{_W}styleId", "")
        name = _value(style.find(f"{_W}name")).lower()
        outline = _value(style.find(f"{_W}pPr/{_W}outlineLvl"))
        numbered = re.fullmatch(r"heading (\d)", name)
        if name == "title":
            levels[identity] = 1
        elif numbered or outline.isdecimal():
            level = int(numbered[1]) if numbered else int(outline) + 1
            levels[identity] = level if level <= 9 else 0  # outline level 9 says body text
        else:
            based[identity] = _value(style.find(f"{_W}basedOn"))
    for identity in based:
        parent, steps = based[identity], 0
        while parent in based and steps < len(based):
            parent, steps = based[parent], steps + 1
        if parent in levels:
            levels[identity] = levels[parent]
    return levels


def _blocks(parent: ElementTree.Element | None, styles: dict[str, int]) -> Iterator[_Block]:
    """Paragraphs and tables in order, through content controls and tracked changes."""
    for element in () if parent is None else parent:
        if element.tag == f"{_W}p":
            yield from _paragraph(element, styles)
        elif element.tag == f"{_W}tbl":
            kept = (row for row in _inside(element, f"{_W}tr") if row.find(f"{_W}trPr/{_W}del") is None)
            rows = [row for row in map(_row, kept) if row]
            if rows:
                yield 0, "\n".join(rows)
        elif element.tag not in _NOT_TEXT and element.tag != f"{_W}sectPr":
            yield from _blocks(element, styles)


def _paragraph(element: ElementTree.Element, styles: dict[str, int]) -> Iterator[_Block]:
    text = "\n".join(line.strip(SPACE) for line in _text(element).split("\n")).strip(SPACE)
    if text.strip():
        yield _styled(element, text, styles)
    for box in _inside(element, _BOX):
        yield from _blocks(box, styles)


def _styled(element: ElementTree.Element, text: str, styles: dict[str, int]) -> _Block:
    """Write a paragraph's text as the heading, list item or plain block that its properties make it."""
    properties = element.find(f"{_W}pPr")
    style = outline = ""
    numbering = None
    if properties is not None:
        style = _value(properties.find(f"{_W}pStyle"))
        outline = _value(properties.find(f"{_W}outlineLvl"))
        numbering = properties.find(f"{_W}numPr")
    level = int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else styles.get(style, 0)
    if level:
        return level, f"{'#' * min(level, 6)} {collapsed(text)}"
    if numbering is not None and _value(numbering.find(f"{_W}numId")) != "0":
        depth = _value(numbering.find(f"{_W}ilvl"))
        indent = "  " * (int(depth) if depth.isdecimal() else 0)
        return -1, f"{indent}- " + text.replace("\n", f"\n{indent}  ")
    return 0, "\\" + text if re.match(r"#{1,6}\s|```|~~~", text) else text


def _row(row: ElementTree.Element) -> str:
    """One line of cells; what a cell holds, boxes and tables in it too, stands in it once."""
    cells = [collapsed(_text(cell, boxes=True).replace("|", "\\|")) for cell in _inside(row, f"{_W}tc")]
    return f"| {' | '.join(cells)} |" if any(cells) else ""


def _inside(element: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """The elements of a tag below another, through content controls and the like but not inside one another."""
    for child in element:
        if child.tag == tag:
            yield child
        elif child.tag not in _NOT_TEXT:
            yield from _inside(child, tag)


def _text(element: ElementTree.Element, *, boxes: bool = False) -> str:
    """All text below an element, paragraphs of cells (and boxes, if asked for) on lines of their own."""
    out: list[str] = []
    pending: list[ElementTree.Element | str] = [element]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            out.append(node)
            continue
        if node.tag in _NOT_TEXT or (node.tag == _BOX and not boxes):
            continue
        if node.find(f"{_W}rPr/{_W}vanish") is not None:  # hidden
            continue
        if node.tag in (f"{_W}t", f"{_M}t"):
            out.append(node.text or "")
        elif node.tag in _SIGNS:
            out.append(_SIGNS[node.tag])
        elif node.tag == f"{_W}sym":
            out.append(_symbol(node))
        else:
            if node.tag == f"{_W}p" and node is not element and out and not out[-1].endswith("\n"):
                out.append("\n")
            if node.tag in _BEFORE and out and any(child.text for child in node.iter(f"{_M}t")):
                out.append(_BEFORE[node.tag])
            pending.extend(reversed(_parts(node)))
    return _NEEDED_GAP.sub(" ", "".join(out)).replace(_GAP, "")


def _parts(node: ElementTree.Element) -> list[ElementTree.Element | str]:
    """What an element holds, with the signs that a structure of a formula has by itself, and the end of a box."""
    parts: list[ElementTree.Element | str] = list(node)
    if node.tag == _BOX:
        return [*parts, "\n"]
    if node.tag not in _STRUCTURES:
        return parts
    if node.tag in _APPLIED:
        parts.insert(len(parts) - 1, _GAP)  # before what is summed up, or the argument
    return [_sign(node, _OPENING), *parts, _sign(node, _CLOSING) + _GAP]


def _sign(node: ElementTree.Element, signs: dict[str, tuple[str, str]]) -> str:
    """The sign that a structure of a formula begins or ends with."""
    name, usual = signs.get(node.tag, ("", ""))
    given = node.find(f"{node.tag}Pr/{_M}{name}") if name else None
    return usual if given is None else given.get(f"{_M}val", "")


def _symbol(node: ElementTree.Element) -> str:
    """The sign of a symbol font; one without a Unicode sign stays what the file says."""
    try:
        code = int(node.get(f"{_W}char", ""), 16)
        sign = chr(code)
    except (ValueError, OverflowError):
        return ""
    is_symbol = node.get(f"{_W}font", "").lower() == "symbol"
    return _SYMBOL.get(code & 0xFF, sign) if is_symbol else sign


def _notes(root: ElementTree.Element | None, styles: dict[str, int]) -> Iterator[_Block]:
    """Foot- or endnotes; those with a type are the lines that separate them from the page."""
    for note in () if root is None else root:
        if note.get(f"{_W}type", "normal") == "normal":
            yield from _blocks(note, styles)


def _core_title(root: ElementTree.Element | None) -> str:
    found = None if root is None else root.find(_TITLE)
    return (found.text or "").strip() if found is not None else ""


def _value(element: ElementTree.Element | None) -> str:
    return "" if element is None else element.get(f"{_W}val", "")

"""Notebooks, Word documents and PDF become Markdown."""

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import Document, Kind
from tellapart.corpus.places import place_of
from tellapart.corpus.read import read
from tellapart.corpus.readers.docx import extract_docx
from tellapart.corpus.readers.extracted import NotReadableError
from tellapart.corpus.readers.notebook import extract_notebook
from tellapart.corpus.readers.pdf import extract_pdf, page_text
from tellapart.corpus.scan import scan
from tellapart.corpus.sources import ScanOptions, Unreadable


def reason(reader, content) -> str:
    """Why a reader cannot read, "" where it can; anything but NotReadableError is a fault of the reader."""
    try:
        reader(content)
    except NotReadableError as error:
        return str(error)
    return ""


def notebook(*cells: dict, **metadata: object) -> str:
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": list(cells)})


def test_notebook_cells():
    page = extract_notebook(
        notebook(
            {"cell_type": "markdown", "source": ["# Title\n", "\n", "Some words."]},
            {"cell_type": "code", "source": "x = 1\nprint(x)\n", "outputs": [{"text": "OUTPUT"}]},
            {"cell_type": "code", "source": []},
            {"cell_type": "raw", "source": "raw words"},
            {"cell_type": "code", "source": 'print("""\n```\n""")'},
            kernelspec={"language": "R"},
        )
    )
    assert page.text == (
        '# Title\n\nSome words.\n\n```r\nx = 1\nprint(x)\n```\n\nraw words\n\n````r\nprint("""\n```\n""")\n````'
    )


def test_notebook_of_format_3():
    content = {
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": "Head"},
                    {"cell_type": "code", "input": ["a = 1"], "language": "python"},
                ]
            }
        ]
    }
    assert extract_notebook(json.dumps(content)).text == "## Head\n\n```python\na = 1\n```"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}', "[" * 100_000])
def test_no_notebook(content):
    with pytest.raises(NotReadableError, match="not a notebook"):
        extract_notebook(content)


def test_notebook_without_sources_says_nothing_and_knows_its_cells():
    page = extract_notebook(
        notebook(
            {"cell_type": "markdown", "source": ["a", None, 3]},
            {"cell_type": "code"},
            {"cell_type": "code", "source": None},
            None,
            "text",
            {"cell_type": "markdown", "source": {"no": "text"}},
            {"cell_type": "code", "source": "x = 1"},
        )
    )
    assert page.text == "a\n\n```python\nx = 1\n```"
    assert page.places == {"cell": ((0, 1), (3, 7))}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
cells = st.fixed_dictionaries(
    {},
    optional={
        name: json_values for name in ("cell_type", "source", "input", "level", "language", "metadata")
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first of these values take long to make
@given(
    st.fixed_dictionaries(
        {},
        optional={"cells": st.lists(cells | json_values), "worksheets": json_values, "metadata": json_values},
    )
)
def test_any_notebook_is_text_or_a_reason(content):
    try:
        page = extract_notebook(json.dumps(content))
    except NotReadableError:
        return
    assert "None" not in page.text or "None" in json.dumps(content)


W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
STYLES = f"""<w:styles {W}>
<w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="H2"/></w:style>
<w:style w:styleId="H2"><w:name w:val="Section"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:styleId="Body"><w:name w:val="Body Text"/></w:style></w:styles>"""


def docx(body: str, **parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", STYLES)
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return out.getvalue()


def paragraph(text: str, style: str = "", properties: str = "") -> str:
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{style}{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


ITEM = '<w:numPr><w:ilvl w:val="{}"/><w:numId w:val="1"/></w:numPr>'


def test_docx():
    body = (
        paragraph("Guide", "H1")
        + '<w:p><w:r><w:t xml:space="preserve">Some </w:t></w:r><w:hyperlink><w:r><w:t>linked</w:t></w:r></w:hyperlink>'
        "<w:ins><w:r><w:t> new</w:t></w:r></w:ins><w:del><w:r><w:delText> old</w:delText></w:r></w:del>"
        "<w:r><w:br/><w:t>words.</w:t></w:r></w:p>"
        + paragraph("Linux", "Mine")
        + paragraph("one", "Body", ITEM.format(0))
        + paragraph("nested", "Body", ITEM.format(1))
        + "<w:tbl><w:tr><w:tc>" + paragraph("a") + "</w:tc><w:tc>" + paragraph("b|c") + "</w:tc></w:tr></w:tbl>"
        + "<w:sdt><w:sdtContent>" + paragraph("# controlled") + "</w:sdtContent></w:sdt>"
    )  # fmt: skip
    separator = f'<w:footnote w:type="separator">{paragraph("no")}</w:footnote>'
    note = f"<w:footnote>{paragraph('A note.')}</w:footnote>"
    notes = f"<w:footnotes {W}>{separator}{note}</w:footnotes>"
    page = extract_docx(docx(body, word__footnotes=notes))
    assert page.text.split("\n\n") == [
        "# Guide",
        "Some linked new\nwords.",
        "## Linux",
        "- one\n  - nested",
        "| a | b\\|c |",
        "\\# controlled",
        "A note.",
    ]
    assert page.title == "Guide"


def table(*rows: tuple[str, ...]) -> str:
    cells = ["".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows]
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def test_docx_nested_tables_are_read_once():
    inner = table((paragraph("inner one"), paragraph("inner two")))
    body = table((paragraph("outer one") + inner + paragraph("after"), paragraph("outer two")))
    assert extract_docx(docx(body)).text == "| outer one inner one inner two after | outer two |"


def test_docx_text_boxes_stand_apart_and_once():
    box = f"<w:txbxContent>{paragraph('in the box')}</w:txbxContent>"
    choice = f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    body = f"<w:p><w:r>{choice}</w:r><w:r><w:t>around it</w:t></w:r></w:p>"
    assert extract_docx(docx(body)).text == "around it\n\nin the box"


def run(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (run("E=m") + f"<m:sSup><m:e>{run('c')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>", "E=mc^2"),
        (f"<m:f><m:num>{run('a')}</m:num><m:den>{run('b')}</m:den></m:f>", "a/b"),
        (f"<m:sSub><m:e>{run('x')}</m:e><m:sub>{run('i')}</m:sub></m:sSub>", "x_i"),
        (f"<m:rad><m:deg/><m:e>{run('z')}</m:e></m:rad><m:d><m:e>{run('p')}</m:e></m:d>", "√z (p)"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{run("k=1")}</m:sub><m:sup>{run("n")}</m:sup>'
            f"<m:e>{run('k')}</m:e></m:nary>",
            "∑_k=1^n k",
        ),
        (f"<m:func><m:fName>{run('sin')}</m:fName><m:e>{run('t')}</m:e></m:func>", "sin t"),
    ],
)
def test_docx_formulas_stay(formula, text):
    body = f"<w:p><w:r><w:t>so </w:t></w:r><m:oMath>{formula}</m:oMath></w:p>"
    assert extract_docx(docx(body)).text == f"so {text}"


def test_docx_boxes_in_cells_stand_apart():
    box = f"<w:r><w:txbxContent>{paragraph('boxed')}{paragraph('words')}</w:txbxContent></w:r>"
    cell = f"<w:tc><w:p>{box}<w:r><w:t>beside</w:t></w:r></w:p></w:tc>"
    assert extract_docx(docx(f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>")).text == "| boxed words beside |"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>" + paragraph("old") + "</w:tc></w:tr>"
            "<w:tr><w:tc>" + paragraph("new") + "</w:tc></w:tr></w:tbl>",
            "| new |",
        ),
        (
            "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>shown</w:t></w:r></w:p>",
            "shown",
        ),
        (
            "<w:p><w:r><w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東</w:t></w:r>"
            "</w:rubyBase></w:ruby></w:r><w:r><w:t>京</w:t></w:r></w:p>",
            "東京",
        ),
        (
            "<w:p><w:moveFrom><w:r><w:t>from</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>to</w:t></w:r></w:moveTo></w:p>",
            "to",
        ),
    ],
    ids=["deleted row", "hidden", "reading", "moved"],
)
def test_docx_what_is_not_shown_is_left_out(body, text):
    assert extract_docx(docx(body)).text == text


def test_docx_symbols_stay():
    signs = "".join(f'<w:sym w:font="Symbol" w:char="{code}"/>' for code in ("F061", "F0A3"))
    body = f"<w:p><w:r>{signs}<w:t> 5</w:t></w:r></w:p>"
    assert extract_docx(docx(body)).text == "α≤ 5"


def test_docx_headers_and_comments_are_read_when_asked_for():
    parts = {
        "word__header1": f"<w:hdr {W}>{paragraph('the header')}</w:hdr>",
        "word__header2": f"<w:hdr {W}>{paragraph('the header')}</w:hdr>",
        "word__comments": f"<w:comments {W}><w:comment>{paragraph('a comment')}</w:comment></w:comments>",
    }
    content = docx(paragraph("Body."), **parts)
    assert extract_docx(content).text == "Body."
    assert extract_docx(content, comments=True).text == "Body.\n\na comment\n\nthe header"


def test_docx_places_are_heading_paths_and_blanks_are_kept():
    body = (
        paragraph("before") + paragraph("Guide", "H1") + paragraph("one")
        + paragraph("Linux", "Mine") + paragraph("10\u00a0km\u3000wide")
    )  # fmt: skip
    page = extract_docx(docx(body))
    document = Document("a.docx", page.text, Kind.PROSE, path="a.docx", places=page.places)
    found = [
        str(place_of(document, page.text.index(word), len(page.text))) for word in ("before", "one", "10")
    ]
    assert found == ["", "Guide", "Guide > Linux"]
    assert page.text.endswith("10\u00a0km\u3000wide")


tags = st.sampled_from(
    ["w:p", "w:r", "w:t", "w:tbl", "w:tr", "w:tc", "w:sym", "w:txbxContent", "m:oMath", "m:t", "m:sup"]
)
trees = st.recursive(
    st.text("ab |#\n", max_size=5),
    lambda inner: st.tuples(tags, st.lists(inner, max_size=3)).map(
        lambda t: f"<{t[0]}>{''.join(t[1])}</{t[0]}>"
    ),
    max_leaves=12,
)


@given(trees)
def test_any_docx_body_is_text(body):
    page = extract_docx(docx(body))
    assert all(offset <= len(page.text) for offset, _ in page.places["heading"])


@given(st.binary(max_size=200), st.integers(0, 600))
def test_any_bytes_are_a_docx_or_a_reason(noise, cut):
    content = docx(paragraph("words"))
    for broken in (noise, content[:cut] + noise + content[cut:], content[:cut]):
        assert "\n" not in reason(extract_docx, broken)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no Word document"),
        (b"PK\x03\x04 broken", "no Word document"),
        (b"\xd0\xcf\x11\xe0 old", "protected by a password"),
        (docx("<w:p>"), "no Word document"),
        (docx("x")[:300], "no Word document"),
    ],
)
def test_no_docx(content, reason):
    with pytest.raises(NotReadableError, match=reason):
        extract_docx(content)


def test_docx_bombs(monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>')
    with pytest.raises(NotReadableError, match="document type"):
        extract_docx(out.getvalue())
    monkeypatch.setattr("tellapart.corpus.readers.docx._MAX_PART", 1_000)
    with pytest.raises(NotReadableError, match="unpacks to"):
        extract_docx(docx(paragraph("x" * 2_000)))


def pdf(pages: list[list[str]], outline: tuple[tuple[str, int], ...] = ()) -> bytes:
    """A PDF with one line of Helvetica a text line; written here, so that no tool made it."""
    objects: list[bytes] = []

    def add(content: str) -> int:
        objects.append(content.encode("latin-1"))
        return len(objects)

    font = add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    tree = len(objects) + 2 * len(pages) + 1
    kids = []
    for lines in pages:
        shown = "".join(f"({line.replace('(', '[')}) Tj 0 -14 Td\n" for line in lines)
        stream = f"BT /F1 12 Tf 72 720 Td\n{shown}ET"
        number = add(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(
            add(
                f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 612 792] /Contents {number} 0 R"
                f" /Resources << /Font << /F1 {font} 0 R >> >> >>"
            )
        )
    add(f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>")
    marks = ""
    if outline:
        root = len(objects) + 1
        add(
            f"<< /Type /Outlines /First {root + 1} 0 R /Last {root + len(outline)} 0 R /Count {len(outline)} >>"
        )
        for i, (title, page) in enumerate(outline):
            following = f"/Next {root + i + 2} 0 R" if i + 1 < len(outline) else ""
            add(f"<< /Title ({title}) /Parent {root} 0 R {following} /Dest [{kids[page]} 0 R /Fit] >>")
        marks = f" /Outlines {root} 0 R"
    info = add("<< /Title (A paper) >>")
    catalog = add(f"<< /Type /Catalog /Pages {tree} 0 R{marks} >>")
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, catalog, info, start,
    )  # fmt: skip
    return bytes(out)


def read_pdf(tmp_path, content: bytes):
    pytest.importorskip("pypdf")
    path = tmp_path / "paper.pdf"
    path.write_bytes(content)
    (document,) = read(scan([path], ScanOptions())[0][0], ScanOptions())
    return document


def test_pdf_paragraphs_headings_and_running_lines(tmp_path):
    pages = [
        ["Journal of Tests 1", "1 Methods", "We cut long lines of text where the page ends and exam-",
         "ine whether they are put together.", "A second paragraph starts here and it goes on to",
         f"the next page number {i} without an end"]
        for i in range(5)
    ]  # fmt: skip
    document = read_pdf(tmp_path, pdf(pages, (("Methods", 0),)))
    assert document.kind is Kind.PROSE
    assert document.language == "markdown"
    assert document.title == "A paper"
    assert document.text.count("Journal") == 1
    assert document.text.startswith("Journal of Tests 1\n\n# 1 Methods\n\nWe cut long lines")
    assert "ends and examine whether they are put together.\n\nA second paragraph" in document.text


def test_pdf_lines_with_a_number_in_them_are_no_running_lines(tmp_path):
    pages = [
        [f"Journal, Vol. 3 {99 + i}", f"Results of trial {i} by hand.", "said.", f"- {i} -"]
        for i in range(1, 6)
    ]
    lines = read_pdf(tmp_path, pdf(pages)).text.split("\n")
    assert [line for line in lines if line.startswith("Journal")] == ["Journal, Vol. 3 100"]
    assert [line for line in lines if line.startswith("Results")] == [page[1] for page in pages]
    assert not [line for line in lines if line.startswith("- ")]


def test_pdf_running_lines_of_left_and_right_pages_and_roman_numbers(tmp_path):
    pages = [["Chapter" if i % 2 else "The Book", f"words {i} here", "more", number]
             for i, number in enumerate(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii"], start=1)]  # fmt: skip
    text = read_pdf(tmp_path, pdf(pages)).text
    assert (text.count("Chapter"), text.count("The Book")) == (1, 1)
    assert not {"i", "iv", "viii"} & set(text.split())
    assert all(f"words {i} here" in text for i in range(1, 9))


def placed(rows):
    """A page on which each row is pieces of text, each with its place."""
    pieces = [(x, 700 - 14 * n, text) for n, row in enumerate(rows) for x, text in row]

    class Page:
        def extract_text(self, *, visitor_text):
            for x, y, text in pieces:
                visitor_text(text, [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, x, y], None, 12)
            return "\n".join(" ".join(text for _, text in row) for row in rows)

    return Page()


def test_pdf_columns_written_row_by_row_are_read_one_after_the_other():
    rows = [[(50, f"left line number {n}"), (330, f"right line number {n}")] for n in range(8)]
    text = page_text(placed([[(50, "A Title")], *rows, [(50, "the end")]]))
    lines = [f"{side} line number {n}" for side in ("left", "right") for n in range(8)]
    assert text.split("\n") == ["A Title", *lines, "the end"]


def test_pdf_tables_stay_rows():
    rows = [[(50, f"cell {n}"), (330, f"value {n}")] for n in range(8)]
    assert page_text(placed(rows)).split("\n") == [f"cell {n} value {n}" for n in range(8)]


def test_pdf_a_compound_keeps_the_hyphen_that_it_has_elsewhere(tmp_path):
    text = read_pdf(tmp_path, pdf([["a well-known and a well-", "known bird, inter-", "national"]])).text
    assert text.count("well-known") == 2
    assert "international" in text


def test_pdf_the_name_of_a_file_is_no_title():
    pytest.importorskip("pypdf")
    made = pdf([["words"]]).replace(b"(A paper)", b"(x.docx)")
    assert extract_pdf(made).title == ""


def test_pdf_without_text_damaged_or_under_another_name(tmp_path):
    with pytest.raises(Unreadable, match="OCR"):
        read_pdf(tmp_path, pdf([[]]))
    with pytest.raises(Unreadable, match="damaged or unsupported PDF"):
        read_pdf(tmp_path, b"%PDF-1.4\nbroken")
    path = tmp_path / "no_extension"
    path.write_bytes(pdf([["Some words on a page."]]))
    (document,) = read(scan([path], ScanOptions())[0][0], ScanOptions())
    assert document.text == "Some words on a page."


def test_pdf_without_pypdf_says_which_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    (tmp_path / "x.pdf").write_bytes(pdf([["words"]]))
    with pytest.raises(Unreadable, match=r"tellapart\[documents\]"):
        list(read(scan([tmp_path], ScanOptions())[0][0], ScanOptions()))


def test_pdf_hits_have_a_page(tmp_path):
    document = read_pdf(
        tmp_path, pdf([["A sentence that begins on"], ["one page and ends on the next one."]])
    )
    start = document.text.index("one page")
    assert place_of(document, start, len(document.text)).pages == (2, 2)
    assert str(place_of(document, 0, len(document.text))) == "pages 1-2"
    assert place_of(document, 0, 5).lines is None


def test_pdf_page_numbers_go(tmp_path):
    pages = [
        ["Journal 2024", f"Unique words {word} here.", f"Page {i} of 4"] for i, word in enumerate("abcd")
    ]
    text = read_pdf(tmp_path, pdf(pages)).text
    assert text.count("Journal 2024") == 1
    assert "Page" not in text


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_pdf_with_an_empty_password_is_read(tmp_path, algorithm):
    pypdf = pytest.importorskip("pypdf")
    pytest.importorskip("cryptography")
    writer = pypdf.PdfWriter()
    writer.append(pypdf.PdfReader(io.BytesIO(pdf([["Secret words."]]))))
    for password, readable in (("", True), ("secret", False)):
        writer.encrypt(password, owner_password="owner", algorithm=algorithm)
        out = io.BytesIO()
        writer.write(out)
        if readable:
            assert read_pdf(tmp_path, out.getvalue()).text == "Secret words."
        else:
            with pytest.raises(Unreadable, match="password"):
                read_pdf(tmp_path, out.getvalue())


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 900))
def test_a_damaged_pdf_is_text_or_a_reason(noise, cut):
    pytest.importorskip("pypdf")
    content = pdf([["Some words."]])
    assert "\n" not in reason(extract_pdf, content[:cut] + noise + content[cut + len(noise) :])

"""HTML becomes Markdown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import Document, Kind
from tellapart.corpus.places import offset_of_line, place_of
from tellapart.corpus.readers.html import extract_html


def text(html: str) -> str:
    return extract_html(html).text


PAGE = """<!DOCTYPE html>
<html><head><title>Install  &amp; run</title><style>p { color: red }</style>
<script>document.write("<p>script</p>");</script></head>
<body>
<header><a href="/">Logo</a><h1>Guide<a class="headerlink" href="#g">¶</a></h1></header>
<nav><ul><li>Home<li>About</ul></nav>
<main><article><header>By a person</header>
<p>First <b>para</b>graph with a <a href="x">link</a>,
   over two lines.<p>Second<br>paragraph.
<h2>Linux</h2>
<ul><li>one<li>two<ul><li>nested</ul><li><p>three</p></ul>
<ol><li>a</li><li>b</li></ol>
<pre><code class="language-rust">fn main() {
    println!("&lt;b&gt;");
}
</code></pre>
<table><thead><tr><th>Name<th>Age</tr></thead><tr><td>Ann|e<td><p>12</p></table>
<img alt="A cat" src="cat.png">
<footer>Written in May</footer></article></main>
<aside>Advert</aside><footer>Copyright</footer>
</body></html>"""


def test_a_whole_page():
    page = extract_html(PAGE)
    assert page.title == "Install & run"
    assert page.language == "markdown"
    assert page.text.split("\n\n") == [
        "# Guide",
        "By a person",
        "First paragraph with a link, over two lines.",
        "Second\nparagraph.",
        "## Linux",
        "- one\n- two\n  - nested\n- three\n1. a\n2. b",
        '```rust\nfn main() {\n    println!("<b>");\n}\n```',
        "| Name | Age |\n| Ann\\|e | 12 |",
        "A cat",
        "Written in May",
    ]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("just words", "just words"),
        ("a < b && c > d", "a < b && c > d"),
        ("<p>5 &lt 6 &eacute;&#233;&#x1F600;</p>", "5 < 6 éé😀"),
        ("<nav>only this</nav>", "only this"),
        ("<p>before</p><nav><p>never closed, and so kept", "before\n\nnever closed, and so kept"),
        ("<div hidden>a<div>b</div>c</div>d", "d"),
        ("<p hidden>a<p>b", "a\n\nb"),
        ("<p># not a heading</p>", "\\# not a heading"),
        ("<p>a<![bogus[ b ]]>c</p>", "ac"),
        ("<p>a<!-- comment -->b</p><!-- <p>c</p> -->", "ab"),
        ("<h3>Out\nof  line</h3>", "### Out of line"),
        ("<pre>a\n\n  b</pre>", "```\na\n\n  b\n```"),
        ("<pre>```\ncode\n```</pre>", "````\n```\ncode\n```\n````"),
        ("<table><tr><td><h2>Layout</h2><p>Words</p><p>More</p></table>", "## Layout\n\nWords\n\nMore"),
        ("<dl><dt>term</dt><dd>meaning</dd></dl>", "term\n\nmeaning"),
        ("<li>stray</li></ul></td></p>after", "- stray\n\nafter"),
        ("<p>one<br/>two<p/>three", "one\ntwo\n\nthree"),
        ("<title>x</title><svg><title>icon</title></svg><p>y", "y"),
    ],
)
def test_pieces(html, expected):
    assert text(html) == expected


def test_the_first_heading_is_the_title_where_there_is_none():
    assert extract_html("<h2>Second level</h2><h1>First</h1>").title == "Second level"


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<nav>",
                "</nav>",
                "<table>",
                "<tr>",
                "<td>",
                "</table>",
                "<li>",
                "<ul>",
                "</ul>",
                "<pre>",
                "</pre>",
                "<h1>",
                "</h1>",
                "<script>",
                "</script>",
                "<![",
                "<!--",
                "-->",
                "<",
                ">",
                "&",
                "&#",
                "&#xD800;",
                "<a b='",
                "word ",
                "<title>",
            ]
        ),
        max_size=25,
    ).map("".join)
)
def test_nothing_raises(html):
    text(html).encode("utf-8")


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<div>",
                "</div>",
                "<ul>",
                "</ul>",
                "<li>",
                "<table>",
                "<tr>",
                "<td>",
                "</table>",
                "<th>",
                "</td>",
                "</tr>",
                "<blockquote>",
                "</header>",
                "</main>",
                "<dd>",
                "<h2>",
                "</h2>",
                "<pre>",
                "</pre>",
                "<b>",
                "<section>",
                "<article>",
                "</article>",
            ]
        ),
        max_size=20,
    )
)
def test_no_word_is_lost_whatever_the_nesting(tags):
    html = "".join(f"{tag} word{i} " for i, tag in enumerate(tags))
    assert [word for word in text(html).replace("|", " ").split() if word.startswith("word")] == [
        f"word{i}" for i in range(len(tags))
    ]


def document(html: str) -> Document:
    page = extract_html(html)
    return Document("a.html", page.text, Kind.PROSE, path="a.html", places=page.places)


PLACED = """<html><head><title>t</title>
<meta name=a>

</head><body>
<nav>menu
</nav><h1>The
head ¶</h1>
<p>A paragraph whose words
run on to &amp; fill
a third <b>line</b>.<p>Unclosed
<ul><li>item one
<li>item two</ul>
<table><tr><td>left<td>
right<tr><td>below</table>
<pre>code one

  code two</pre><img
 alt="picture">
</body></html>"""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("The", 6), ("head", 7), ("A paragraph", 8), ("run on", 9), ("fill", 9), ("a third", 10), ("line", 10),
        ("Unclosed", 10), ("item one", 11), ("item two", 12), ("left", 13), ("right", 14), ("below", 14),
        ("code one", 15), ("code two", 17), ("picture", 17),
    ],
)  # fmt: skip
def test_lines_are_those_of_the_file(words, line):
    page = document(PLACED)
    start = page.text.index(words)
    assert place_of(page, start, start + len(words)).lines == (line, line)


def test_a_line_of_the_file_leads_to_its_text():
    page = document(PLACED)
    assert page.text[offset_of_line(page, 9) :].startswith("run on")
    assert page.text[offset_of_line(page, 16) :].startswith("```\ncode one")


def test_blanks_and_joiners_of_the_author_stay():
    words = "10\u00a0km wide\u3000space می\u200cخواهم क्\u200dष \u2009thin"
    assert text(f"<p>{words}</p>") == words
    assert text("<p>5&nbsp;km  and\n more</p>") == "5\u00a0km and more"
    assert text("<p>&nbsp;</p><p>x</p>") == "x"


def test_a_nul_does_no_harm():
    assert text("<p>a\0b\0 5\0</p>") == "a\ufffdb\ufffd 5\ufffd"


@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "\n", "word", " ", "<b>", "<td>", "<tr>", "<table>", "<pre>", "<li>"])
    )
)
def test_places_are_lines_of_the_file_in_order(pieces):
    html = "".join(pieces)
    page = extract_html(html)
    offsets = [offset for offset, _ in page.places["line"]]
    assert offsets == sorted(set(offsets))
    assert all(0 <= offset < len(page.text) for offset in offsets)
    assert all(1 <= line <= html.count("\n") + 1 for _, line in page.places["line"])
    assert "\0" not in page.text


def test_items_and_fences_begin_on_their_own_lines():
    page = document("<p>\nabove\n</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<pre>\nfirst line\n</pre>")
    for text, line in (("- one", 5), ("- two", 6), ("```", 9)):
        start = page.text.index(text)
        assert place_of(page, start, start + len(text)).lines == (line, line)


@pytest.mark.parametrize("style", ["display:none", "color: red; DISPLAY : none"])
def test_what_its_style_hides_is_left_out(style):
    assert document(f'<p style="{style}">secret</p><p style="color:red">shown</p>').text == "shown"

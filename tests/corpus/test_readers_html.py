"""HTML becomes Markdown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

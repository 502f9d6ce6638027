"""Languages of one purpose each: shells, queries, statistics, pages, logic."""

from __future__ import annotations

from tellapart.corpus.signatures.signature import signature

SIGNATURES = (
    signature(
        "bash",
        hints=(
            "if / while / elif / fi / done / esac / () / function / export / ; then / ; do / ;do / "
            ";then / $ / set -"
        ),
        sure=(
            r"^[ \t]*(?:if|while|elif)[ ]+(?:!|\[\[?)[ ]|^[ \t]*(?:fi|done|esac)\b"
            r"|^[ \t]*(?:\w+[ ]*\(\)|function[ ]+\w+)[ ]*\{|^[ \t]*export[ ]+\w+=|;[ ]*(?:then|do)\b"
            r"|\$\{\w+[^}\n]*\}|[\"' ]\$[@#?1-9][\"' \n]|^set -[euxo]"
        ),
        likely=(
            r"\$\w+|\$\(|^[ \t]*\w+=\S*$|\becho\b|\|[ ]*(?:grep|sed|awk|xargs)\b"
            r"|^[ \t]*(?:cd|mkdir|rm|cp|sudo|apt-get|curl)[ ]"
        ),
    ),
    signature(
        "sql",
        hints="SELECT / INSERT / UPDATE / DELETE / CREATE / ALTER / DROP / WITH / select / create / insert",
        sure=(
            r"^[ \t(]*(?:SELECT\b[^;]{1,300}\bFROM\b|INSERT INTO\b|UPDATE[ ]+[\w.\"]+[ ]+SET\b"
            r"|DELETE FROM\b|CREATE[ ]+(?:OR REPLACE[ ]+)?(?:TEMP[ ]+|UNIQUE[ ]+)?(?:TABLE|VIEW|INDEX"
            r"|FUNCTION|PROCEDURE|TRIGGER|SCHEMA|DATABASE)\b|ALTER TABLE\b|DROP TABLE\b|WITH[ ]+\w+[ ]+AS[ ]*\()"
            r"|^[ \t(]*(?:select[ ]+(?:\*|[\w.]+(?:[ ]*,[ ]*[\w.]+)*)\s+from\s+[\w.]+\s*(?:$|;|where\b"
            r"|join\b|order by\b|group by\b)|create table\b[^\n]*\(|insert into\b[^\n]*\bvalues\b)"
        ),
        likely=(
            r"(?i:\b(?:varchar|primary key|not null|group by|order by|inner join|left join|references)\b)|\bWHERE\b"
            r"|\bVALUES\b|\bJOIN\b"
        ),
    ),
    signature(
        "r",
        hints="<- / library( / %>% / %in% / data.frame(",
        sure=(r"<-[ ]*function[ ]*\(|\blibrary\(\w+\)|%>%|%in%|\bdata\.frame\(|^[ \t]*[\w.]+[ ]*<-[ ]"),
        likely=(r"\bc\(|\bTRUE\b|\bFALSE\b|\$\w+|\bNULL\b|\bpaste0?\("),
    ),
    signature(
        "julia",
        hints="function / using / struct / !( / module / # module",
        sure=(
            r"^[ \t]*function[ ]+[\w.]+!?\([^\n]*::|^using[ ]+[A-Z][\w.]*(?:[:,][^\n;]*)?$"
            r"|^[ \t]*(?:mutable[ ]+)?struct[ ]+\w+(?:[ ]*<:[^\n]*)?[ \t]*$|\b\w+!\("
            r"|^[ \t]*module[ ]+[A-Z]\w*[ \t]*$|\bend[ ]*# module"
        ),
        likely=(
            r"^[ \t]*end[ \t]*$|::[A-Z]\w+|^[ \t]*function[ ]+\w+|@\w+[ ]|\bprintln\(|\bnothing\b|<:|\.\+|\.\*"
        ),
    ),
    signature(
        "dart",
        hints=(
            "import / extension / String? / Widget / @override / Future< / extends State / "
            "required this / late"
        ),
        sure=(
            r"^import[ ]+'(?:package|dart):|^[ \t]*extension[ ]+\w+[ ]+on\b|\bString\?[ ]+\w+|\bWidget build\("
            r"|@override\b|\bFuture<\w+|\bextends State(?:less|ful)Widget\b|\brequired this\.|\blate (?:final )?\w+"
        ),
        likely=(
            r"\bvoid main\(|\bfinal[ ]+\w+|\bString\b|=>|\bvar[ ]+\w+[ ]*=|\basync[ ]*\{|\bconst[ ]+\w+\("
        ),
    ),
    signature(
        "css",
        hints="@media / @import / @font-face / @keyframes / @charset / { / px / em / rem / % / #",
        sure=(
            r"^[ \t]*@(?:media|import|font-face|keyframes|charset)\b|^[ \t]*(?:[.#]|::?)[\w-]+[^;\n(=]*\{"
            r"|^[ \t]*(?:a|body|html|h[1-6]|p|ul|li|div|span|table|input|button)\b[^;\n(=]*\{"
            r"|^[ \t]*[a-z-]+:[ ]*[^;{}\n]*(?:px|em|rem|%|#[0-9a-fA-F]{3,6})[^;{}\n]*;"
        ),
        likely=(r"^[ \t]*[a-z-]+:[ ]*[^;{}\n]+;[ \t]*$|\bvar\(--|^\}"),
    ),
    signature(
        "matlab",
        hints="function / zeros( / ones( / fprintf( / numel( / disp(",
        sure=(
            r"^function[ ]+(?:\[?[\w, ]+\]?[ ]*=[ ]*)?\w+[ ]*(?:\([^)\n]*\))?[ \t]*$"
            r"|\b(?:zeros|ones|fprintf|numel|disp)\("
        ),
        likely=(r"^[ \t]*%|^[ \t]*end[ \t]*;?$|\.\*|\.\^|;[ \t]*$"),
    ),
    signature(
        "prolog",
        hints=":-",
        sure=(r"^[a-z]\w*\([^\n]*\)[ ]*:-|^:-[ ]*\w+\("),
        likely=(r"\.[ \t]*$|\b[A-Z]\w*[ ]+is\b|!\."),
    ),
)

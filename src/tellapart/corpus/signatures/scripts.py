"""Signs of scripting and functional languages, and of languages of one purpose."""

from __future__ import annotations

SIGNATURES = (
    dict(
        language="php",
        hints="<? / $",
        sure=(
            r"<\?(?:php|=)|\$this->|\bfunction[ ]+\w*\([^)\n]*\$\w+|^namespace[ ]+[\w\\]+;|\becho[ ]+[$\"']"
        ),
        likely=(r"\$\w+[ ]*=|\$\w+->|=>|\barray\(|::"),
    ),
    dict(
        language="perl",
        hints="my / our / local / sub / use / package / shift; / @_ / $_ / qw(",
        sure=(
            r"\b(?:my|our|local)[ ]+[$@%(]|^[ \t]*sub[ ]+\w+[ ]*\{?|^use[ ]+(?:strict|warnings)\b"
            r"|^package[ ]+[\w:]+;|\bshift;|@_\b|\$_\b|\bqw\("
        ),
        likely=(r"=~|\$\w+|@\w+|->\{|\bunless\b|\bforeach\b|\bdie\b"),
    ),
    dict(
        language="ruby",
        hints="def / do | / do| / require / attr_ / module / class / elsif",
        sure=(
            r"^[ \t]*def[ ]+(?:self\.)?\w+[?!=]?(?:[ ]*\([^)\n]*\))?[ \t]*$|\bdo[ ]*\|[^|\n]+\|"
            r"|^[ \t]*require(?:_relative)?[ ]|\battr_(?:reader|writer|accessor)\b"
            r"|^[ \t]*module[ ]+[A-Z][\w:]*[ \t]*$|^[ \t]*class[ ]+[A-Z][\w:]*(?:[ ]*<[ ]*[\w:]+)?[ \t]*$|\belsif\b"
        ),
        likely=(r"^[ \t]*end[ \t]*$|@\w+|\bputs\b|\.each\b|\bunless\b|\bnil\b|\{[ ]*\|\w+"),
    ),
    dict(
        language="lua",
        hints="local / function / ~= / pairs( / elseif",
        sure=(
            r"\blocal[ ]+(?:function[ ]+)?\w+(?:[ ]*,[ ]*\w+)*[ ]*[=(]|^[ \t]*function[ ]+[\w.:]+\([^)\n]*\)[ \t]*$"
            r"|~=|\bipairs\(|\bpairs\(|\belseif\b[^\n]*\bthen\b"
        ),
        likely=(r"\bthen[ \t]*$|^[ \t]*end\b|\bnil\b|\.\.|\bfunction[ ]*\("),
    ),
    dict(
        language="elixir",
        hints="defmodule / def / defp / |> / @doc / @moduledoc / @spec / @impl / fn",
        sure=(
            r"\bdefmodule[ ]+[\w.]+[ ]+do\b|^[ \t]*defp?[ ]+\w+[?!]?(?:\([^\n]*\))?[^\n]*(?:\bdo\b|,[ ]*do:)|\|>"
            r"|^[ \t]*@(?:doc|moduledoc|spec|impl)\b|\bfn\b[^\n]*->"
        ),
        likely=(r"^[ \t]*end[ \t]*$|%\{|:ok\b|\b[A-Z]\w+\.\w+\(|\bdo[ \t]*$|\bnil\b"),
    ),
    dict(
        language="haskell",
        hints=":: / module / import / data / newtype / instance / deriving",
        sure=(
            r"^[a-z]\w*'?[ ]*::[ ]*[\w(\[]|^module[ ]+[A-Z][\w.]*"
            r"|^import[ ]+(?:qualified[ ]+)?[A-Z][\w.]*(?:[ ]*\(|[ ]+as\b|[ ]*$)"
            r"|^(?:data|newtype)[ ]+[A-Z]\w*[^\n]*=|^instance[ ]+\w+|\bderiving\b"
        ),
        likely=(r"\bwhere[ \t]*$|<-|\\\w+[ ]*->|->|^[ \t]*\|[ ][^\n]*=|\bcase\b[^\n]*\bof\b|<\$>"),
    ),
    dict(
        language="ocaml",
        hints="let / match / open / ;; / module",
        sure=(
            r"^[ \t]*let[ ]+(?:rec[ ]+)?\w+(?:[ ]+[\w(~:)]+)*[ ]*=[ \t]*(?:$|\S[^\n]*\bin\b|function\b"
            r"|match\b|fun\b)|\bmatch\b[^\n]*\bwith\b[ \t]*$|^open[ ]+[A-Z]\w*|;;"
            r"|^[ \t]*module[ ]+[A-Z]\w*[ ]*(?::[^\n=]*)?=[ ]*struct\b|\blet rec\b"
        ),
        likely=(
            r"^[ \t]*\|[ ][^\n]*->|\bin[ \t]*$|\bfun[ ]+\w+[ ]*->|\bList\.\w+|\bbegin\b|^type[ ]+\w+[ ]*=|\bval\b"
            r"|\|>"
        ),
    ),
    dict(
        language="zig",
        hints="@ / pub fn / comptime / errdefer / fn",
        sure=(r"@import\(|\bpub fn\b|\bcomptime\b|\berrdefer\b|@\w+\(|\bfn[ ]+\w+\([^\n]*\)[ ]*!?\w+[ ]*\{"),
        likely=(r"\bconst[ ]+\w+|\bdefer\b|\btry\b|\[\]const u8|\busize\b|\bnull\b"),
    ),
    dict(
        language="bash",
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
    dict(
        language="sql",
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
    dict(
        language="r",
        hints="<- / library( / %>% / %in% / data.frame(",
        sure=(r"<-[ ]*function[ ]*\(|\blibrary\(\w+\)|%>%|%in%|\bdata\.frame\(|^[ \t]*[\w.]+[ ]*<-[ ]"),
        likely=(r"\bc\(|\bTRUE\b|\bFALSE\b|\$\w+|\bNULL\b|\bpaste0?\("),
    ),
    dict(
        language="julia",
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
    dict(
        language="dart",
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
    dict(
        language="css",
        hints="@media / @import / @font-face / @keyframes / @charset / { / px / em / rem / % / #",
        sure=(
            r"^[ \t]*@(?:media|import|font-face|keyframes|charset)\b|^[ \t]*(?:[.#]|::?)[\w-]+[^;\n(=]*\{"
            r"|^[ \t]*(?:a|body|html|h[1-6]|p|ul|li|div|span|table|input|button)\b[^;\n(=]*\{"
            r"|^[ \t]*[a-z-]+:[ ]*[^;{}\n]*(?:px|em|rem|%|#[0-9a-fA-F]{3,6})[^;{}\n]*;"
        ),
        likely=(r"^[ \t]*[a-z-]+:[ ]*[^;{}\n]+;[ \t]*$|\bvar\(--|^\}"),
    ),
    dict(
        language="matlab",
        hints="function / zeros( / ones( / fprintf( / numel( / disp(",
        sure=(
            r"^function[ ]+(?:\[?[\w, ]+\]?[ ]*=[ ]*)?\w+[ ]*(?:\([^)\n]*\))?[ \t]*$"
            r"|\b(?:zeros|ones|fprintf|numel|disp)\("
        ),
        likely=(r"^[ \t]*%|^[ \t]*end[ \t]*;?$|\.\*|\.\^|;[ \t]*$"),
    ),
    dict(
        language="prolog",
        hints=":-",
        sure=(r"^[a-z]\w*\([^\n]*\)[ ]*:-|^:-[ ]*\w+\("),
        likely=(r"\.[ \t]*$|\b[A-Z]\w*[ ]+is\b|!\."),
    ),
)

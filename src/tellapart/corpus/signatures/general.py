"""Python, JavaScript, TypeScript, Go, Rust."""

from __future__ import annotations

from tellapart.corpus.signatures.signature import signature

SIGNATURES = (
    signature(
        "python",
        hints="def / class / import / elif / except / self. / __ / print",
        sure=(
            r"^[ \t]*(?:async[ ]+)?def[ ]+\w+[ ]*\((?:[^\n]*\)[ \\\n\t]*(?:->[^\n=]+)?:(?![:=])|[^\n)]*$)"
            r"|^[ \t]*class[ ]+\w+(?:\([^)\n]*\))?:|^[ \t]*from[ ]+[\w.]+[ ]+import[ ]"
            r"|^import[ ]+\w+(?:\.\w+)*(?:[ ]+as[ ]+\w+)?[ \t]*$|^[ \t]*elif[ ][^\n]*:|^[ \t]*except\b[^\n]*:"
            r"|\bself\.\w+|__\w+__|^[ \t]*print[ ][^\n(]"
        ),
        likely=(
            r"^[ \t]*(?:for[ ][^\n]* in [^\n]*|if[ ][^\n]*|while[ ][^\n]*|else|try|finally|with[ ][^\n]*):[ \t]*$"
            r"|\b(?:None|True|False)\b|\blambda\b[^\n:]*:|^[ \t]*@\w+[\w.]*|\b(?:len|range|print|isinstance)\("
            r"|\bnot in\b"
        ),
    ),
    signature(
        "javascript",
        hints=(
            "const / let / => / function / require( / module. / console. / === / !== / import / "
            "export / document. / await"
        ),
        sure=(
            r"\b(?:const|let)[ ]+(?:[\w$]+|\{[^}\n]*\}|\[[^\]\n]*\])[ ]*=[^=]|\([^()\n]{0,80}\)[ ]*=>"
            r"|\bfunction\b\*?[ ]*[\w$]*[ ]*\([^)\n]*\)[ ]*\{|\brequire\(|\bmodule\.exports\b|\bconsole\.\w+\("
            r"|[\w)\]\"\'][ ]*[!=]==[ ]*[\w(\[\"\'-]|^[ \t]*import\b[^\n;]* from[ ]*[\"']"
            r"|\bexport (?:default|const|function|class)\b|\bdocument\.\w+|\bawait[ ]\w"
        ),
        likely=(
            r"\bvar[ ]+[\w$]+[ ]*=|\bthis\.\w+|\breturn\b[^\n]*;[ \t]*$|\btypeof\b|\bnull\b|\bundefined\b|=>"
        ),
    ),
    signature(
        "typescript",
        hints=(
            "string / number / boolean / void / any / unknown / never / interface / enum / "
            "namespace / type / public / private / protected / readonly / as const / Promise< / "
            "Array< / Record< / Map<"
        ),
        sure=(
            r"[\w)?\]][ ]*:[ ]*(?:string|number|boolean|void|any|unknown|never)\b(?:\[\])*[ ]*[,;)=}{|]"
            r"|^[ \t]*(?:export[ ]+)?(?:declare[ ]+)?interface[ ]+\w+[^\n;]*\{"
            r"|^[ \t]*(?:export[ ]+)?type[ ]+[A-Z]\w*(?:<[^\n=]*>)?[ ]*="
            r"|^[ \t]*(?:public|private|protected|readonly)[ ]+\w+\??:[ ]|\bas const\b"
            r"|\)[ ]*:[ ]*(?:Promise|Array|Record|Map)<"
        ),
        likely=(r"\b(?:const|let)[ ]+\w+:[ ]|\bimport type\b|=>|===|\bexport\b"),
    ),
    signature(
        "go",
        hints="package / func / err != nil / import ( / type / make(",
        sure=(
            r"^package[ ]+\w+[ \t]*$|^func[ ]+(?:\(\w+[ ]+\*?[\w.\[\]]+\)[ ]*)?\w+(?:\[[^\]\n]*\])?\("
            r"|\bif err != nil\b|^import[ ]+\($|^type[ ]+\w+[ ]+(?:struct|interface)[ ]*\{"
            r"|\bmake\((?:\[\]|map|chan)"
        ),
        likely=(r":=|\bnil\b|\bfmt\.\w+|\bdefer\b|\bgo func\b|\brange\b|\[\](?:string|int|byte)\b"),
    ),
    signature(
        "rust",
        hints="fn / let mut / struct / enum / trait / mod / impl / use / #[ / #![ / &mut / &self / &str",
        sure=(
            r"\bfn[ ]+\w+(?:<[^>\n]*>)?\(|\blet mut\b"
            r"|^[ \t]*(?:pub(?:\(\w+\))?[ ]+)?(?:struct|enum|trait|mod)[ ]+\w+[^\n;(]*[{;]"
            r"|\bimpl(?:<[^\n>]*>)?[ ]+\w+|^[ \t]*(?:pub )?use[ ]+[a-z_]\w*::|#!?\[\w+|&(?:mut\b|self\b|str\b)"
        ),
        likely=(
            r"->[ ]*(?:Result|Option|Self|[iu](?:8|16|32|64|size)|bool|String|Vec)\b|\b\w+!\(|\bmatch\b[^\n]*\{"
            r"|::\w+|\bunwrap\(\)"
        ),
    ),
)

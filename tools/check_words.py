"""Check names and prose for words that this project has replaced: `check_words.py [FILE...]`.

Python files give their definitions (functions, classes, parameters, attributes, modules), their
comments and their strings; TOML, YAML, Dockerfiles and the Makefile their comments; Markdown and
HTML their text. Each find is printed as `file:line: pattern: suggestion`; the exit code is 1 where
there is any. Without arguments every tracked file is checked.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

NAMES = {
    "aim": "constraints",
    "anew": "again",
    "appliance": "served model",
    "assignment": "task_spec",
    "authored": "user_code",
    "blame": "attribute",
    "border": "signature",
    "borders": "signature",
    "compensate": "reconstruct",
    "costing": "cost_provider",
    "crew": "teachers",
    "dismiss": "shutdown",
    "forecast": "predict",
    "gauge": "measure",
    "hear": "receive",
    "leash": "watchdog",
    "lesson": "trainer, or spec",
    "micro": "microbenchmark",
    "pupil": "student_module",
    "refusal": "problem, or Incompatibility",
    "scheme": "quant_config",
    "schemes": "quant_configs",
    "share": "fraction, or portion",
    "shares": "fractions",
    "slim": "iterative_prune",
    "survey": "build_planner",
    "taught": "trained",
    "teaching": "task_losses",
    "told": "progress, shown or stated",
    "truth": "targets",
    "wanted": "expected, requested or variants",
    "worth": "objective",
}
"""Parts of identifiers of the private dialect, and the field's words for them."""

WHOLE = {
    r"(?i)_?cost_?source": "provenance: a source is where a model comes from",
}
"""Identifiers whose parts are words of ours, each by itself, and the names for them."""

SPELLING = {
    r"artefact": "artifact",
    r"behaviour": "behavior",
    r"cancell(?:ed|ing)": "canceled",
    r"catalogue": "catalog",
    r"centre|centring": "center",
    r"colour": "color",
    r"favour": "favor",
    r"grey": "gray",
    r"honour": "honor",
    r"judgement": "judgment",
    r"labell(?:ed|ing)": "labeled",
    r"licence": "license",
    r"modell(?:ed|ing|er)": "modeled",
    r"neighbour": "neighbor",
    r"programme": "program",
    r"analys(?:e|ed|ing)\b": "analyze",
    r"(?:author|binar|canonical|containeri?|custom|emphas|equal|factor|final|functional|general"
    r"|initial|linear|local|maxim|memor|minim|modern|normal|optim|organ|parallel|parametr|penal"
    r"|quant|random|real|recogn|regular|serial|special|standard|summar|synthes|token|util"
    r"|vector|visual)is(?:e|ed|es|er|ers|ing|ation|ations|able)\b": "-ize, -ization",
}
"""British spellings, and the American ones."""

PROSE = {
    r"\banew\b": "again",
    r"\b(?:pupils?|crew|leash|lessons?)\b": "student module, teachers, watchdog, training",
    r"\b(?:taught|teach(?:es|ing)?)\b": "train, distill",
    r"\bgauges?\b": "measure",
    r"\bschemes?\b": "configuration",
    r"\b(?:[Aa]n?|[Tt]h(?:e|is)|its|same|as|least|validation|\w's|\ws') shares?\b"
    r"(?! (?:an?|the|its|one|their|memory|tensors)\b)|(?:\A|\n)Share of\b": "fraction",
    r"\bslim(?:s|med|ming)?\b": "prune",
    r"\b(?:tells?|told)\b": "report, state, show, distinguish",
    r"\b(?:says?|said)\b": "state, report, print, name",
    r"\b(?:hears?|heard)\b": "receive",
    r"\bknows?\b": "name what the code has or supports",
    r"\bask(?:s|ed)?\b(?! for)": "request, call, query",
    r"(?<!here )\b(?:is|are|was|were) no\b(?! longer)": "is not, has no",
    r"\bwhat is left\b": "the remaining ...",
    r"(?:\A|(?<=[.:;!] )|(?<=\n\n))(?:What|Which|Whether|Who|Whoever|How)\b"
    r"(?![^.]*\?)(?! (?:to|can|do)\b)": "start with the noun: no headless clause",
    r"; (?:what|whoever|which of)\b": "use the noun as the subject",
}
"""Words and openings of sentences that plain technical English does without."""
_SPELLED = {re.compile(pattern, re.I): text for pattern, text in SPELLING.items()}
_WORDED = {re.compile(pattern): text for pattern, text in PROSE.items()}
_BRITISH = re.compile("|".join(SPELLING), re.I)
_ANY = re.compile("|".join((*SPELLING, *PROSE)), re.I)


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """One exception: a text that may stand in files that match `files`, and the reason."""

    files: str
    text: str
    reason: str


ALLOWED = (
    Allowed(
        files=r"docs/(commands|toml|targets|runtimes|tasks|errors)",
        text=r".*",
        reason="made from docstrings and records, which are checked where they are written",
    ),
    Allowed(
        files=r"tools/check_words\.py|tests/unit/test_check_words\.py",
        text=r".*",
        reason="the checker and its test spell out the patterns",
    ),
    Allowed(
        files=r"agent/meters/battery\.py|(README|docs/.*)\.md",
        text=r"fuel gauge",
        reason="the name of the chip",
    ),
    Allowed(
        files=r"edgekit/types/project\.py|(edgekit|tests/unit)/pipeline/|(README|docs/.*)\.md",
        text=r"compensate",
        reason="a key of [recipe.prune], which projects have",
    ),
    Allowed(
        files=r"edgekit/config/renamed\.py|tests/unit/config/test_renamed\.py|tests/unit/test_init\.py",
        text=r"quantis|language-modelling|colour|grey",
        reason="old keys and names, beside the new ones",
    ),
    Allowed(
        files=r"agent/serving/server\.py|report/figures\.py|tests/runtime/report/test_browser\.py",
        text=r"scheme",
        reason="of authorization, and of colors: HTTP's and CSS's own names",
    ),
    Allowed(
        files=r"tests/|distill/(?:pairing|objective)\.py|prune/activations\.py|agent/runtimes/openvino\.py",
        text=r"\btest_\w*shares?\b|test_\w*share_|share_maps|^shares$|share_outputs",
        reason="the verb",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Find:
    """One place that a pattern matches."""

    file: str
    line: int
    text: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}: {self.suggestion}"


@dataclass(frozen=True, kw_only=True)
class Prose:
    """A comment, string or paragraph, and the line it starts at."""

    line: int
    text: str


def _parts(name: str) -> list[str]:
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier that a Python file defines, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def _string(token: str) -> str:
    """The text of a string literal; the expressions of an f-string become one word."""
    prefix, body = re.match(r"(?s)([a-zA-Z]*)(.*)", token).groups()  # type: ignore[union-attr]
    quote = body[:3] if body[:3] in ('"""', "'''") else body[:1]
    text = body[len(quote) : -len(quote)]
    return re.sub(r"\{[^{}]*\}", "X", text) if "f" in prefix.lower() else text


def python_prose(text: str) -> Iterator[Prose]:
    """Comments (neighboring lines joined) and strings (adjacent literals joined)."""
    comment: list[tuple[int, str]] = []
    strings: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            if comment and not (alone and comment[-1][0] + 1 == token.start[0]):
                yield _joined(comment, " ")
                comment = []
            comment.append((token.start[0], token.string.lstrip("#: ")))
        elif token.type == tokenize.STRING:
            strings.append((token.start[0], _string(token.string)))
        elif strings and token.type not in (tokenize.NL, tokenize.COMMENT):
            yield _joined(strings, "")
            strings = []
    yield from (_joined(each, " ") for each in (comment, strings) if each)


def _joined(pieces: Sequence[tuple[int, str]], between: str) -> Prose:
    """Pieces as one text; a line break of the source stays one, to count lines by."""
    text, line = pieces[0][1], pieces[0][0]
    for number, piece in pieces[1:]:
        text += between + "\n" * (number - line - text.count("\n")) + piece
    return Prose(line=line, text=text)


def markdown_prose(text: str) -> Iterator[Prose]:
    """Paragraphs, list items and table cells; fenced code is left out."""
    code, start, lines = False, 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        fence = line.lstrip().startswith("```")
        if fence or code or not line.strip() or re.match(r"\s*(?:[-*#|>]|\d+\.)", line):
            if lines:
                yield Prose(line=start, text="\n".join(lines))
            lines = []
            code ^= fence
        if not (fence or code) and line.strip():
            start = start if lines else number
            lines.append(re.sub(r"^\s*(?:[-*#|>]+|\d+\.)\s*", "", line))


def comment_prose(text: str) -> Iterator[Prose]:
    """Comments of files whose comments start with a hash."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        found = re.search(r"(?:^|\s)#\s?(.*)", line)
        if found is None or (block and not line.lstrip().startswith("#")):
            if block:
                yield _joined(block, " ")
            block = []
        if found is not None:
            block.append((number, found.group(1)))


def html_prose(text: str) -> Iterator[Prose]:
    """The text of templates, without tags, scripts and expressions."""
    hidden = r"(?s)<(script|style)\b.*?</\1>|\{[{%#].*?[}%#]\}|<[^>]*>"
    plain = re.sub(hidden, lambda found: "\n" * found.group().count("\n"), text)
    for number, line in enumerate(plain.splitlines(), 1):
        if line.strip():
            yield Prose(line=number, text=line.strip())


READERS = {
    ".py": python_prose,
    ".pyi": python_prose,
    ".md": markdown_prose,
    ".toml": comment_prose,
    ".yml": comment_prose,
    ".yaml": comment_prose,
    "Makefile": comment_prose,
    "Dockerfile": comment_prose,
    ".html": html_prose,
}


def check(file: str, text: str) -> Iterator[Find]:
    """The finds of one file; `file` is its path from the root."""
    path = Path(file)
    reader = READERS.get(path.suffix) or READERS.get(path.name)
    if reader is None:
        return
    if path.suffix == ".py":
        yield from _in_names(file, [(1, path.stem), *names(ast.parse(text))])
    for prose in reader(text):
        if _ANY.search(prose.text.replace("\n", " ")) or "\n\n" in prose.text:
            yield from _in_prose(file, prose, _WORDED if _is_prose(prose.text) else {})


def _is_prose(text: str) -> bool:
    """Return whether the text has words of a sentence, and not a key or a pattern."""
    return len(re.findall(r"[A-Za-z]{2,}[ \n]", text)) >= 2


def _in_names(file: str, found: Sequence[tuple[int, str]]) -> Iterator[Find]:
    for line, name in dict.fromkeys(found):
        for part in _parts(name):
            if part in NAMES and not _allowed(file, name):
                yield Find(file=file, line=line, text=name, suggestion=NAMES[part])
        for pattern, suggestion in WHOLE.items():
            if re.fullmatch(pattern, name):
                yield Find(file=file, line=line, text=name, suggestion=suggestion)
        if _BRITISH.search(name) and not _allowed(file, name):
            yield Find(file=file, line=line, text=name, suggestion="American spelling")


def _in_prose(
    file: str, prose: Prose, patterns: dict[re.Pattern[str], str]
) -> Iterator[Find]:
    text = re.sub(r"(?s)```.*?```|``?[^`\n]*``?", _blank, prose.text)
    flat = re.sub(r"(?<!\n)\n(?!\s*\n)", " ", text)  # as many characters, for the line
    flat = re.sub(
        r" +", lambda run: run.group()[:1] + "\0" * (len(run.group()) - 1), flat
    )
    kept = [i for i, letter in enumerate(flat) if letter != "\0"]
    flat = flat.replace("\0", "")
    for pattern, suggestion in {**_SPELLED, **patterns}.items():
        for found in pattern.finditer(flat):
            near = flat[max(0, found.start() - 30) : found.end() + 30]
            if not _allowed(file, near):
                line = prose.line + prose.text.count("\n", 0, kept[found.start()])
                shown = flat[found.start() : found.end() + 24].split("\n")[0]
                yield Find(file=file, line=line, text=shown, suggestion=suggestion)


def _blank(code: re.Match[str]) -> str:
    """Code in backticks, as many characters without a word."""
    return re.sub(r"[^\n]", "_", code.group())


def _allowed(file: str, near: str) -> bool:
    return any(
        re.search(each.files, file) and re.search(each.text, near) for each in ALLOWED
    )


def files() -> list[str]:
    """Every tracked file that a reader exists for."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [
        each
        for each in listed
        if (READERS.get(Path(each).suffix) or READERS.get(Path(each).name))
        and (ROOT / each).is_file()
    ]


def main(arguments: Sequence[str]) -> int:
    """Print every find in the files given, or in all; the exit code."""
    count = 0
    for file in arguments or files():
        for find in check(file, (ROOT / file).read_text(encoding="utf-8")):
            print(find)
            count += 1
    print(f"{count} finds" if count else "words: none of the old ones", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

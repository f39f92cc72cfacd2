"""Functions in the user's own Python files, such as `model.py:build` and `loader.py:train`.

Whatever the author's code raises becomes one line that names the author's file and line.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit.errors import UsageError, signal_behind
from edgekit.neighbors import neighbors
from edgekit.suggestions import suggest, suggest_path

_INSTALLED = re.compile(r"(?!.*\.py:)[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

_ADVICE = (
    (
        re.compile(
            r"not compiled with CUDA|No CUDA GPUs|NVIDIA driver|on a CUDA device|"
            r"tensors to be on the same device|cuda:?\d* device type"
        ),
        "EdgeKit moves the network itself: leave it on the CPU, without .cuda() and "
        ".to('cuda'), and load files with map_location='cpu'.",
    ),
    (
        re.compile(r"^No module named"),
        "Install that module where EdgeKit is, or put its file beside this one.",
    ),
)
"""Parts of errors' messages, and what to do."""


@dataclass(frozen=True, kw_only=True)
class UserFunction:
    """A function of the user's: where it is, and the class of error its failures become."""

    file: Path
    function: str
    error: type[UsageError]
    module: str | None = None
    """The installed module that it is in, by name; `None` for a file of the user's."""

    @property
    def name(self) -> str:
        """The reference as `file.py:function` or `package.module:function`."""
        return f"{self.module or self.file.name}:{self.function}"

    def call(self) -> Any:
        """Call the function without arguments and return its result."""
        with self.running():
            function = self._find(self._imported())
            required = [
                name
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.default is parameter.empty
                and parameter.kind
                not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            ]
            if required:
                raise self.error(
                    f"{self.name} needs the arguments {', '.join(required)}. "
                    "Give them defaults: EdgeKit calls it without arguments."
                )
            return function()

    def found(self) -> Callable[..., Any]:
        """The function or class itself, its file run once."""
        with self.running():
            return self._find(self._imported())

    def load(self) -> Callable[..., Any]:
        """The function itself, its file run once; its exceptions become our error."""
        function = self.found()

        def run(*arguments: Any) -> Any:
            with self.running():
                return function(*arguments)

        return run

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run code of the author's: imports find the file's neighbors, errors become ours."""
        own = nullcontext() if self.module else neighbors(self.file.parent)
        try:
            with own:
                yield
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            if (ours := signal_behind(error)) is not None:
                raise ours  # noqa: B904 - the author's code only passed it on
            raise self.error(
                f"{self.name} failed: {where(error, self.file)}.{advice(error)}"
            ) from error

    def _imported(self) -> ModuleType:
        if self.module is not None:
            return importlib.import_module(self.module)
        return _module(self.file)

    def _find(self, module: ModuleType) -> Callable[..., Any]:
        found = getattr(module, self.function, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
        defined = sorted(
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and callable(value)
        )
        raise self.error(
            f"No function '{self.function}' in {self.file}."
            f"{suggest(self.function, defined)} Defined there: {', '.join(defined) or 'nothing'}."
        )


def is_reference(text: str) -> bool:
    """Return whether `text` names a function as `file.py:function`, well or badly."""
    return ".py:" in text


def is_installed(text: str) -> bool:
    """Return whether `text` is `package.module:function` of a package that is installed."""
    return (
        bool(_INSTALLED.fullmatch(text)) and _origin(text.partition(":")[0]) is not None
    )


def _origin(module: str) -> str | None:
    """The file of an installed module, none of which is run but its packages' own."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin


def locate(reference: str, root: Path, error: type[UsageError]) -> UserFunction:
    """The function that `file.py:function` names, its file relative to `root`."""
    path, _, function = reference.rpartition(":")
    if is_installed(reference):
        origin = Path(str(_origin(path)))
        return UserFunction(file=origin, function=function, error=error, module=path)
    if not path.endswith(".py") or not function.isidentifier():
        raise error(f"'{reference}' names no function. Write it as 'file.py:function'.")
    file = (root / path).resolve()
    if not file.is_file():
        raise error(f"No file {file}, named by '{reference}'.{_neighbors(file)}")
    return UserFunction(file=file, function=function, error=error)


def source_digest(reference: str, root: Path) -> str:
    """SHA-256 of the function's file and of the Python files beside it, which it may import.

    Raises `UsageError` where there is no such file.
    """
    file = locate(reference, root, UsageError).file
    beside = sorted(file.parent.glob("*.py")) if not is_installed(reference) else []
    digest = hashlib.sha256(file.read_bytes() if file.is_file() else b"")
    for one in beside:
        digest.update(one.name.encode() + one.read_bytes())
    return digest.hexdigest()


def definitions(
    path: str, root: Path, error: type[UsageError]
) -> dict[str, UserFunction]:
    """The functions and classes that a Python file defines, by name; its code does not run."""
    file = (root / path).resolve()
    if not file.is_file() or file.suffix != ".py":
        raise error(f"No Python file {file}.{_neighbors(file)}")
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as fault:
        raise error(f"Cannot read {file}: {where(fault, file)}.") from fault
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    return {name: UserFunction(file=file, function=name, error=error) for name in names}


def advice(error: BaseException) -> str:
    """` What to change`, for faults of the author's code that have a known cause."""
    found = (fix for words, fix in _ADVICE if words.search(str(error)))
    return next((f" {fix}" for fix in found), "")


def where(error: BaseException, file: Path) -> str:
    """`file:line: Class: message` of the author's innermost line, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= 300 else f"{text[:300]}..."
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: SyntaxError: {error.msg}"
    folder = str(file.parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(folder) and "site-packages" not in frame.filename:
            return f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {text}"
    return f"{type(error).__name__}: {text}".rstrip(".")


def _module(file: Path) -> ModuleType:
    """The file, imported under a name that no other module can have."""
    name = f"_edgekit_authored_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    loader = SourceFileLoader(name, str(file))
    spec = ModuleSpec(name, loader, origin=str(file))
    spec.has_location = True  # tracebacks and __file__ name the file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _neighbors(file: Path) -> str:
    near = suggest_path(file, suffixes=(".py",))
    if near:
        return near
    there = sorted(path.name for path in file.parent.glob("*.py"))
    return f" Python files there: {', '.join(there[:5]) or 'none'}."

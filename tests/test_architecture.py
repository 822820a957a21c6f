"""The law of imports and the size of things, read from the source with `ast`."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "rag")

# Each third-party package and the modules that may import it, with the reason where it is
# more than one.  numpy is the language of vectors and may be spoken everywhere but at start.
HOMES = {
    # Called in one module, its streams and its exceptions each read in another.
    "openai": {"rag.models.endpoint", "rag.models.wire.events", "rag.models.wire.translate"},
    "chromadb": {"rag.index.projection.chroma"},
    "onnxruntime": {"rag.models.embedded.encoder"},
    "tokenizers": {"rag.models.embedded.encoder"},
    "onnx": {"rag.models.embedded.make_minilm_graph"},
    # One extractor of text and pictures, the other for what the first cannot read.
    "pypdfium2": {"ingest.parse.pdf.pdfium"},
    "pypdf": {"ingest.parse.pdf.fallback"},
    "rapidocr_onnxruntime": {"ingest.parse.pdf.ocr"},
    # Events of a page in one module, trees of safe XML in the other.
    "lxml": {"ingest.parse.web.html", "ingest.parse.base.archive"},
    "docx": {"ingest.parse.office.word"},
    "pptx": {"ingest.parse.office.slides"},
    "openpyxl": {"ingest.parse.office.sheets"},
    "striprtf": {"ingest.parse.office.rich_text"},
    "charset_normalizer": {"ingest.parse.base.clean"},
    "tiktoken": {"ingest.tokens"},
    "tiktoken_ext": {"ingest.tokens"},
    "filelock": {"rag.index.base.lock"},
    "pathspec": {"ingest.discover.ignore"},
    "watchfiles": {"rag.watch"},
    "platformdirs": {"rag.settings"},
    "dotenv": {"rag.settings"},
    "pydantic": {"rag.settings"},
    "pydantic_settings": {"rag.settings"},
    # The client of openai: made, given to it, its exceptions read, offered in process, and used
    # for one download.
    "httpx2": {
        "rag.models.endpoint", "rag.models.wire.client", "rag.models.wire.translate",
        "rag.models.embedded.wire", "rag.models.embedded.weights",
    },
    # What httpx2 stands on: its connections are given a limit for the head of an answer.
    "httpcore2": {"rag.models.wire.client"},
    # Requests are read where they are answered, answers where they are checked.
    "pybase64": {"rag.models.wire.decode"},
    "orjson": {"rag.models.endpoint", "rag.models.wire.decode", "rag.models.embedded.wire"},
    # Text in one module, moving bars in the other, loaded only when something moves.
    "rich": {"rag.cli.console", "rag.cli.progress"},
}  # fmt: skip
HEAVY = ("openai", "chromadb", "onnxruntime", "numpy", "tokenizers", "tiktoken", "pypdf",
         "pypdfium2", "lxml", "docx", "pptx", "openpyxl", "striprtf", "httpx2")  # fmt: skip

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_FOLDER_FILES = 10


@cache
def modules() -> dict[str, Path]:
    """Every module of the two packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str, *, typing_too: bool = True) -> set[str]:
    """Dotted names a module imports anywhere, as written."""
    found: set[str] = set()
    nodes = [tree(name)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and not typing_too and "TYPE_CHECKING" in ast.dump(node.test):
            nodes.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} uses a relative import"
            module = node.module or ""
            found.update(
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in modules() else module
                for alias in node.names
            )
        nodes.extend(ast.iter_child_nodes(node))
    return found


def own_imports(name: str) -> set[str]:
    return {other for other in imported(name, typing_too=False) if other in modules()}


def folder(name: str) -> str:
    is_package = modules()[name].name == "__init__.py"
    return name if is_package else name.rpartition(".")[0]


def test_ingest_never_imports_rag():
    offenders = {
        name: other
        for name in modules()
        if name.split(".")[0] == "ingest"
        for other in imported(name)
        if other.split(".")[0] == "rag"
    }
    assert offenders == {}


def test_folder_never_imports_the_files_above_it():
    offenders = [
        (name, other)
        for name in modules()
        for other in own_imports(name)
        if folder(name) != folder(other)
        and folder(name).startswith(folder(other) + ".")
        and modules()[other].name != "__init__.py"
        and folder(other) in PACKAGES
        and other.split(".")[0] == name.split(".")[0]
        and other not in ("rag.settings", "ingest.sentences")
        and not name.startswith("rag.cli")
    ]
    assert offenders == []


def test_no_import_cycles_between_modules():
    graph = {name: own_imports(name) - {name} for name in modules()}
    assert find_cycle(graph) is None


def test_no_import_cycles_between_folders():
    graph: dict[str, set[str]] = {}
    for name in modules():
        # A package's top files and its folders are two levels of one house: see the law above.
        here = folder(name)
        graph.setdefault(here, set()).update(
            folder(other) for other in own_imports(name) if folder(other) != here
        )
    inner = {here: {to for to in tos if to not in PACKAGES} for here, tos in graph.items()}
    assert find_cycle({k: v for k, v in inner.items() if k not in PACKAGES}) is None


def find_cycle(graph: dict[str, set[str]]) -> list[str] | None:
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for other in sorted(graph.get(node, ())):
            if cycle := visit(other, [*path, node]):
                return cycle
        done.add(node)
        return None

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), None)


def test_cycle_finder_finds_a_cycle():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]


def test_every_foreign_package_has_its_home():
    offenders = []
    for name in modules():
        for other in imported(name):
            package = other.split(".")[0]
            if package in PACKAGES or package in sys.stdlib_module_names or package == "numpy":
                continue
            if name not in HOMES.get(package, set()):
                offenders.append((name, package))
    assert offenders == []


@pytest.mark.parametrize(
    "statement",
    [
        "import rag, ingest",
        "from rag.cli.parser import build_parser; build_parser().format_help()",
        "from rag.cli.main import main; main(['status', '--index', 'nowhere'])",
    ],
    ids=["import", "help", "status"],
)
def test_start_is_light(statement, tmp_path):
    code = f"{statement}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def calls_to(name: str, targets: set[str]) -> list[str]:
    found = []
    for node in ast.walk(tree(name)):
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if text in targets:
            found.append(text)
    return found


def test_environment_is_read_only_by_the_settings():
    readers = {n for n in modules() if calls_to(n, {"os.environ", "os.getenv", "environ"})}
    # The child process and the guard around chromadb pass the environment on, they do not
    # take settings from it.
    assert readers <= {
        "rag.settings",
        "rag.index.projection.chroma",
        "rag.index.projection.process",
    }


def test_only_the_command_line_prints():
    targets = {"print", "sys.stdout", "sys.stderr", "input"}
    printers = {name for name in modules() if calls_to(name, targets)}
    # The child process speaks to its parent through its pipes.
    assert {name for name in printers if not name.startswith("rag.cli")} <= {
        "rag.index.projection.child"
    }


def test_files_are_short():
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short():
    long = {
        f"{name}.{node.name}": length
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_folders_are_small():
    counts: dict[str, int] = {}
    for path in modules().values():
        counts[str(path.parent.relative_to(ROOT))] = (
            counts.get(str(path.parent.relative_to(ROOT)), 0) + 1
        )
    assert {name: n for name, n in counts.items() if n > MAX_FOLDER_FILES} == {}

"""README.md's picture of the house against the code: floors, imports, and where things are."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
IMPORT = re.compile(r"\s*(?:package |internal |public |private )?import (?:\w+ )?(\w+)\s*$")


def table(heading):
    """The rows of the table under this header line, as lists of cells."""
    lines = README[README.index(heading) :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


FLOORS = {name: int(floor) for floor, names, _ in table("| Floor | Module |") for name in re.findall(r"`(\w+)`", names)}


def sources():
    for path in sorted((ROOT / "Sources").rglob("*.swift")):
        yield path.relative_to(ROOT), path.relative_to(ROOT / "Sources").parts[0], path.read_text().splitlines()


def test_every_module_is_on_a_floor():
    assert set(FLOORS) == {path.name for path in (ROOT / "Sources").iterdir() if path.is_dir()}


def test_imports_go_down_only():
    """Modules on one floor do not know each other; I/O stops at floor 4, Foundation at 5."""
    lowest = {"NIOCore": 4, "NIOPosix": 4, "NIOHTTP1": 4, "NIOSSL": 4, "NIOTLS": 4, "Logging": 4, "Foundation": 5, "ArgumentParser": 6}
    seen = 0
    for path, module, lines in sources():
        for number, line in enumerate(lines, 1):
            if found := IMPORT.match(line):
                seen += 1
                name = found[1]
                assert FLOORS.get(name, -1) < FLOORS[module], f"{path}:{number}: {line} goes up"
                assert lowest.get(name, 0) <= FLOORS[module], f"{path}:{number}: {line} stands too low"
    assert seen > 500


def test_only_native_core_is_unsafe():
    for path, module, lines in sources():
        if module != "NativeCore":
            for number, line in enumerate(lines, 1):
                code = line.split("//")[0]
                assert not re.search(r"\bunsafe\b(?=\s+[\w(])", code) or '"' in code, f"{path}:{number}: {line}"


def test_files_are_opened_in_one_place():
    """`RegularFile` and `FileReader` wait for nobody and have limits, `FileReplacement` leaves nothing half written, `AppendFile` no
    torn line. Outside of NativeCore nobody opens a file in another way."""
    opening = re.compile(
        r"FileHandle\(for|contentsOfFile|(Data|String|NSData|NSString)\(contentsOf|InputStream\(|OutputStream\(|\.write\(to(File)?:|fopen\("
        r"|\bopen\([^)]*O_|createFile\(|NIOFileSystem|NonBlockingFileIO|\.contents\(atPath"
    )
    for path, module, lines in sources():
        if module != "NativeCore":
            for number, line in enumerate(lines, 1):
                assert not opening.search(line.replace("item.write(to: &", "").replace(".write(to: &", "")), f"{path}:{number}: {line}"


@pytest.mark.parametrize("question, answer", [row[:2] for row in table("| Where is ...? | |")], ids=lambda text: text[:40])
def test_the_map_is_true(question, answer):
    """Paths of a row exist; a name alone is looked for in the folders that the row names before."""
    folder = None
    names = re.findall(r"`([^`]+)`", answer)
    assert names, f"{question}: no place is named"
    for name in names:
        name = name.replace("<Module>", "OTLP")
        if name.startswith(("Sources/", "Tests/", "Benchmarks/", "Deploy/", "Policies/")):
            assert list(ROOT.glob(name.rstrip("/"))), f"{question}: there is no {name}"
            path = ROOT / name.rstrip("/")
            folder = path if path.is_dir() else path.parent
            continue
        assert folder, f"{question}: {name} of which folder?"
        nearby = [folder / name, folder.parent / name, folder / f"{name}.swift"]
        assert any(path.exists() for path in nearby), f"{question}: there is no {name} near {folder.relative_to(ROOT)}"


def test_paths_in_the_text_exist():
    for name in re.findall(r"\]\(([\w./-]+)\)", README) + re.findall(r"`((?:Sources|Tests|Benchmarks|Deploy|Policies)/[\w./-]+)`", README):
        assert list(ROOT.glob(name.rstrip("/"))), f"there is no {name}"

"""README.md's picture of the house against the code: floors, imports, and where things are."""

import pathlib
import re
from collections import Counter

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


# Calls that end the process, forced unwraps and casts, references that must not outlive their target.
TRAP = re.compile(
    r"\b(?:precondition|preconditionFailure|fatalError|assert|assertionFailure|abort|exit)\("
    r"|(?<=[\w)\]}])!(?!=)"
    r"|\b(?:unowned|unsafelyUnwrapped|unsafeDowncast|unsafeBitCast)\b"
)
TEXT = re.compile(r'"(?:\\.|[^"\\])*"')


def traps(lines):
    """The lines of code that may end the process on purpose; comments and texts do not count."""
    is_in_text = False
    for line in lines:
        quotes = line.count('"""')
        if not is_in_text and TRAP.search(TEXT.sub('""', line.replace('"""', "")).split("//")[0]):
            yield line.strip()
        if quotes % 2:
            is_in_text = not is_in_text


def test_every_trap_is_listed_with_its_reason():
    listed, path, code = Counter(), None, None
    for number, line in enumerate((ROOT / "Tests/EndToEnd/traps.txt").read_text().splitlines(), 1):
        if line.startswith("Sources/"):
            path = line
        elif line.startswith("  = "):
            assert code and len(line) > 12, f"traps.txt:{number}: a reason without code, or too short: {line}"
            listed[path, code] += 1
            code = None
        elif line.startswith("  "):
            assert path and code is None, f"traps.txt:{number}: no reason before this line"
            code = line.strip()
    assert code is None, "traps.txt: the last trap has no reason"
    found = Counter((str(path), line) for path, _, lines in sources() for line in traps(lines))
    assert found, "no trap was found at all"
    new, gone = found - listed, listed - found
    assert not new, "traps without a reason in Tests/EndToEnd/traps.txt:\n" + "\n".join(f"{path}: {line}" for path, line in sorted(new))
    assert not gone, "traps.txt lists what is gone:\n" + "\n".join(f"{path}: {line}" for path, line in sorted(gone))


@pytest.mark.parametrize(
    "code, count",
    [
        ("let a = b!", 1), ("let a = try! b()", 1), ("x as! Y", 1), ("a[0]! + 1", 1), ("fatalError()", 1), ("precondition(a)", 1),
        ("if a != b || !c { }", 0), ('log("no! precondition(a)")', 0), ("a() // precondition(b)", 0), ("/// `b!`", 0), ("var a: Int!", 1),
    ],
)
def test_traps_are_found(code, count):
    assert len(list(traps([code]))) == count

"""What the documents say is there, is there."""

import re
import tomllib

from tests.house.survey import ROOT, tracked

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/glossary.md"]
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#]+)[^)]*\)")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def test_the_documents_of_the_house_exist() -> None:
    assert not [name for name in DOCUMENTS if name not in tracked()]


def test_links_lead_somewhere() -> None:
    broken = []
    for name in tracked():
        if name.endswith(".md"):
            targets = _LINK.findall((ROOT / name).read_text(encoding="utf-8"))
            broken += [(name, target) for target in targets if not ((ROOT / name).parent / target).exists()]
    assert not broken


def test_architecture_is_one_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_paths_named_by_the_architecture_exist() -> None:
    named = re.findall(
        r"`((?:src|tests|docs|bench|bin)/[\w./-]+)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    )
    assert not [path for path in named if not (ROOT / path).exists()]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, dev = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    wanted = [_NAME.match(line) for line in project["project"]["dependencies"]]
    assert not [name[0] for name in wanted if name and f"\n{name[0].lower()}==" not in "\n" + runtime]
    extra = [_NAME.match(line) for line in project["dependency-groups"]["dev"]]
    assert not [name[0] for name in extra if name and f"\n{name[0].lower()}==" not in "\n" + dev]
    for lock in (runtime, dev):
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", lock.strip()))
        assert "index-url" not in lock

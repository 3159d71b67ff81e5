"""The two readmes: the code runs, and both say the same."""

import re
from pathlib import Path

import pytest
from documents import ROOT, blocks, heading_levels, run_blocks

from danlu.words import sentences

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


@pytest.mark.usefixtures("quick_training", "workplace")
def test_code_of_the_readme_runs(quick_settings: list[str]) -> None:
    run_blocks(README, quick_settings)


def test_both_readmes_have_the_same_sections() -> None:
    assert heading_levels(README) == heading_levels(CHINESE)


def test_both_readmes_show_the_same_code() -> None:
    assert [b.language for b in blocks(README)] == [b.language for b in blocks(CHINESE)]
    assert [b.essence for b in blocks(README)] == [b.essence for b in blocks(CHINESE)]


@pytest.mark.parametrize("readme", [README, CHINESE], ids=lambda path: path.name)
def test_a_readme_is_short_enough_to_be_read(readme: Path) -> None:
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 250


def test_each_readme_leads_to_the_other() -> None:
    assert "(README.zh-CN.md)" in README.read_text(encoding="utf-8")
    assert "(README.md)" in CHINESE.read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", [README, CHINESE], ids=lambda path: path.name)
def test_the_transcript_says_what_danlu_says(readme: Path) -> None:
    transcript = next(b.code for b in blocks(readme) if b.code.startswith("$ danlu train"))
    spoken = [re.sub(r"\\{.*?\\}", ".*", re.escape(said)) for pair in sentences().values() for said in pair]
    known = re.compile("|".join(said for said in spoken if len(said.replace(".*", "")) > 2))
    for line in transcript.splitlines()[1:]:
        assert known.fullmatch(line) or re.match(r" *\d+%", line), line

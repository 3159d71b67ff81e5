"""What a wheel holds: every file that danlu reads at run time."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "danlu"


def test_every_file_beside_the_code_is_declared_as_part_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["danlu"]
    packed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there
    assert there <= packed
    assert all(any(PACKAGE.glob(pattern)) for pattern in patterns), "a pattern that matches nothing is a mistake"

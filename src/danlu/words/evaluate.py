"""What `evaluate` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "evaluate.resampling": ("resampling the test rows for the intervals", "对测试行重抽样以估计区间"),
}

"""What `predictor` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "predict.left_out": (
        "{count} row(s) could not be read and have no prediction. The first: {place}{column}",
        "有 {count} 行无法读取，因此没有预测结果。第一处：{place}{column}",
    ),
}

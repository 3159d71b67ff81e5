"""What `evaluate` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "evaluate.resampling": ("resampling the test rows for the intervals", "对测试行重抽样以估计区间"),
    "evaluate.always": ("always saying “{answer}”", "一律回答“{answer}”"),
    "evaluate.always_none": ("never giving any label", "一个标签都不给"),
    "evaluate.boosting": ("gradient boosting", "梯度提升树"),
    "evaluate.texts": ("TF-IDF with a linear model", "TF-IDF 加线性模型"),
    "evaluate.pixels": ("a linear model of the pixels", "像素上的线性模型"),
    "evaluate.sequences": ("gradient boosting of simple statistics", "基于简单统计量的梯度提升树"),
}

"""What `drift` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # why something counts as moved
    "drift.psi": (
        "distributed otherwise: PSI {psi}, where chance alone reaches {noise}",
        "分布变了：PSI 为 {psi}，而偶然波动最多到 {noise}",
    ),
    "drift.value": ('"{value}": {before} → {now}', "“{value}”：{before} → {now}"),
    "drift.unseen": (
        "values that training hardly knew: {before} → {now}",
        "训练时几乎没有的取值：{before} → {now}",
    ),
    "drift.outside": ("outside what there was: {before} → {now}", "超出原有范围：{before} → {now}"),
    "drift.beyond_view": (
        "longer than the model learned to look back on: {now}",
        "超出模型学会回看的长度：{now}",
    ),
    "drift.missing": ("missing: {before} → {now}", "缺失：{before} → {now}"),
    "drift.confidence": ("the model is less sure: {before} → {now}", "模型的把握下降：{before} → {now}"),
    "drift.unknown": ("unknown tokens: {before} → {now}", "未知词元：{before} → {now}"),
    # of a model
    "drift.unwatched": (
        "{name}: drift is not watched, as the run has no drift.json. Runs trained from now on have one.",
        "{name}：不监测漂移，因为这次运行没有 drift.json。今后训练的运行都会有。",
    ),
    "drift.few": (
        "{rows} rows are too few to tell; {least} are needed.",
        "只有 {rows} 行，还不足以判断；至少需要 {least} 行。",
    ),
}

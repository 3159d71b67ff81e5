"""What `predictor` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "predict.trained_on": (
        "{files}: this run was trained with this data. Whatever is said below, the model has seen most of its rows; the "
        "run's own report measures rows that it never saw.",
        "{files}：这次运行就是用这份数据训练的。无论下文怎么说，其中大部分行模型都见过；"
        "运行自带的报告衡量的才是它从未见过的行。",
    ),
    "predict.left_out": (
        "{count} row(s) could not be read and have no prediction (--row-numbers tells which row each prediction is of). "
        "The first: {place}{column}",
        "有 {count} 行无法读取，因此没有预测结果（--row-numbers 会标明每个预测属于哪一行）。第一处：{place}{column}",
    ),
    "predict.answers_texts": (
        "generate: this model goes on with no text, it answers one ({task}). Use danlu predict RUN --text TEXT, or "
        "model.predict(TEXT).",
        "generate：这个模型不续写文本，而是为一段文本写出回答（{task}）。"
        "请用 danlu predict 运行目录 --text 文本，或 model.predict(文本)。",
    ),
    "predict.no_writer": (
        "generate: this run's model is for {task} and writes no texts. Train one that does: "
        "danlu train texts.txt --task text-generation",
        "generate：这次运行的模型用于 {task}，不能生成文本。可以训练一个：danlu train texts.txt --task text-generation",
    ),
}

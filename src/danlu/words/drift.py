"""What `drift` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # why something counts as moved
    "drift.psi": ("another distribution", "分布变了"),
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
    "drift.few_reference": (
        "The run measured {rows} rows, too few to tell from; {least} are needed.",
        "这次运行只测量了 {rows} 行，不足以作比较；至少需要 {least} 行。",
    ),
    "drift.few": (
        "{rows} rows are too few to tell; {least} are needed.",
        "只有 {rows} 行，还不足以判断；至少需要 {least} 行。",
    ),
    # danlu serve --report
    "cli.serve.report": (
        "Ask a running server what moved since training, and end: danlu serve --report [URL] [NAME...]",
        "询问正在运行的服务器自训练以来有什么变化，然后结束：danlu serve --report [URL] [名称...]",
    ),
    "cli.serve.json": ("With --report: as JSON, every column.", "与 --report 合用：输出 JSON，包括每一列。"),
    "drift.only_report": (
        "--json goes with --report, and --report with none of: {others}.",
        "--json 须与 --report 合用；--report 不能与这些合用：{others}。",
    ),
    "drift.unreachable": (
        "No server answers at {url}: {why}. Name its address: danlu serve --report http://HOST:PORT",
        "{url} 没有服务器应答：{why}。请给出地址：danlu serve --report http://主机:端口",
    ),
    "drift.refused": ("{url}: {why}", "{url}：{why}"),
    "drift.no_server": ("{url} answers, but is no danlu server.", "{url} 有应答，但不是 danlu 的服务器。"),
    "drift.of_test": (
        "{model}: newest {rows} rows, since {since}, beside {reference} test rows",
        "{model}：最新 {rows} 行（自 {since} 起），与 {reference} 行测试数据相比",
    ),
    "drift.of_held_out": (
        "{model}: newest {rows} rows, since {since}, beside {reference} rows that were not trained on",
        "{model}：最新 {rows} 行（自 {since} 起），与 {reference} 行未参与训练的数据相比",
    ),
    "drift.of_train": (
        "{model}: newest {rows} rows, since {since}, beside {reference} training rows",
        "{model}：最新 {rows} 行（自 {since} 起），与 {reference} 行训练数据相比",
    ),
    "drift.skipped": (
        "{rows} rows were not counted, as more came than there was time for.",
        "有 {rows} 行来得太快，没有计入。",
    ),
    "drift.as_before": (
        "As before, or not beyond chance: {count} of {of}.",
        "与原来一样，或未超出偶然波动：{count} / {of}。",
    ),
    "drift.and": ("; ", "；"),
    "drift.slightly": ("slightly", "略有变化"),
    "drift.prediction": ("prediction of {name}", "{name} 的预测"),
    "drift.head_column": ("column", "列"),
    "drift.head_measure": ("measured", "测量"),
    "drift.head_psi": ("PSI (chance)", "PSI（偶然）"),
    "drift.head_mean": ("mean", "平均"),
    "drift.head_why": ("what moved", "变化"),
    "drift.measure_value": ("value", "数值"),
    "drift.measure_time": ("date", "日期"),
    "drift.measure_category": ("category", "类别"),
    "drift.measure_characters": ("characters", "字符数"),
    "drift.measure_bytes_per_character": ("bytes per character", "每字符字节数"),
    "drift.measure_tokens": ("tokens", "词元数"),
    "drift.measure_unknown": ("unknown tokens", "未知词元"),
    "drift.measure_terms": ("known terms", "已知词项数"),
    "drift.measure_brightness": ("brightness", "亮度"),
    "drift.measure_contrast": ("contrast", "对比度"),
    "drift.measure_pixels": ("pixels", "像素数"),
    "drift.measure_steps": ("steps", "步数"),
    "drift.measure_level": ("level", "平均水平"),
    "drift.measure_prompt_tokens": ("tokens", "词元数"),
    "drift.measure_prompt_unknown": ("unknown tokens", "未知词元"),
    "drift.measure_class": ("class", "类别"),
    "drift.measure_labels": ("labels", "标签"),
    "drift.measure_confidence": ("confidence", "把握"),
    "drift.measure_entities": ("entities", "实体数"),
    "drift.measure_loss": ("loss", "损失"),
}

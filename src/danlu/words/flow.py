"""What `flow` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "flow.unknown_task": (
        'no task "{name}". Nearest: {nearest}.',
        "没有“{name}”这个任务。最接近的有：{nearest}。",
    ),
    "flow.rows": (
        "rows: {train} to train, {validation} to validate, {test} for the test, which is used once, at the end",
        "数据行：训练 {train}，验证 {validation}，测试 {test}（测试集只在最后使用一次）",
    ),
    "flow.model": (
        "model: {family} with {parameters:,} parameters",
        "模型：{family}，{parameters:,} 个参数",
    ),
    "flow.no_time": (
        "time limit of {limit} s: reading and encoding the data took {spent} s, nothing is left for training. "
        "Give more time.",
        "限时 {limit} 秒：读取和编码数据已用去 {spent} 秒，没有时间训练了。请放宽时限。",
    ),
    "flow.stopped_early": (
        "stopped at step {step}: the validation metric no longer improved",
        "在第 {step} 步停止：验证指标不再提高",
    ),
    "flow.stopped_time": ("stopped at step {step}: the time is up", "在第 {step} 步停止：时间到"),
    "flow.stopped_asked": (
        "stopped at step {step} as you asked; what was learned so far is evaluated and kept. "
        "A checkpoint of this step is kept too.",
        "按您的要求在第 {step} 步停止；已学到的内容会照常评估并保存，这一步的检查点也会保留。",
    ),
    "flow.calibrated": (
        "probabilities calibrated on the validation rows: temperature {temperature} for {target}",
        "已用验证集校准概率：{target} 的温度为 {temperature}",
    ),
    "flow.evaluating": ("evaluating", "评估中"),
    "flow.baseline": ("training the baseline for comparison", "训练对照用的基线模型"),
    "flow.fold": ("cross-validation, fold {fold} of {folds}", "交叉验证，第 {fold}/{folds} 折"),
    "flow.report": ("report: {path}", "报告：{path}"),
    "flow.use_it": (
        "use it: danlu predict {folder} new-rows.csv",
        "使用模型：danlu predict {folder} 新数据.csv",
    ),
}

"""What `flow` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "flow.unknown_task": (
        'no task "{name}". Nearest: {nearest}.',
        "没有“{name}”这个任务。最接近的有：{nearest}。",
    ),
    "flow.no_such_input": (
        "task {task} needs a column of kind {kind}, and none was found among: {names}. If one of them is, set it: "
        "data.columns.NAME={wanted}; else choose another task.",
        "任务 {task} 需要类型为“{kind}”的列，而现有的列（{names}）都不是。若其中某列应当是，请设置 data.columns.列名={wanted}；"
        "否则请换一个任务。",
    ),
    "flow.nothing_new": (
        "every row stands in the files for validation or test too, so none is left to train on. Give other files, or "
        "leave out data.validation_files and data.test_files: rows are then set aside.",
        "每一行都同时出现在验证或测试文件中，没有可供训练的数据。请换用其他文件，或去掉 data.validation_files 与 "
        "data.test_files，由 danlu 从数据中划分。",
    ),
    "flow.rows": (
        "rows: {train:,} to train, {validation:,} to validate, {test:,} for the test, which is used once, at the end",
        "数据行：训练 {train:,}，验证 {validation:,}，测试 {test:,}（测试集只在最后使用一次）",
    ),
    "flow.unlabelled_file": (
        "{files} has no column {targets}: it cannot be a test and is left for danlu predict; rows are set aside from "
        "the other files instead",
        "{files} 中没有 {targets} 列，不能用来测试，留待 danlu predict 预测；改为从其余文件中留出测试行",
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
    "flow.stopped_converged": (
        "stopped at step {step}: the loss no longer changes, the optimum is reached",
        "在第 {step} 步停止：损失不再变化，已达到最优解",
    ),
    "flow.stopped_time": ("stopped at step {step}: the time is up", "在第 {step} 步停止：时间到"),
    "flow.stopped_asked": (
        "stopped at step {step} as you asked; what was learned so far is evaluated and kept. "
        "Go on from here with: danlu train --resume {folder}",
        "按您的要求在第 {step} 步停止；已学到的内容会照常评估并保存。从这里继续训练：danlu train --resume {folder}",
    ),
    "flow.evaluating": ("evaluating", "评估中"),
    "flow.baseline": ("training the baseline for comparison", "训练对照用的基线模型"),
    "flow.fold": ("cross-validation, fold {fold} of {folds}", "交叉验证，第 {fold}/{folds} 折"),
    "flow.cv_stratified": (
        "{folds} folds, each with the same share of every class of {column}",
        "{folds} 折，每折中 {column} 各类别的比例相同",
    ),
    "flow.cv_random": ("{folds} folds at random", "随机分成 {folds} 折"),
    "flow.cv_grouped": (
        "{folds} folds; rows of one {column} stay in one fold",
        "{folds} 折，{column} 相同的行在同一折",
    ),
    "flow.cv_in_time": (
        "{folds} folds in the order of {column}: each is predicted from what came before it",
        "按 {column} 的先后分成 {folds} 折，每折由它之前的数据来预测",
    ),
    "flow.report": ("report: {path}", "报告：{path}"),
    "flow.generate_with_it": (
        'use it: danlu generate {folder} "how the text begins"',
        '使用模型：danlu generate {folder} "开头的文字"',
    ),
    "flow.find_with_it": (
        'use it: danlu predict {folder} --text "a text with names in it"',
        '使用模型：danlu predict {folder} --text "含有人名地名的文字"',
    ),
    "flow.write_with_it": (
        'use it: danlu predict {folder} --text "a text"',
        '使用模型：danlu predict {folder} --text "一段文本"',
    ),
    "flow.ask_it": (
        'use it: danlu predict {folder} --row \'{{"question": "…", "context": "…"}}\'',
        '使用模型：danlu predict {folder} --row \'{{"question": "…", "context": "…"}}\'',
    ),
    "flow.use_it": (
        "use it: danlu predict {folder} new-rows.csv",
        "使用模型：danlu predict {folder} 新数据.csv",
    ),
}

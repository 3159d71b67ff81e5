"""What the split, the checks and the loader say: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "split.random": (
        "split: at random; equal rows stay on one side",
        "划分：随机；内容相同的行总在同一边",
    ),
    "split.stratified": (
        'split: at random within each class of "{column}"; equal rows stay on one side',
        "划分：在“{column}”的每个类别内随机划分；内容相同的行总在同一边",
    ),
    "split.by_group": (
        '{kind}; rows with the same "{column}" stay on one side',
        "{kind}；“{column}”相同的行也总在同一边",
    ),
    "split.by_time": (
        'split: by "{column}"; the newest rows are the test, the next newest the validation',
        "划分：按“{column}”的先后；最新的行作测试集，次新的作验证集",
    ),
    "split.left_out": (
        "{count} older row(s) are left out, because an equal row, or one of the same group, is newer and stands "
        "on a later side of the split",
        "有 {count} 行较早的数据被略去：与之相同（或同组）的行更新，已划在更靠后的一边",
    ),
    "split.rare_classes": (
        '{count} class(es) of "{column}" have too few rows to be on all sides of the split: {classes}',
        "“{column}”有 {count} 个类别的行数太少，无法在划分的每一边都出现：{classes}",
    ),
    "split.no_column": (
        'recipe: data.split.{setting} names the column "{column}", which the data do not have. Nearest: {nearest}.',
        "配方：data.split.{setting} 写的列“{column}”在数据中不存在。最接近的有：{nearest}。",
    ),
    "split.no_times": (
        'recipe: data.split.time names the column "{column}", which is of kind {kind} and cannot be put in order. '
        "Name a column of dates or numbers, or set data.columns.{column}=date.",
        "配方：data.split.time 写的列“{column}”是 {kind} 类型，排不出先后。"
        "请改用日期或数值列，或设置 data.columns.{column}=date。",
    ),
    "split.missing_time": (
        '{place}, column "{column}": no time, so the row cannot be put in order ({count} such row(s)). '
        "Fill these cells, or remove the rows.",
        "{place}，列“{column}”：缺少时间，无法排出先后（这样的行共 {count} 行）。请补全这些单元格或删去这些行。",
    ),
    "split.no_train": (
        "recipe: data.split.validation={validation} and data.split.test={test} leave no rows to train on. "
        "Together they must stay below 1.",
        "配方：data.split.validation={validation} 加 data.split.test={test} 之后没有剩下训练数据。两者之和必须小于 1。",
    ),
    "split.too_few": (
        "the data have {found} {what} ({rows} rows), but {needed} are needed, one for each side of the split. "
        "Add data, or give fewer sides: data.split.validation=0, data.split.test=0, or fewer folds.",
        "数据只有 {found} {what}（共 {rows} 行），而划分的每一边至少要一个，需要 {needed} 个。"
        "请增加数据，或减少划分：data.split.validation=0、data.split.test=0，或减少折数。",
    ),
    "split.rows": ("different row(s)", "个互不相同的行"),
    "split.groups": ('group(s) by "{column}"', "个按“{column}”分的组"),
    "split.times": ('different time(s) in "{column}"', "个不同的“{column}”时间"),
    "split.nothing_left": (
        "no row is left on an earlier side of the split by time: each has an equal row, or one of its group, that is "
        "newer. Leave out data.split.by, or split at random.",
        "按时间划分后，较早的一边没有剩下任何行：每一行都有相同（或同组）的更新的行。请去掉 data.split.by，或改为随机划分。",
    ),
    "split.no_labels": (
        "no row has a value in every target column ({columns}), so there is nothing to learn from or to measure by. "
        "Check data.target and data.missing.",
        "没有一行在目标列（{columns}）上都有值，无从学习，也无从评估。请检查 data.target 与 data.missing。",
    ),
    "split.unlabelled": (
        "{count} row(s) without a value in {columns} are left out, the first is {place}",
        "有 {count} 行缺少 {columns} 的值，已略去，第一处在 {place}",
    ),
    "split.dropped": (
        "{count} duplicate row(s) dropped, the first of each kept; {conflicting} row(s) repeat the inputs of another "
        "with a different target and stay",
        "去掉了 {count} 个重复行，每组保留第一行；另有 {conflicting} 行输入与别的行相同而目标不同，予以保留",
    ),
    "split.overlap": (
        "{count} training row(s) left out, because they stand in the validation or test files too; the first is {place}",
        "有 {count} 行训练数据同时出现在验证或测试文件中，已略去；第一处在 {place}",
    ),
    "loader.row_over_budget": (
        "recipe: train.batch_tokens is {batch_tokens}, but the longest row alone has {longest}. "
        "Raise train.batch_tokens, or cut texts with data.text.max_length.",
        "配方：train.batch_tokens 是 {batch_tokens}，而最长的一行就有 {longest}。"
        "请调大 train.batch_tokens，或用 data.text.max_length 截短文本。",
    ),
    "checks.checking": ("checking the data", "检查数据"),
    "checks.bad_rows": (
        "{count} row(s) cannot be read and are left out; the first: {reason}",
        "有 {count} 行无法读取，已略去；第一处：{reason}",
    ),
    "checks.missing": (
        'column "{column}": {count} values are missing ({percent} %)',
        "列“{column}”：缺少 {count} 个值（{percent} %）",
    ),
    "checks.missing_elsewhere": (
        "{count} more values are missing in {columns} other columns",
        "另有 {columns} 列共缺少 {count} 个值",
    ),
    "checks.duplicates": (
        "{count} row(s) repeat an earlier one exactly ({percent} %). They stay, always on one side of the split; "
        "data.duplicates=drop leaves them out.",
        "有 {count} 行与前面的行完全相同（{percent} %）。它们会保留，且总在划分的同一边；"
        "设置 data.duplicates=drop 可去掉。",
    ),
    "checks.conflicts": (
        "{count} row(s) have the same inputs as another but a different {targets} ({percent} %): no model can get "
        "all of them right",
        "有 {count} 行与别的行输入相同而 {targets} 不同（{percent} %）：没有模型能把它们全部答对",
    ),
    "checks.unused": ('column "{column}" is not used: {reason}', "列“{column}”不使用：{reason}"),
    "checks.nearly_constant": (
        'column "{column}" is {value} in {percent} % of the rows',
        "列“{column}”在 {percent} % 的行中都是 {value}",
    ),
    "checks.leak": (
        'column "{column}" alone tells "{target}" almost perfectly ({metric} {score}, one half of {rows} training '
        "rows predicted from the other). {advice}",
        "仅凭列“{column}”就几乎能完全预测“{target}”（{metric} {score}，用 {rows} 行训练数据的一半预测另一半）。{advice}",
    ),
    "checks.leak_column": (
        "If it is not known when predictions are made, leave it out: data.columns.{column}=ignore",
        "如果预测时还不知道这一列，请去掉它：data.columns.{column}=ignore",
    ),
    "checks.leak_date": (
        "Rows near in time are alike, so a random split flatters the model: cut by time with data.split.time={column}",
        "时间相近的行彼此相似，随机划分会高估模型：请按时间划分，设置 data.split.time={column}",
    ),
    "checks.accuracy": ("accuracy", "准确率"),
    "checks.r2": ("R² of ranks", "秩的 R²"),
    "checks.rare_classes": (
        '{count} class(es) of "{target}" have fewer than {limit} rows, too few to learn or to measure well: {classes}',
        "“{target}”有 {count} 个类别不足 {limit} 行，难以学好，也难以测准：{classes}",
    ),
    "checks.imbalance": (
        'the classes of "{target}" are of unequal size: {shares}',
        "“{target}”各类别的行数不均衡：{shares}",
    ),
    "checks.lopsided": (
        'nearly all rows of "{target}" are of one class: {shares}. Always answering {largest} would be right in '
        "{percent} %, so judge by balanced accuracy or F1; train.class_weights=balanced gives rare classes more weight.",
        "“{target}”几乎只有一个类别：{shares}。总是回答 {largest} 就有 {percent} % 的准确率，"
        "因此请看平衡准确率或 F1；train.class_weights=balanced 可加大少数类别的权重。",
    ),
    "checks.empty_texts": (
        'column "{column}": {count} text(s) are empty',
        "列“{column}”：有 {count} 个文本是空的",
    ),
    "checks.long_texts": (
        'column "{column}": {count} text(s) are longer than {limit} bytes; data.text.over_long says what becomes of '
        "their ends",
        "列“{column}”：有 {count} 个文本超过 {limit} 字节；超出部分如何处理由 data.text.over_long 决定",
    ),
    "checks.empty_sequences": (
        'column "{column}": {count} sequence(s) have no step',
        "列“{column}”：有 {count} 个序列一步也没有",
    ),
    "checks.words_among": (
        'column "{column}" is read as words, for {percent} % of its cells are {kinds} and the others are {missing}. '
        "If these mean that a value is missing: data.missing={missing}",
        "列“{column}”有 {percent} % 是{kinds}，其余是 {missing}，因此整列按文字（类别）读取。"
        "如果这些文字表示缺失，请设置 data.missing={missing}",
    ),
    "checks.numbers": ("numbers", "数值"),
    "checks.dates": ("dates", "日期"),
    "checks.outliers": (
        'column "{column}": {count} value(s) lie extremely far from the others, such as {value} in {place} (median '
        "{median}). If they are slips or totals, mend or remove these rows; if they stand for a missing value, list "
        "them under data.missing.",
        "列“{column}”：有 {count} 个值离其余的值极远，例如 {place} 的 {value}（中位数 {median}）。"
        "如果是笔误或合计行，请更正或删去；如果表示缺失，请写进 data.missing。",
    ),
}

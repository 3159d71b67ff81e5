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
        "no row has a value in every target column ({columns}), so there is nothing to learn from. "
        "Check data.target and data.missing.",
        "没有一行在目标列（{columns}）上都有值，无从学习。请检查 data.target 与 data.missing。",
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
}

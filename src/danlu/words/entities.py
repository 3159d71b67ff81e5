"""What is said of entities and their tags: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "entities.task": (
        "task: token-classification, because the rows are texts with entities marked in them",
        "任务：token-classification，因为数据是标注了实体的文本",
    ),
    "entities.target": ("target: {reason}", "目标：{reason}"),
    "entities.words": (
        "words of the column {column}, joined by spaces",
        "{column} 列的词，以空格连接",
    ),
    "entities.text": ("texts of the column {column}", "{column} 列的文本"),
    "entities.tags": (
        "the entities that column {column} marks, in tags of the form {scheme}: {count:,} of {kinds} kind(s) "
        "({labels})",
        "{column} 列标出的实体，标签格式为 {scheme}：共 {count:,} 个，{kinds} 种（{labels}）",
    ),
    "entities.tags_unopened": (
        "the entities that column {column} marks, in tags of the form {scheme}: {count:,} of {kinds} kind(s) "
        "({labels}). {unopened:,} of them begin(s) with a tag that goes on with what no tag began; it was read as a "
        "beginning",
        "{column} 列标出的实体，标签格式为 {scheme}：共 {count:,} 个，{kinds} 种（{labels}）。"
        "其中 {unopened:,} 个以“延续”标签开头，前面没有“开始”标签；已当作开头处理",
    ),
    "entities.spans": (
        "the entities that column {column} lists: {count:,} of {kinds} kind(s) ({labels})",
        "{column} 列列出的实体：共 {count:,} 个，{kinds} 种（{labels}）",
    ),
    "entities.given": ("{files}: {reason}", "{files}：{reason}"),
    "entities.other_column": (
        "the task reads {column} alone",
        "该任务只读取 {column} 列",
    ),
    "entities.no_text": (
        "task token-classification needs a column of words (lists) or of texts, and none was found among: {names}. "
        "If one of them is, set it: data.columns.NAME=text.",
        "token-classification 任务需要一列词（列表）或文本，而现有的列（{names}）都不是。"
        "若其中某列应当是，请设置 data.columns.列名=text。",
    ),
    "entities.no_answers": (
        "task token-classification needs a column of tags or of entities beside {text}, and none was found among: "
        "{names}. If one of them is, set it: data.target=NAME.",
        "token-classification 任务在 {text} 之外还需要一列标签或实体，而现有的列（{names}）都不是。"
        "若其中某列应当是，请设置 data.target=列名。",
    ),
    "entities.one_target": (
        "task token-classification learns one column of tags or entities, but data.target names several: {columns}. "
        "Name one.",
        "token-classification 任务只学习一列标签或实体，而 data.target 设了好几列：{columns}。请只写一列。",
    ),
    "entities.other_kind": (
        "recipe: data.columns.{column} is {kind}, but task token-classification reads one text and its entities alone. "
        "Set text, entities or ignore, or leave it out.",
        "配方：data.columns.{column} 设为 {kind}，而 token-classification 任务只读取一列文本及其实体。"
        "请改为 text、entities 或 ignore，或去掉该项。",
    ),
    "entities.no_tags": (
        'column "{column}": expected a list of tags such as ["B-person", "O"] in each row, got {found}. Write the names '
        "of the tags, or name another column with data.target.",
        '“{column}”列：每行应当是标签的列表，例如 ["B-person", "O"]，实际是 {found}。请写出标签的名称，'
        "或用 data.target 指定另一列。",
    ),
    "entities.none": (
        'column "{column}": not one entity is marked in the training rows, so there is nothing to learn. Look whether '
        "it is the right column.",
        "“{column}”列：训练数据中一个实体都没有标出，无从学习。请检查这一列是否正确。",
    ),
    "entities.over_long": (
        "recipe: data.text.over_long has no effect here: long texts are read in full, in overlapping windows of "
        "data.text.max_length tokens. Leave it out.",
        "配方：data.text.over_long 在这里不起作用：长文本会以 data.text.max_length 个词元的重叠窗口完整读取。请去掉该项。",
    ),
    "entities.too_short": (
        "recipe: data.text.max_length is {got}, but {needed} tokens are the least in which a word stands between "
        "others. Raise it.",
        "配方：data.text.max_length 是 {got}，而要让一个词前后都有别的词，至少需要 {needed} 个词元。请调大。",
    ),
    "entities.unequal": (
        '{file} row {row}, column "{column}": expected a tag for each of the {words} words, got {tags}',
        "{file} 第 {row} 行，“{column}”列：有 {words} 个词，应当各有一个标签，实际有 {tags} 个",
    ),
    "entities.no_tag": (
        '{file} row {row}: line {line} has the token "{token}" without a tag',
        "{file} 第 {row} 行（句）：第 {line} 行文字只有“{token}”，没有标签",
    ),
    "entities.bad_span": (
        '{file} row {row}, column "{column}": expected places within the {length} characters of the text, as '
        '{{"start", "end", "label"}}, got {found}',
        "{file} 第 {row} 行，“{column}”列：应当是文本（{length} 个字符）之内的位置，"
        '写作 {{"start", "end", "label"}}，实际是 {found}',
    ),
    "entities.tokens": (
        "{column}: each word is told by the first of its tokens ({size:,} kinds); the model reads {longest} tokens at "
        "once",
        "{column}：每个词由它的第一个词元作答（词表 {size:,}）；模型一次读 {longest} 个词元",
    ),
    "entities.windows": (
        "{count} text(s) have more tokens than the model takes at once and are read in overlapping windows; every word "
        "is told. The first: {place}",
        "有 {count} 条文本的词元多于模型一次能读的数量，以重叠窗口分段读取，每个词都会得到回答。首处：{place}",
    ),
    "entities.inexact": (
        "{column}: {count} text(s) mark an entity that ends within a word, or shares a word with another; it is learned "
        "with whole words, the first having the word, and cannot be told exactly. The first: {place}",
        "{column}：有 {count} 条文本标注的实体止于词的内部，或与另一个实体共用一个词；学习时按整词处理（共用的词归前者），"
        "无法完全准确地给出。首处：{place}",
    ),
    "entities.unseen": (
        "{column}: {count} text(s) mark an entity of a kind that training never saw. The first: {place}",
        "{column}：有 {count} 条文本标注了训练中从未出现的实体种类。首处：{place}",
    ),
}

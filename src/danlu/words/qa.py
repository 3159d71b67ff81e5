"""Sentences about questions, contexts and answers."""

WORDS = {
    "qa.nothing": ("", ""),
    "qa.task": (
        "task: question-answering, because the rows are questions with texts that hold their answers",
        "任务：question-answering，因为数据是问题和含有答案的文本",
    ),
    "qa.target": ("target: {reason}", "目标：{reason}"),
    "qa.question": ("the questions of {column}", "{column} 列的问题"),
    "qa.context": ("the texts of {column}, in which the answers stand", "{column} 列的文本，答案就在其中"),
    "qa.other_column": ("the task reads question and context alone", "该任务只读取问题和上下文"),
    "qa.answers": (
        "{column}: {questions:,} questions, {unanswerable:,} of them without an answer in the context{moved}{lost}",
        "{column}：{questions:,} 个问题，其中 {unanswerable:,} 个在上下文中没有答案{moved}{lost}",
    ),
    "qa.moved": (
        "; in {count} an answer did not stand at its answer_start and was moved to where its text is: {places}",
        "；有 {count} 个的答案不在 answer_start 所指处，已移到其文字所在处：{places}",
    ),
    "qa.lost": (
        "; in {count} no answer stands in the context, so nothing is learned from them: {places}",
        "；有 {count} 个的答案在上下文中找不到，训练时不计损失：{places}",
    ),
    "qa.broken_squad": (
        '{file}: expected a list of records under "{key}", as SQuAD has it, got {found}. SQuAD nests data, paragraphs, '
        "qas and answers; a flat file has columns question, context and answers.",
        "{file}：“{key}”之下应当是记录的列表（SQuAD 的格式），实际是 {found}。SQuAD 依次嵌套 data、paragraphs、qas 和 "
        "answers；平铺的文件则有 question、context、answers 三列。",
    ),
    "qa.no_question": (
        "task question-answering needs a column of questions, and none was found among: {names}. Call it one of "
        "{usual}, or name it: data.columns: {{NAME: text, OTHER: text}}, the question first, then the context.",
        "任务 question-answering 需要一列问题，而现有的列是：{names}。请把列名改为 {usual} 之一，"
        "或用 data.columns: {{列名: text, 另一列: text}} 指明，先问题后上下文。",
    ),
    "qa.no_context": (
        "task question-answering needs a column of contexts, the texts in which answers stand, and none was found "
        "among: {names}. Call it one of {usual}, or name it: data.columns: {{NAME: text, OTHER: text}}, the question "
        "first, then the context.",
        "任务 question-answering 需要一列上下文（答案所在的文本），而现有的列是：{names}。请把列名改为 {usual} 之一，"
        "或用 data.columns: {{列名: text, 另一列: text}} 指明，先问题后上下文。",
    ),
    "qa.no_answers": (
        "task question-answering needs a column of answers, and none was found among: {names}. Call it one of {usual}, "
        "or name it with data.target; a cell is a list of {{text, answer_start}}.",
        "任务 question-answering 需要一列答案，而现有的列是：{names}。请把列名改为 {usual} 之一，或用 data.target 指明；"
        "每格是 {{text, answer_start}} 的列表。",
    ),
    "qa.one_target": (
        "recipe: data.target names {columns}, but question-answering has one column of answers. Name one.",
        "配方：data.target 指定了 {columns}，而 question-answering 只有一列答案。请只写一列。",
    ),
    "qa.other_kind": (
        "recipe: data.columns.{column} is {kind}, which question-answering has no use for. Fitting: text (the question, "
        "then the context), answers, ignore.",
        "配方：data.columns.{column} 是 {kind}，question-answering 用不上。可选：text（先问题后上下文）、answers、ignore。",
    ),
    "qa.no_words": (
        '{file} row {row}, column "{column}": expected a text, got nothing',
        "{file} 第 {row} 行，“{column}”列：应当是文本，实际是空的",
    ),
    "qa.bad_answers": (
        '{file} row {row}, column "{column}": expected answers as [{{"text", "answer_start"}}], got {found}',
        '{file} 第 {row} 行，“{column}”列：应当是 [{{"text", "answer_start"}}] 形式的答案，实际是 {found}',
    ),
    "qa.none_known": (
        'column "{column}": not one training row has an answer that stands in its context, so there is nothing to '
        "learn. Look whether it is the right column: an answer is a part of the context, letter by letter.",
        "“{column}”列：没有一行训练数据的答案出现在其上下文中，无从学习。请检查这一列是否正确："
        "答案须是上下文中一字不差的一段。",
    ),
    "qa.over_long": (
        "recipe: data.text.over_long has no effect here: long contexts are read in full, in overlapping windows of "
        "data.text.max_length tokens. Leave it out.",
        "配方：data.text.over_long 在这里不起作用：长的上下文会以 data.text.max_length 个词元的重叠窗口完整读取。"
        "请去掉该项。",
    ),
    "qa.only_here": (
        "recipe: data.text.{setting} is for question-answering alone, and the task is {task}. Leave it out.",
        "配方：data.text.{setting} 只用于 question-answering，而任务是 {task}。请去掉该项。",
    ),
    "qa.too_short": (
        "recipe: data.text.max_length is {got}, but a question and a piece of its context need {needed} tokens at "
        "least. Raise it.",
        "配方：data.text.max_length 是 {got}，而问题加上一段上下文至少需要 {needed} 个词元。请调大。",
    ),
    "qa.stride": (
        "recipe: data.text.stride is {got}, but windows of {longest} tokens, a third of which may be the question, can "
        "share {most} at most. Lower it, or raise data.text.max_length.",
        "配方：data.text.stride 是 {got}，而长 {longest} 个词元的窗口（问题可占三分之一）最多能共用 {most} 个。"
        "请调小，或调大 data.text.max_length。",
    ),
    "qa.tokens": (
        "question and context are read in windows of up to {max_length} tokens ({size:,} kinds), of which neighbours "
        "share {stride}; answers are looked for up to {max_answer} tokens",
        "问题与上下文以最多 {max_length} 个词元的窗口读取（词表 {size:,}），相邻窗口共用 {stride} 个；"
        "答案最长 {max_answer} 个词元",
    ),
    "qa.windows": (
        "{count} context(s) have more tokens than the model takes at once and are read in overlapping windows. The "
        "first: {place}",
        "有 {count} 个上下文的词元多于模型一次能读的数量，以重叠窗口完整读取。首处：{place}",
    ),
    "qa.question_cut": (
        "{count} question(s) are longer than a third of what the model takes at once, and only their beginning is "
        "read. The first: {place}",
        "有 {count} 个问题超过模型一次能读的三分之一，只读了开头。首处：{place}",
    ),
    "qa.untold": (
        "{column}: in {count} row(s) no answer stands in the context, so they have no loss. The first: {place}",
        "{column}：有 {count} 行的答案不在上下文中，不计损失。首处：{place}",
    ),
    "qa.threshold": (
        "an answer is given where its score is more than {threshold} above that of no answer: so chosen on {rows:,} "
        "validation rows",
        "答案的得分比“无答案”高出 {threshold} 以上才作答：由 {rows:,} 行验证数据选定",
    ),
    "qa.first_sentence": ("the first sentence of the context", "上下文的第一句"),
    "qa.likest_sentence": ("the sentence that shares most words with the question", "含问题用词最多的一句"),
}

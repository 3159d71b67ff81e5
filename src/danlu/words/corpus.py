"""What is said of documents and language models: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "corpus.task": (
        "task: text-generation, because the files are plain text without any label",
        "任务：text-generation，因为文件是没有标签的纯文本",
    ),
    "corpus.target": (
        "task {task} has no target column, but data.target is {columns}. Leave it out, or choose text-classification.",
        "{task} 任务没有目标列，但 data.target 设为 {columns}。请去掉它，或改用 text-classification。",
    ),
    "corpus.no_plain_text": (
        "recipe: data.documents is for plain text files, and {files} is none: there each row is a document. "
        "Leave it out.",
        "配方：data.documents 只用于纯文本文件，而 {files} 不是：其中每一行就是一篇文档。请去掉该项。",
    ),
    "corpus.unit_one_file": (
        "documents: the file is one text, divided by position. If it holds many, set data.documents to paragraph "
        "(blank lines between them) or line",
        "文档：整个文件是一篇文本，按位置切分。若其中有许多篇，请把 data.documents 设为 paragraph（以空行分隔）或 line（一行一篇）",
    ),
    "corpus.unit_file": (
        "documents: each file is one (data.documents=paragraph or line divides them further)",
        "文档：每个文件一篇（设 data.documents=paragraph 或 line 可再细分）",
    ),
    "corpus.unit_paragraph": (
        "documents: paragraphs, with blank lines between them",
        "文档：以空行分隔的段落",
    ),
    "corpus.unit_line": ("documents: each line is one", "文档：每行一篇"),
    "corpus.cut": (
        "split: {count} document(s) are too few to be divided whole; each is cut by position: its beginning to train, "
        "its end for the test",
        "划分：只有 {count} 篇文档，无法整篇划分；每篇按位置切开：开头用于训练，末尾用于测试",
    ),
    "corpus.measured": (
        "split: validation and test take {megabytes} MB of the text each, enough to measure by "
        "(data.split.validation and data.split.test choose shares)",
        "划分：验证和测试各取 {megabytes} MB 文本，足够衡量（可用 data.split.validation 和 data.split.test 指定比例）",
    ),
    "corpus.drawn": (
        "{side}: {megabytes} MB of {whole} MB are measured, drawn by the seed: {count:,} documents, long ones in "
        "stretches (evaluate.megabytes)",
        "{side}：衡量时使用 {whole} MB 中按种子抽取的 {megabytes} MB，共 {count:,} 篇，长文档取其中几段（evaluate.megabytes）",
    ),
    "corpus.validation": ("validation", "验证"),
    "corpus.test": ("test", "测试"),
    "corpus.megabytes": (
        "recipe: evaluate.megabytes is for text-generation and fill-mask, and the task is {task}. Leave it out.",
        "配方：evaluate.megabytes 只用于 text-generation 和 fill-mask，而任务是 {task}。请去掉该项。",
    ),
    "corpus.no_folds": (
        "recipe: evaluate.cv needs at least 10 documents, and there are {count}. Leave it out, or set data.documents "
        "to paragraph or line.",
        "配方：evaluate.cv 至少需要 10 篇文档，而现在只有 {count} 篇。请去掉该项，或把 data.documents 设为 paragraph 或 line。",
    ),
    "corpus.other_column": (
        "the task reads the texts of {column} alone",
        "该任务只读取 {column} 列的文本",
    ),
    "corpus.no_text": (
        "the task needs a column of texts, and none was found among: {names}. If one of them is, set it: "
        "data.columns.NAME=text.",
        "该任务需要一列文本，而现有的列（{names}）都不是。若其中某列应当是，请设置 data.columns.列名=text。",
    ),
    "corpus.several_texts": (
        "the task reads one column of texts, and there are several: {columns}. Leave the others out, "
        "such as data.columns.{example}=ignore.",
        "该任务只读取一列文本，而这里有好几列：{columns}。请排除其余的列，例如 data.columns.{example}=ignore。",
    ),
    "corpus.empty": (
        "column {column}: there is no text in it. Give files that hold some.",
        "{column} 列里没有文本。请换用有内容的文件。",
    ),
    "corpus.over_long": (
        "recipe: data.text.over_long has no effect here: long documents are read in full, data.text.max_length tokens "
        "at a time. Leave it out.",
        "配方：data.text.over_long 在这里不起作用：长文档会完整读取，每次看 data.text.max_length 个词元。请去掉该项。",
    ),
    "corpus.vocab_too_small": (
        "recipe: data.text.vocab_size is {got}, but {kind} over bytes needs at least {needed}. Raise it, or set "
        "data.text.tokenizer=char.",
        "配方：data.text.vocab_size 是 {got}，而按字节的 {kind} 至少需要 {needed}。请调大，或设置 data.text.tokenizer=char。",
    ),
    "corpus.no_end": (
        "the checkpoint's tokenizer has no token that ends a document (looked for: {marks}). Choose another checkpoint.",
        "检查点的分词器没有表示文档结束的词元（找过：{marks}）。请换一个检查点。",
    ),
    "corpus.speed": ("{tokens} tokens/s", "{tokens} 词元/秒"),
    "corpus.keeping": ("keeping the text in the cache folder, MB", "把文本存入缓存目录（MB）"),
    "corpus.tokenizing": ("turning the text into tokens, MB", "把文本转成词元（MB）"),
    "corpus.cache_full": (
        "{folder}: the disk is full. Free some space, or let XDG_CACHE_HOME name a folder on another disk, then run the "
        "same command again: what was written before is taken up.",
        "{folder}：磁盘已满。请腾出空间，或用 XDG_CACHE_HOME 指定另一个磁盘上的目录，再运行同一条命令：已写入的内容会接着用。",
    ),
    "corpus.waiting": (
        "waiting for another process that prepares the same text",
        "等待另一个进程准备同一份文本",
    ),
    "corpus.training_tokenizer": ("training the tokenizer", "训练分词器"),
    "corpus.why_char": (
        "tokens: single characters, because {characters:,} characters of text are too few to learn longer tokens from",
        "词元：单个字符，因为文本只有 {characters:,} 个字符，不足以学好更长的词元",
    ),
    "corpus.why_ideographs": (
        "tokens: single characters, because most of the {characters:,} characters are Chinese, each of which says much",
        "词元：单个字符，因为 {characters:,} 个字符中大多是汉字，一个字就有不少含义",
    ),
    "corpus.why_bpe": (
        "tokens: parts of words (byte-level BPE), because {characters:,} characters of text are enough to learn them",
        "词元：子词（字节级 BPE），因为文本有 {characters:,} 个字符，足以学好子词",
    ),
    "corpus.tokens_char": (
        "{column}: a vocabulary of {size:,} characters; the model has {context} in view",
        "{column}：字表 {size:,} 个字符；模型的视野为 {context} 个词元",
    ),
    "corpus.tokens_word": (
        "{column}: a vocabulary of {size:,} words; the model has {context} in view",
        "{column}：词表 {size:,} 个词；模型的视野为 {context} 个词元",
    ),
    "corpus.tokens_bpe": (
        "{column}: a BPE vocabulary of {size:,} over bytes; the model has {context} in view",
        "{column}：字节级 BPE 词表 {size:,}；模型的视野为 {context} 个词元",
    ),
    "corpus.tokens_wordpiece": (
        "{column}: a WordPiece vocabulary of {size:,} over bytes; the model has {context} in view",
        "{column}：字节级 WordPiece 词表 {size:,}；模型的视野为 {context} 个词元",
    ),
    "corpus.tokens_unigram": (
        "{column}: a Unigram vocabulary of {size:,} over bytes; the model has {context} in view",
        "{column}：字节级 Unigram 词表 {size:,}；模型的视野为 {context} 个词元",
    ),
    "corpus.tokens_pretrained": (
        "{column}: read by the checkpoint's tokenizer of {size:,} tokens; the model has {context} in view",
        "{column}：用检查点的分词器（词表 {size:,}）；模型的视野为 {context} 个词元",
    ),
    "corpus.unknown": (
        "{column}: {count} document(s) hold characters or words that no token stands for; each of their bytes counts "
        "as a guess among 256. The first: {place}",
        "{column}：有 {count} 篇文档含有词表之外的字或词，其每个字节按 256 选 1 计入损失。第一处：{place}",
    ),
}

"""What is said of pairs of texts, translation and summarization: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "pairs.task_translation": (
        "task: translation, because {target} holds texts that are about as long as those of {source} ({percent} % of "
        "their bytes); to learn short versions, set task=summarization",
        "任务：translation，因为 {target} 列的文本与 {source} 列长度相近（字节数为其 {percent} %）；"
        "若要学习写摘要，请设置 task=summarization",
    ),
    "pairs.task_summarization": (
        "task: summarization, because {target} holds texts that are much shorter than those of {source} ({percent} % of "
        "their bytes); to learn translations, set task=translation",
        "任务：summarization，因为 {target} 列的文本比 {source} 列短得多（字节数为其 {percent} %）；"
        "若要学习翻译，请设置 task=translation",
    ),
    "pairs.target": (
        "target: {target}, the text that is to be written; the source is {source}. For the other way round, set "
        "data.target={source}",
        "目标：{target}，即要写出的文本；原文是 {source}。若方向相反，请设置 data.target={source}",
    ),
    "pairs.source": ("texts of which {target} is to be written", "原文，据此写出 {target}"),
    "pairs.written": ("texts to be written of {source}", "据 {source} 写出的文本"),
    "pairs.other_column": (
        "the task reads {source} and writes {target}",
        "该任务只读取 {source}、写出 {target}",
    ),
    "pairs.which": (
        "expected two columns of texts, one to read and one to write, got: {texts} (all columns: {names}). Name the one "
        "to write with data.target=NAME and the one to read with data.columns.NAME=text.",
        "应当有两列文本（读一列、写一列），实际是：{texts}（所有列：{names}）。"
        "请用 data.target=列名 指定要写出的一列，用 data.columns.列名=text 指定要读的一列。",
    ),
    "pairs.one_target": (
        "translation and summarization write one column, but data.target names several: {columns}. Name one.",
        "翻译和摘要只写出一列文本，但 data.target 设了好几列：{columns}。请只写一列。",
    ),
    "pairs.other_kind": (
        "recipe: data.columns.{column} is {kind}, but translation and summarization read and write texts alone. Set "
        "text or ignore, or leave it out.",
        "配方：data.columns.{column} 设为 {kind}，而翻译和摘要只读写文本。请改为 text 或 ignore，或去掉该项。",
    ),
    "pairs.too_short": (
        "recipe: data.text.max_length is {got}, but {needed} tokens are the least that hold a text and its marks. "
        "Raise it.",
        "配方：data.text.max_length 是 {got}，而容纳一段文本及其标记至少需要 {needed} 个词元。请调大。",
    ),
    "pairs.no_start": (
        "model.pretrained: its config.json names no decoder_start_token_id, the token that stands before every answer. "
        "Take a checkpoint of an encoder-decoder such as Helsinki-NLP/opus-mt-en-zh or facebook/bart-base.",
        "model.pretrained：其 config.json 没有写明 decoder_start_token_id（每个回答之前的词元）。"
        "请换用编码器-解码器的权重，例如 Helsinki-NLP/opus-mt-en-zh 或 facebook/bart-base。",
    ),
    "pairs.tokens": (
        "{source} → {target}: both in one vocabulary of {size:,} tokens ({kind}); up to {longest} tokens are read, up to "
        "{answer} are written",
        "{source} → {target}：两边共用一个 {size:,} 个词元的词表（{kind}）；最多读 {longest} 个词元，最多写 {answer} 个",
    ),
    "pairs.kind_bpe": ("parts of words, of bytes", "字节级子词"),
    "pairs.kind_wordpiece": ("parts of words: WordPiece", "子词：WordPiece"),
    "pairs.kind_unigram": ("parts of words: Unigram", "子词：Unigram"),
    "pairs.kind_word": ("whole words", "整词"),
    "pairs.kind_char": ("single characters", "单个字符"),
    "pairs.kind_pretrained": ("the checkpoint's own", "预训练权重自带"),
    "pairs.bleu_13a": (
        "BLEU counts words as sacrebleu divides them for most languages (tokenize=13a)",
        "BLEU 按 sacrebleu 对多数语言的分词方式计数（tokenize=13a）",
    ),
    "pairs.bleu_zh": (
        "BLEU counts each Chinese character as a word (sacrebleu, tokenize=zh)",
        "BLEU 把每个汉字当作一个词计数（sacrebleu，tokenize=zh）",
    ),
    "pairs.bleu_char": (
        "BLEU counts each character as a word (sacrebleu, tokenize=char)",
        "BLEU 把每个字符当作一个词计数（sacrebleu，tokenize=char）",
    ),
    "pairs.some": (
        "{column}: {count:,} rows were not measured, the others being taken evenly: each needs a search",
        "{column}：有 {count:,} 行没有参与评估（每行都要做一次搜索），其余各行是均匀选取的",
    ),
}

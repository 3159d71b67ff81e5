"""What is said of hidden tokens and models that tell them: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "masking.fitted": (
        "{column}: {kind} of {size:,} tokens; rows of up to {longest} tokens, of which 15 % of the {unit} are hidden, "
        "others at each step",
        "{column}：{kind}，词表 {size:,}；每行最多 {longest} 个词元，随机遮盖其中 15% 的{unit}，每一步都重新抽取",
    ),
    "masking.together": (
        "words of ideographs: {count:,} pairs of characters keep together in the training text, and are hidden together",
        "中文的词：训练文本中有 {count:,} 个两字组合经常连在一起，遮盖时一并遮盖",
    ),
    "masking.tokens": ("tokens", "词元"),
    "masking.words": ("words", "词"),
    "masking.word": ("a vocabulary of words,", "按词分"),
    "masking.char": ("a vocabulary of characters,", "按字符分"),
    "masking.bpe": ("a BPE vocabulary over bytes,", "字节级 BPE 分词器"),
    "masking.wordpiece": ("a WordPiece vocabulary", "WordPiece 分词器"),
    "masking.unigram": ("a Unigram vocabulary", "Unigram 分词器"),
    "masking.pretrained": ("the checkpoint's tokenizer", "检查点的分词器"),
    "masking.no_pair": (
        "{column}: {count} document(s) have a single token and give no pair of texts; they are left out. The first: "
        "{place}",
        "{column}：有 {count} 篇文档只有一个词元，无法组成前后两段，已略去。第一处：{place}",
    ),
    "masking.one_document": (
        "recipe: data.text.next_sentence needs texts that do not follow each other, and there is a single document. "
        "Divide it with data.documents=paragraph or line, or leave next_sentence out.",
        "配方：data.text.next_sentence 需要互不相连的文本，而这里只有一篇文档。"
        "请用 data.documents=paragraph 或 line 把它分开，或去掉 next_sentence。",
    ),
    "masking.too_short": (
        "recipe: data.text.max_length is {got}, but {needed} tokens are the least in which a hidden one stands between "
        "others. Raise it.",
        "配方：data.text.max_length 是 {got}，而要让被遮盖的词元前后都有别的词元，至少需要 {needed} 个。请调大。",
    ),
    "masking.no_mask_token": (
        "the checkpoint's tokenizer has no token for what is hidden (looked for: {marks}). Choose an encoder's "
        "checkpoint, such as distilbert/distilroberta-base.",
        "检查点的分词器没有表示遮盖的词元（找过：{marks}）。请换一个编码器的检查点，例如 distilbert/distilroberta-base。",
    ),
    "masking.no_segments": (
        "recipe: data.text.next_sentence needs a model that tells two segments apart, and this one does not. Choose "
        "model.family=bert, or leave next_sentence out.",
        "配方：data.text.next_sentence 需要能区分两段文本的模型，而这个模型不能。请用 model.family=bert，或去掉 next_sentence。",
    ),
    "masking.other_task": (
        "recipe: data.text.{setting} is for the task fill-mask, and the task here is {task}. Leave it out.",
        "配方：data.text.{setting} 只用于 fill-mask 任务，而这里的任务是 {task}。请去掉该项。",
    ),
    "masking.no_mask": (
        '{place}: there is nothing to fill in "{text}". Write {mask} in place of what the model shall tell.',
        "{place}：“{text}”中没有要填的地方。请在要模型填写的位置写上 {mask}。",
    ),
    "masking.use_it": (
        'use it: danlu predict {folder} "a text with a [MASK] in it"; or train on from it: danlu train DATA --model '
        "{folder}/model",
        '使用模型：danlu predict {folder} "含有 [MASK] 的文字"；或以它为起点继续训练：danlu train 数据 --model {folder}/model',
    ),
}

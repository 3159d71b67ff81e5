"""What is said of embeddings: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "embed.settings": (
        "{width} numbers per text: {pooling}{unit}; texts of up to {longest} tokens; computed in {precision}",
        "每条文本 {width} 个数：{pooling}{unit}；文本最多 {longest} 个词元；以 {precision} 计算",
    ),
    "embed.mean": ("the mean of its tokens' vectors", "各词元向量的平均"),
    "embed.cls": ("the vector of its first token", "第一个词元的向量"),
    "embed.last": ("the vector of its last token", "最后一个词元的向量"),
    "embed.normalized": (", of length 1", "，归一化为单位长度"),
    "embed.as_it_is": ("", ""),
    "embed.reading": ("reading texts", "正在读取文本"),
    "embed.column": ("the texts to be embedded", "要计算向量的文本"),
    "embed.cut": (
        "{count} text(s) are longer than the model takes and are cut. The first: {place}",
        "有 {count} 条文本超过模型能读的长度，已截断。首处：{place}",
    ),
    "embed.no_transformer": (
        "only a Transformer gives vectors of texts (bert, roberta, distilbert, gpt2, llama and their like), and this "
        "model is none that reads texts. Train one, or name a checkpoint.",
        "只有读文本的 Transformer（bert、roberta、distilbert、gpt2、llama 等）能给出文本向量，而这个模型不是。"
        "请训练一个，或指定一个检查点。",
    ),
    "embed.cls_sees_nothing": (
        "pooling cls takes the vector of the first token, which in this model has seen nothing of the text behind it. "
        "Take mean or last.",
        "cls 取第一个词元的向量，而在这个模型里它看不到后面的文本。请用 mean 或 last。",
    ),
    "embed.name_column": (
        "say which column holds the texts: --column NAME. Columns: {names}",
        "请指明哪一列是文本：--column 列名。现有的列：{names}",
    ),
    "embed.unknown_module": (
        "{folder}: modules.json asks for {module}, which danlu does not have (it has Transformer, Pooling, Normalize). "
        "Choose another checkpoint.",
        "{folder}：modules.json 要求 {module}，而 danlu 只支持 Transformer、Pooling、Normalize。请换一个检查点。",
    ),
    "embed.unknown_pooling": (
        "{file} asks for the pooling {found}, and danlu has one of mean, cls and last token. Choose another checkpoint.",
        "{file} 要求的池化方式是 {found}，而 danlu 支持平均、cls、最后词元三者之一。请换一个检查点。",
    ),
    "embed.train_nothing": (
        "feature-extraction trains nothing: danlu embed RUN_OR_CHECKPOINT DATA gives a vector for each text. To train an "
        "encoder of your own, take fill-mask or text-classification.",
        "feature-extraction 不需要训练：danlu embed 运行目录或检查点 数据 即可为每条文本给出向量。"
        "若要训练自己的编码器，请用 fill-mask 或 text-classification。",
    ),
}

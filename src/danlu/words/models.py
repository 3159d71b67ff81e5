"""What `models` says: key → (English, Chinese); and what each setting of a family is for."""

WORDS: dict[str, tuple[str, str]] = {
    "models.no_matrices": (
        "This model has no matrices of 32 inputs or more, so int8 would change nothing. Take bfloat16, or float32.",
        "这个模型没有输入不少于 32 的矩阵，用 int8 不会有任何变化。请用 bfloat16 或 float32。",
    ),
    "models.linear": (
        "linear and logistic regression: each input weighs on each output",
        "线性回归与逻辑回归：每个输入对每个输出各有一个权重",
    ),
    "models.mlp": (
        "multilayer perceptron; for tables with embedded numbers and an ensemble inside one network",
        "多层感知机；用于表格时对数值做嵌入，并在一个网络内做集成",
    ),
    "models.cnn": (
        "convolutional network for images, texts and numeric sequences",
        "卷积神经网络，用于图像、文本和数值序列",
    ),
    "models.resnet": (
        "residual network for images, 18 layers and more",
        "残差网络，用于图像，18 层及以上",
    ),
    "models.rnn": (
        "simple recurrent network for texts and numeric sequences",
        "简单循环神经网络，用于文本和数值序列",
    ),
    "models.lstm": (
        "long short-term memory for texts and numeric sequences",
        "长短期记忆网络（LSTM），用于文本和数值序列",
    ),
    "models.gru": (
        "gated recurrent units for texts and numeric sequences",
        "门控循环单元（GRU），用于文本和数值序列",
    ),
    "models.pretrained": (
        "begins with {name} ({family}); new: {new}. {trained} of {total} parameters are trained",
        "从 {name}（{family}）开始；新加的部分：{new}。共 {total} 个参数，训练其中 {trained} 个",
    ),
    "models.other_family": (
        "{name} is a {found}, and the recipe asks for {asked}. Leave model.family out, or take another checkpoint.",
        "{name} 是 {found}，而配方要求 {asked}。请去掉 model.family，或换一个检查点。",
    ),
    "models.gpt2": (
        "Transformer that writes and judges texts, with learned positions (Radford et al. 2019)",
        "GPT-2：可学习位置的 Transformer，用于生成文本和文本分类",
    ),
    "models.llama": (
        "Transformer that writes and judges texts, with rotary positions and gated layers (Touvron et al. 2023)",
        "Llama：旋转位置编码、门控前馈层的 Transformer，用于生成文本和文本分类",
    ),
    "models.mistral": (
        "like llama, and each position sees a window of those before it (Jiang et al. 2023)",
        "Mistral：与 llama 相同，但每个位置只看前面一段窗口",
    ),
    "models.qwen2": (
        "like llama, with biases of queries, keys and values",
        "Qwen2：与 llama 相同，但查询、键和值带偏置",
    ),
    "models.qwen3": (
        "like llama, with queries and keys normalised in each head",
        "Qwen3：与 llama 相同，但每个头内对查询和键做归一化",
    ),
    "models.pegasus": (
        "encoder-decoder that answers a text with a text, norms before its parts: translation, summarization",
        "编码器-解码器，读入一段文本、写出另一段，归一化在每个子层之前：翻译、摘要",
    ),
    "models.pointer": (
        "encoder-decoder that can also copy words of its text (See et al. 2017): summaries and headlines from little data",
        "能从原文复制词语的编码器-解码器（See 等 2017）：用较少数据学写摘要、标题",
    ),
    "models.marian": (
        "encoder-decoder with the norms after its parts (Vaswani et al. 2017), for checkpoints of Marian",
        "编码器-解码器，归一化在每个子层之后（Vaswani 等 2017），用于 Marian 的检查点",
    ),
    "models.bart": (
        "encoder-decoder with learned positions; learns best from a pretrained start (BART)",
        "可学习位置的编码器-解码器；从预训练权重开始效果最好（BART）",
    ),
    "models.few_segments": (
        "model: model.segments is {segments}, but these inputs have {needed} kinds of segments. Leave it out.",
        "model：model.segments 是 {segments}，而输入有 {needed} 种片段。请去掉该项。",
    ),
    "models.too_long": (
        "model: the texts are up to {longest} tokens long, but model.max_length is {max_length}, and this model learns "
        "a vector for each position. Raise model.max_length, or set data.text.max_length lower.",
        "model：文本最长 {longest} 个词元，而 model.max_length 是 {max_length}，"
        "这个模型为每个位置学一个向量。请调大 model.max_length，或调小 data.text.max_length。",
    ),
    "models.bert": (
        "encoder of texts that sees both directions (BERT); learns best from a pretrained start",
        "双向看文本的编码器（BERT）；从预训练权重开始效果最好",
    ),
    "models.roberta": (
        "BERT with a longer, larger pretraining (RoBERTa, XLM-RoBERTa)",
        "预训练更久、数据更多的 BERT（RoBERTa、XLM-RoBERTa）",
    ),
    "models.distilbert": (
        "BERT with half the layers, taught by BERT (DistilBERT)",
        "层数减半、由 BERT 蒸馏而来的编码器（DistilBERT）",
    ),
    "models.vit": (
        "Transformer over the patches of an image (ViT)",
        "把图像切成小块来看的 Transformer（ViT）",
    ),
    "models.long_tail": (
        "any other architecture of the transformers library, such as transformers:xlnet, or a checkpoint of one as "
        "transformers:org/name",
        "transformers 库中的任何其他架构，例如 transformers:xlnet；检查点则写作 transformers:org/name",
    ),
    "models.no_transformers": (
        "model: a name that begins with transformers: needs the transformers library, which is not installed. Install it "
        "with pip install 'danlu[transformers]'.",
        "model：以 transformers: 开头的名称需要 transformers 库，而它没有安装。请运行 pip install 'danlu[transformers]'。",
    ),
    "models.unknown_type": (
        "model: the installed transformers has no architecture {kind}. Nearest: {nearest}. A checkpoint has a slash in its "
        "name: transformers:org/name, or transformers:./folder.",
        "model：已安装的 transformers 没有名为 {kind} 的架构。最接近的是：{nearest}。检查点的名称带斜杠：transformers:org/name，"
        "或 transformers:./目录。",
    ),
    "models.bad_settings": (
        "model (transformers:{kind}): transformers refuses these settings: {why}. Change model.width, model.depth, "
        "model.heads or model.settings.",
        "model（transformers:{kind}）：transformers 不接受这些设置：{why}。请修改 model.width、model.depth、model.heads 或 "
        "model.settings。",
    ),
    "models.no_mask": (
        "model: transformers' {kind} cannot be told which positions are padding, so its answer to a text would change with "
        "the texts beside it. Take another architecture.",
        "model：transformers 的 {kind} 无法区分哪些位置是填充，同一文本的结果会随同批的其他文本而变。请换一种架构。",
    ),
    "models.sees_ahead": (
        "model: transformers' {kind} sees the tokens that follow, so it would learn to copy them and not to write. Take a "
        "decoder, such as transformers:gpt_neox.",
        "model：transformers 的 {kind} 看得到后面的词元，训练出来只会照抄，不会续写。请换用解码器，例如 transformers:gpt_neox。",
    ),
    "models.quantized": (
        "config.json: the weights are quantized (quantization_config), which danlu does not train. Take the version of the "
        "checkpoint that is not.",
        "config.json：权重经过量化（quantization_config），danlu 不训练这样的权重。请换用该检查点的未量化版本。",
    ),
    "models.image_size": (
        "data.image.size: {name} has a learned place for each patch of images of size {size}, and the recipe asks for "
        "{asked}. Leave data.image.size out, and images are brought to that size.",
        "data.image.size：{name} 为 {size} 大小图像的每个小块各学了一个位置，而配方要求 {asked}。请去掉 data.image.size，"
        "图像会自动缩放到该大小。",
    ),
    "models.footprint": (
        "{parameters} parameters; {running} to run, {training} to train (batch {batch})",
        "{parameters} 个参数；运行需 {running}，训练需 {training}（批大小 {batch}）",
    ),
    "models.footprint_of": (
        "Sizes are those of the default model in float32: to run, its weights; to train, also gradients, the optimizer's "
        "state and what a batch keeps for the way back. They are measured with:",
        "大小均指 float32 的默认模型：运行时为权重；训练时还包括梯度、优化器状态，以及一个批次为反向传播保留的数据。测量所用的输入：",
    ),
    "models.reference_stream": (
        "language models: {rows:,} rows of 256 tokens, a vocabulary of 8,000",
        "语言模型：{rows:,} 行，每行 256 个词元，词表 8,000",
    ),
    "models.reference_pairs": (
        "encoder-decoders: {rows:,} pairs of 64 tokens each, a vocabulary of 8,000",
        "编码器-解码器：{rows:,} 对文本，每侧 64 个词元，词表 8,000",
    ),
    "models.reference_table": (
        "tables: {rows:,} rows of 16 numbers and 4 categories, two classes",
        "表格：{rows:,} 行，16 个数值列和 4 个类别列，两个类别",
    ),
    "models.reference_image": (
        "images: {rows:,} of 32 × 32 pixels in colour, ten classes",
        "图像：{rows:,} 张 32 × 32 彩色图像，十个类别",
    ),
    "models.reference_text": (
        "texts: {rows:,} of 128 tokens, a vocabulary of 8,000, two classes",
        "文本：{rows:,} 条，每条 128 个词元，词表 8,000，两个类别",
    ),
    "models.unknown_family": (
        "model: there is no family {name}. Nearest: {nearest}. `danlu models` lists them all.",
        "model：没有名为 {name} 的模型族。最接近的是：{nearest}。用 `danlu models` 查看全部。",
    ),
    "models.cannot_read": (
        "model: {family} does not take {modality}. Families that do: {families}.",
        "model：{family} 不能用于{modality}。可以换用：{families}。",
    ),
    "models.why_mlp": (
        "model: mlp, because on a table an ensemble of small networks over embedded columns learns most "
        "({rows} training rows)",
        "模型：选用 mlp，因为对表格来说，在列嵌入之上集成多个小网络效果最好（训练数据 {rows} 行）",
    ),
    "models.why_linear": (
        "model: linear over n-grams, because on texts it learns more than a network that starts from nothing "
        "({rows} training rows)",
        "模型：选用基于 n 元组的 linear，因为对文本来说，它比从零训练的神经网络效果更好（训练数据 {rows} 行）",
    ),
    "models.why_lstm": (
        "model: lstm, which tells the words of a text from both sides; a pretrained encoder, such as "
        "--model distilbert/distilbert-base-cased, usually finds far more",
        "模型：选用 lstm，它从前后两个方向读每个词；换用预训练编码器（例如 --model distilbert/distilbert-base-cased）通常能找出更多",
    ),
    "models.why_pegasus": (
        "model: pegasus, an encoder-decoder with the norms before its parts, which learns faster from nothing",
        "模型：选用 pegasus：归一化在每个子层之前的编码器-解码器，从零训练时学得更快",
    ),
    "models.why_pointer": (
        "model: pointer, an encoder-decoder that can copy words of its text, which a summary is largely made of",
        "模型：选用 pointer：能从原文复制词语的编码器-解码器，摘要的大部分词语本来就出自原文",
    ),
    "models.masked": ("texts with hidden tokens", "带遮盖的文本"),
    "models.why_bert": (
        "model: bert, which tells a hidden token from both sides",
        "模型：选用 bert，它根据前后两边来猜被遮盖的词元",
    ),
    "models.why_reader": (
        "model: bert, which reads question and context together; a pretrained encoder, such as "
        "--model distilbert/distilbert-base-cased, usually finds far more answers",
        "模型：选用 bert，它把问题和上下文放在一起读；换用预训练编码器（例如 --model distilbert/distilbert-base-cased）"
        "通常能找对多得多的答案",
    ),
    "models.why_llama": (
        "model: llama, the design of most of today's language models (rotary positions, gated layers)",
        "模型：选用 llama，它是当今多数语言模型的结构（旋转位置编码、门控层）",
    ),
    "models.why_cnn_sequence": (
        "model: cnn, because it sees all steps of a sequence at once and trains faster than a recurrent network",
        "模型：选用 cnn，因为它能并行处理序列的所有时间步，训练比循环网络快",
    ),
    "models.why_cnn_image": (
        "model: cnn, because on {rows} training images and this machine it learns more in the same time than a resnet",
        "模型：选用 cnn，因为在 {rows} 张训练图像和这台机器上，同样的时间里它比 resnet 学得更好",
    ),
    "models.why_resnet": (
        "model: resnet, because there are {rows} training images and a graphics processor to fill its depth",
        "模型：选用 resnet，因为有 {rows} 张训练图像，且有 GPU，足以发挥其深度",
    ),
    "models.table": ("tables", "表格"),
    "models.text": ("texts", "文本"),
    "models.image": ("images", "图像"),
    "models.sequence": ("numeric sequences", "数值序列"),
    "models.words": ("words in texts", "文本中的词"),
    "models.passages": ("questions with contexts", "问题与上下文"),
    "models.pairs": ("pairs of texts", "文本对"),
    "models.stream": ("text generation", "文本生成"),
}

# family.setting → Chinese; the English is the description of the field in the family's Config.
_CELLS: dict[str, str] = {
    "cell": "循环单元的种类",
    "width": "每层、每个方向的单元数",
    "layers": "循环层的层数",
    "bidirectional": "从两端分别读入",
    "pool": "如何把各时间步的状态合成一个向量",
    "dropout": "在词向量上、层与层之间和输出层之前随机丢弃的比例",
    "token_width": "词元向量的宽度",
    "category_width": "类别嵌入的宽度",
}
_TRANSFORMER: dict[str, str] = {
    "width": "各层之间传递的向量宽度",
    "depth": "层数",
    "heads": "每层的注意力头数",
    "kv_heads": "键和值的头数，由几组查询头共用；默认与 heads 相同",
    "head_width": "每个头的宽度；默认为 width / heads",
    "hidden": "前馈层内部的宽度；默认为 4 × width，门控时约为 8/3 × width",
    "activation": "前馈层的激活函数",
    "gated": "前馈层用激活值去门控另一路乘积",
    "norm": "归一化的种类",
    "norm_place": "归一化放在每个子层之前，还是放在相加之后",
    "norm_eps": "归一化时加到方差上的小数",
    "final_norm": "最后一层之后再做一次归一化",
    "embedding_norm": "对嵌入后的输入做归一化",
    "embedding_scale": "词元向量乘以 √width",
    "positions": "位置如何表示",
    "position_offset": "位置矩阵中排在第一个位置之前的行数",
    "rope_theta": "旋转位置编码波长的底数",
    "rope_scaling": "旋转位置编码的波长如何拉长；留空为不拉长",
    "max_length": "模型能区分的位置数",
    "segments": "有多少种片段各有一个向量",
    "causal": "每个位置看不到它后面的位置",
    "window": "每个位置往前能看多少个位置；留空为全部",
    "cross": "每层还关注编码器的输出",
    "bias": "输出投影和前馈层带偏置",
    "qkv_bias": "查询、键和值带偏置",
    "out_bias": "输出投影带偏置；留空则与 bias 相同",
    "qk_norm": "每个头内对查询和键做归一化",
    "dropout": "在嵌入后的输入和各子层的输出上随机丢弃的比例",
    "attention_dropout": "在注意力权重上随机丢弃的比例",
    "inner_dropout": "在前馈层内部随机丢弃的比例",
}
_CAUSAL: dict[str, str] = _TRANSFORMER | {"tied": "词元向量的矩阵同时用来给下一个词元打分"}
_ENCODER: dict[str, str] = _TRANSFORMER | {
    "pool": "输出层之前那一层的激活函数",
    "head_dropout": "在输出层之前随机丢弃的比例",
    "category_width": "类别嵌入的宽度",
}
_PAIRS: dict[str, str] = _TRANSFORMER | {"depth": "编码器的层数", "decoder_depth": "解码器的层数；默认与编码器相同"}
_VIT = ("width", "depth", "heads", "hidden", "activation", "norm_eps", "qkv_bias", "dropout", "attention_dropout")
SETTINGS: dict[str, str] = {
    "transformers.width": "hidden_size（各架构的叫法不同）；默认用该架构自己的值",
    "transformers.depth": "num_hidden_layers（各架构的叫法不同）；默认用该架构自己的值",
    "transformers.heads": "num_attention_heads（各架构的叫法不同）；默认用该架构自己的值",
    "transformers.max_length": "max_position_embeddings（各架构的叫法不同）；默认用该架构自己的值",
    "transformers.settings": "该架构 config.json 中的其他键",
    "mlp.width": "每个隐藏层的单元数",
    "mlp.depth": "隐藏层的层数",
    "mlp.activation": "激活函数",
    "mlp.dropout": "训练时随机丢弃的隐藏单元比例",
    "mlp.members": "共享权重矩阵、结果取平均的网络个数（TabM）",
    "mlp.embed_numbers": "数值如何变成向量",
    "mlp.number_width": "数值嵌入的宽度",
    "mlp.frequency": "周期嵌入初始频率的标准差",
    "mlp.category_width": "类别嵌入的宽度",
    "mlp.text_width": "词元向量的宽度",
    "cnn.width": "图像第一级的通道数；每一级翻倍",
    "cnn.depth": "级数，每级两层卷积；图像逐级减半",
    "cnn.activation": "激活函数",
    "cnn.dropout": "在输出层之前和词向量上随机丢弃的比例",
    "cnn.kernels": "文本卷积核覆盖的词元数",
    "cnn.filters": "每种宽度的文本卷积核个数，也是数值序列的通道数",
    "cnn.token_width": "词元向量的宽度",
    "cnn.steps_kernel": "数值序列的卷积核覆盖的时间步数",
    "cnn.category_width": "类别嵌入的宽度",
    "resnet.depth": "网络层数",
    "resnet.width": "第一级的通道数；每一级翻倍",
    "resnet.stem": "small 为 3×3 卷积；large 为 7×7 卷积加池化，图像缩到四分之一",
    "resnet.dropout": "在输出层之前随机丢弃的比例",
    "resnet.zero_init": "各残差块从恒等映射开始（Goyal 等，2017）",
    "resnet.category_width": "类别嵌入的宽度",
    **{f"{family}.{name}": meaning for family in ("rnn", "lstm", "gru") for name, meaning in _CELLS.items()},
    **{
        f"{family}.{name}": meaning
        for family in ("gpt2", "llama", "mistral", "qwen2", "qwen3")
        for name, meaning in _CAUSAL.items()
    },
    **{
        f"{family}.{name}": meaning
        for family in ("bert", "roberta", "distilbert")
        for name, meaning in _ENCODER.items()
    },
    **{
        f"{family}.{name}": meaning
        for family in ("pegasus", "pointer", "marian", "bart")
        for name, meaning in _PAIRS.items()
    },
    **{f"vit.{name}": _TRANSFORMER[name] for name in _VIT},
    "vit.patch": "每个小块的边长（像素）",
    "vit.category_width": "类别嵌入的宽度",
}

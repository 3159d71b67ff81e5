"""What `models` says: key → (English, Chinese); and what each setting of a family is for."""

WORDS: dict[str, tuple[str, str]] = {
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
        "model：选用 mlp，因为对表格来说，在列嵌入之上集成多个小网络效果最好（训练数据 {rows} 行）",
    ),
    "models.why_linear": (
        "model: linear over n-grams, because on texts it learns more than a network that starts from nothing "
        "({rows} training rows)",
        "model：选用基于 n 元组的 linear，因为对文本来说，它比从零训练的神经网络效果更好（训练数据 {rows} 行）",
    ),
    "models.why_cnn_sequence": (
        "model: cnn, because it sees all steps of a sequence at once and trains faster than a recurrent network",
        "model：选用 cnn，因为它能并行处理序列的所有时间步，训练比循环网络快",
    ),
    "models.why_cnn_image": (
        "model: cnn, because on {rows} training images and this machine it learns more in the same time than a resnet",
        "model：选用 cnn，因为在 {rows} 张训练图像和这台机器上，同样的时间里它比 resnet 学得更好",
    ),
    "models.why_resnet": (
        "model: resnet, because there are {rows} training images and a graphics processor to fill its depth",
        "model：选用 resnet，因为有 {rows} 张训练图像，且有 GPU，足以发挥其深度",
    ),
    "models.table": ("tables", "表格"),
    "models.text": ("texts", "文本"),
    "models.image": ("images", "图像"),
    "models.sequence": ("numeric sequences", "数值序列"),
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
SETTINGS: dict[str, str] = {
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
}

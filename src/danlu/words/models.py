"""What `models` says: key → (English, Chinese)."""

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

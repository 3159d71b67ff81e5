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
        "model: {family} reads {reads}, and cannot read this data ({inputs}). Families that can: {others}.",
        "model：{family} 适用于 {reads}，读不了这份数据（{inputs}）。可以换用：{others}。",
    ),
}

"""What `codec` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # What a column may hold
    "codec.kind_number": ("number", "数值"),
    "codec.kind_boolean": ("boolean", "布尔值"),
    "codec.kind_date": ("date", "日期"),
    "codec.kind_category": ("category", "类别"),
    "codec.kind_text": ("text", "文本"),
    "codec.kind_image": ("image", "图像"),
    "codec.kind_sequence": ("sequence", "序列"),
    "codec.kind_labels": ("labels", "多标签"),
    "codec.kind_entities": ("entities", "实体"),
    "codec.kind_answers": ("answers", "答案"),
    # Columns that are not read
    "codec.unread": (
        'column "{column}" ({kind}) is not used: this model family does not read that kind in this task',
        "未使用列“{column}”（{kind}）：在该任务中，这一族模型不读取这类列",
    ),
    "codec.constant": (
        'column "{column}" is not used: it has the same value in every training row',
        "未使用列“{column}”：训练数据中它的值全都相同",
    ),
    "codec.all_differ": (
        'column "{column}" is not used: hardly any of its values occurs twice in the training rows',
        "未使用列“{column}”：训练数据中它的值几乎各不相同",
    ),
    "codec.second_image": (
        'column "{column}" is not used: a model reads one image per row, and "{first}" comes first',
        "未使用列“{column}”：模型每行只读一张图像，已使用排在前面的“{first}”",
    ),
    # What was fitted
    "codec.why_ideographs": (
        "texts are mostly Chinese or Japanese: each character is a token, other scripts are split into words",
        "文本以中文或日文为主：每个汉字（假名）作为一个词元，其他文字按单词切分",
    ),
    "codec.why_no_spaces": (
        "texts are in a script without spaces between words: each character is a token",
        "文本所用的文字不以空格分词：每个字符作为一个词元",
    ),
    "codec.why_word": (
        "texts are split into words: only {share} % of them occur just once",
        "文本按单词切分：只出现一次的词仅占 {share} %",
    ),
    "codec.why_bpe": (
        "texts are split into parts of words (BPE): {share} % of the words occur just once",
        "文本按子词（BPE）切分：只出现一次的词占 {share} %",
    ),
    "codec.tokens_word": (
        'texts of "{column}": a vocabulary of {size} words; the first {longest} tokens are read, '
        "which cuts {cut} % of the training texts",
        "“{column}”的文本：词表含 {size} 个词；读取前 {longest} 个词元，训练文本中有 {cut} % 被截断",
    ),
    "codec.tokens_char": (
        'texts of "{column}": a vocabulary of {size} characters; the first {longest} are read, '
        "which cuts {cut} % of the training texts",
        "“{column}”的文本：字表含 {size} 个字符；读取前 {longest} 个字符，训练文本中有 {cut} % 被截断",
    ),
    "codec.tokens_pretrained": (
        'texts of "{column}" become tokens of the pretrained model ({size} of them), up to {longest} per text; '
        "{cut} % of the texts are longer and cut",
        "“{column}”的文本由预训练模型自带的分词器切分（词表 {size}），每条最多 {longest} 个词元；{cut} % 的文本更长，会被截断",
    ),
    "codec.tokenizer_given": (
        "data.text.{setting}: a pretrained model brings its own tokenizer, which cannot be changed. Leave it out.",
        "data.text.{setting}：预训练模型自带分词器，无法更改。请去掉这一项。",
    ),
    "codec.tokens_wordpiece": (
        'texts of "{column}": a WordPiece vocabulary of {size} parts of words; the first {longest} tokens are read, '
        "which cuts {cut} % of the training texts",
        "“{column}”的文本：WordPiece 词表含 {size} 个子词；读取前 {longest} 个词元，训练文本中有 {cut} % 被截断",
    ),
    "codec.tokens_unigram": (
        'texts of "{column}": a Unigram vocabulary of {size} parts of words; the first {longest} tokens are read, '
        "which cuts {cut} % of the training texts",
        "“{column}”的文本：Unigram 词表含 {size} 个子词；读取前 {longest} 个词元，训练文本中有 {cut} % 被截断",
    ),
    "codec.tokens_bpe": (
        'texts of "{column}": a BPE vocabulary of {size} parts of words; the first {longest} tokens are read, '
        "which cuts {cut} % of the training texts",
        "“{column}”的文本：BPE 词表含 {size} 个子词；读取前 {longest} 个词元，训练文本中有 {cut} % 被截断",
    ),
    "codec.terms": (
        'texts of "{column}": {size} n-grams ({kinds}) that occur in at least {least} training rows, '
        "weighted by TF-IDF",
        "“{column}”的文本：{size} 个 n-gram（{kinds}），至少出现在 {least} 行训练数据中，按 TF-IDF 加权",
    ),
    "codec.images": (
        'images of "{column}" are read as {size} pixels, channels: {channels}; in training they measure '
        "{smallest} to {largest}; other proportions are padded, nothing is cut off",
        "“{column}”的图像按 {size} 像素、{channels} 个通道读取；训练图像尺寸为 {smallest} 到 {largest}；"
        "长宽比不同时补边，不裁切",
    ),
    "codec.sequences": (
        'sequences of "{column}": channels: {channels}, {shortest} to {longest} steps in training',
        "“{column}”的序列：{channels} 个通道，训练数据中长 {shortest} 到 {longest} 步",
    ),
    "codec.encoding_texts": ("encoding texts", "正在编码文本"),
    "codec.decoding_images": ("decoding images", "正在解码图像"),
    # What is unusual in encoded rows
    "codec.missing_new": (
        'column "{column}" is missing in {count} row(s), the first {place}; in training it had a value everywhere, '
        "so the average stands in",
        "列“{column}”在 {count} 行中缺失（首处：{place}）；训练数据中该列没有缺失，因此以平均水平代替",
    ),
    "codec.not_finite": (
        'column "{column}" is infinite in {count} row(s), the first {place}; taken as missing',
        "列“{column}”在 {count} 行中为无穷大（首处：{place}），按缺失处理",
    ),
    "codec.unseen_category": (
        'column "{column}" has a value in {count} row(s) that is rare or absent in training, the first {place}; '
        "all such values are taken alike",
        "列“{column}”在 {count} 行中的取值在训练数据里罕见或未出现（首处：{place}），这类取值一律按同一种处理",
    ),
    "codec.unseen_class": (
        '"{column}" has a class in {count} row(s) that training never saw, the first {place}; '
        "these rows count as wrong",
        "“{column}”在 {count} 行中的类别在训练中从未出现（首处：{place}），这些行按预测错误计",
    ),
    "codec.text_cut": (
        '{count} text(s) of "{column}" are longer than the model reads and were cut, the first {place}. '
        "Set data.text.max_length to read more",
        "“{column}”中有 {count} 条文本超出模型读取的长度而被截断（首处：{place}）。"
        "如需读取更多，请设置 data.text.max_length",
    ),
    "codec.sequence_cut": (
        '{count} sequence(s) of "{column}" are longer than the model reads and were cut, the first {place}',
        "“{column}”中有 {count} 个序列超出模型读取的长度而被截断（首处：{place}）",
    ),
    # Errors
    "codec.missing_columns": (
        "these rows lack the column(s) {columns}; found: {found}. Add or rename the columns.",
        "数据缺少列 {columns}；现有的列：{found}。请补上这些列或修改列名。",
    ),
    "codec.no_columns": (
        "beside the target there is no column to learn from: of the others ({others}) each is empty, constant or an "
        "identifier. Add columns, or set the kind of one under data.columns.",
        "除目标列外没有可供学习的列：其余各列（{others}）要么为空，要么没有变化，要么只是编号。"
        "请增加列，或在 data.columns 中指定列的类型。",
    ),
    "codec.no_words": (
        "column(s) {column}: the texts of the training rows hold no words. Set their kind to ignore or category "
        "under data.columns.",
        "列 {column}：训练数据的文本中没有任何词。请在 data.columns 中把它们设为 ignore 或 category。",
    ),
    "codec.no_inputs": (
        "no column is left to learn from: the model family reads {reads}, and none of the columns {columns} "
        "fits or varies. Choose another model.family, or set the kinds under data.columns.",
        "没有可供学习的列：这一族模型读取 {reads}，而列 {columns} 要么不适用，要么没有变化。"
        "请换一个 model.family，或在 data.columns 中指定列的类型。",
    ),
    "codec.wrong_type": (
        'column "{column}": expected a {wanted}, got values of type {got}. '
        "Convert the column, or set its kind under data.columns and train again.",
        "列“{column}”应为{wanted}，实际类型是 {got}。请转换该列，或在 data.columns 中指定其类型后重新训练。",
    ),
    "codec.wrong_value": (
        '{place}, column "{column}": expected a {wanted}, got "{got}". Correct it, or list it under data.missing.',
        "{place}，列“{column}”：应为{wanted}，实际是“{got}”。请更正，或把它列入 data.missing。",
    ),
    "codec.target_missing": (
        '{place}, target "{column}": no value; {count} row(s) lack it. Fill them in or remove those rows.',
        "{place}，目标列“{column}”没有值；共有 {count} 行缺失。请补全或删除这些行。",
    ),
    "codec.target_not_number": (
        'target "{column}": a regression needs numbers, got {got}. Choose another target or a classification task.',
        "目标列“{column}”：回归需要数值，实际是 {got}。请选择其他目标列，或改用分类任务。",
    ),
    "codec.target_constant": (
        'target "{column}": every training row has {got}, so there is nothing to tell apart. Choose another target, or '
        "add rows with other values.",
        "目标列“{column}”：所有训练数据都是 {got}，没有可学的差别。请选择其他目标列，或补充其他取值的数据。",
    ),
    "codec.target_too_large": (
        'target "{column}": a number as large as {got}, more than {most}. Predict its logarithm, or correct the value.',
        "目标列“{column}”：数值大到 {got}，超过 {most}。请改为预测它的对数，或更正该值。",
    ),
    "codec.too_few_classes": (
        'target "{column}": the training rows hold the class(es) {found}, and at least {needed} are needed. '
        "Add rows of other classes or choose another target.",
        "目标列“{column}”：训练数据中的类别只有 {found}，至少需要 {needed} 个。"
        "请补充其他类别的数据，或选择其他目标列。",
    ),
    "codec.text_too_long": (
        '{place}, column "{column}": the text has {length} tokens, more than {longest}. '
        "Shorten it, raise data.text.max_length, or set data.text.over_long=cut.",
        "{place}，列“{column}”：文本有 {length} 个词元，超过上限 {longest}。"
        "请缩短文本、调大 data.text.max_length，或设置 data.text.over_long=cut。",
    ),
    "codec.vocab_too_small": (
        "recipe: data.text.vocab_size {got} is too small for bpe, which begins with {needed} bytes and marks. "
        "Raise it, or choose data.text.tokenizer word or char.",
        "配方：data.text.vocab_size {got} 对 bpe 太小，它从 {needed} 个字节和标记开始。"
        "请调大，或把 data.text.tokenizer 设为 word 或 char。",
    ),
    "codec.image_missing": (
        '{place}, column "{column}": no image. Give its path, or remove the row.',
        "{place}，列“{column}”没有图像。请填写图像路径，或删除该行。",
    ),
    "codec.image_unreadable": (
        '{place}, column "{column}": the image {file} cannot be read ({why}). Replace it or remove the row.',
        "{place}，列“{column}”：无法读取图像 {file}（{why}）。请更换图像，或删除该行。",
    ),
    "codec.empty_sequences": (
        "column(s) {column}: the training rows hold no step with a value. Check the columns, or set "
        "their kind to ignore under data.columns.",
        "列 {column}：训练数据的序列中没有任何有值的步。请检查这些列，或在 data.columns 中设为 ignore。",
    ),
    "codec.unequal_sequences": (
        '{place}: the sequences of "{column}" and "{other}" differ in length, so they cannot be channels of one. '
        "Make them equal, or set the kind of one to ignore under data.columns.",
        "{place}：“{column}”与“{other}”的序列长度不同，无法作为同一序列的通道。"
        "请使其等长，或在 data.columns 中把其中一列设为 ignore。",
    ),
    "codec.other_channels": (
        "the sequences of {column} have {got} channel(s), and the model was trained on {wanted}. "
        "Give the same channels.",
        "{column} 的序列有 {got} 个通道，而模型训练时是 {wanted} 个。请提供相同的通道。",
    ),
    # Augmentation
    "codec.flip": (
        "training images are also mirrored: mirrored, {mirrored} % still lie nearest to an image of their class "
        "({own} % as they are)",
        "训练时也使用镜像图像：镜像后仍有 {mirrored} % 的图像与同类图像最接近（原图为 {own} %）",
    ),
    "codec.no_flip": (
        "training images are not mirrored: mirrored, only {mirrored} % lie nearest to an image of their class "
        "({own} % as they are)",
        "训练时不做镜像：镜像后只有 {mirrored} % 的图像与同类图像最接近（原图为 {own} %）",
    ),
    "codec.no_flip_swapped": (
        'training images are not mirrored: mirrored, most images of "{one}" look like "{other}", and the reverse',
        "训练时不做镜像：镜像后，“{one}”的图像大多像“{other}”，反之亦然",
    ),
    "codec.no_flip_characters": (
        "training images are not mirrored: the classes are single letters",
        "训练时不做镜像：类别是单个字母或汉字",
    ),
    "codec.no_flip_numbered": (
        "training images are not mirrored: the classes are numbers, perhaps digits, and too few images show which",
        "训练时不做镜像：类别是编号，可能就是数字，而图像太少，无法判断",
    ),
    "codec.flip_unknown": (
        "whether mirrored images keep their class cannot be judged here: colour images are mirrored, grey ones not",
        "无法判断镜像后类别是否不变：彩色图像做镜像，灰度图像不做",
    ),
}

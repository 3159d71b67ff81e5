"""What `evaluate` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "evaluate.resampling": ("resampling the test rows for the intervals", "对测试行重抽样以估计区间"),
    "evaluate.always": ("always saying “{answer}”", "一律回答“{answer}”"),
    "evaluate.always_none": ("never giving any label", "一个标签都不给"),
    "evaluate.boosting": ("gradient boosting", "梯度提升树"),
    "evaluate.texts": ("TF-IDF with a linear model", "TF-IDF 加线性模型"),
    "evaluate.pixels": ("a linear model of the pixels", "像素上的线性模型"),
    "evaluate.sequences": ("gradient boosting of simple statistics", "基于简单统计量的梯度提升树"),
    "evaluate.unigram": ("the frequency of each token alone", "只看每个词元的频率"),
    "evaluate.ngram": ("a {order}-gram model", "{order} 元语法模型"),
    "evaluate.commonest_token": ("always the commonest token", "一律回答最常见的词元"),
    "evaluate.neighbours": ("what most often stands between the same two tokens", "按左右相邻词元的频次来猜"),
    "evaluate.gzip": ("gzip", "gzip"),
    "evaluate.xz": ("xz", "xz"),
    "evaluate.no_entity": ("finding no entity", "一个实体都不找"),
    "evaluate.word_tags": ("each word with its commonest tag", "每个词取其最常见的标签"),
    "evaluate.copy": ("the source as it is", "原样照抄原文"),
    "evaluate.word_by_word": ("word by word", "逐词翻译"),
    "evaluate.first_sentence": ("the first sentence", "首句"),
    "evaluate.nothing": ("", ""),
    "evaluate.interval": (" ({low}–{high})", "（{low}–{high}）"),
    "evaluate.no_rows": (
        "No rows were kept for the test, so nothing is known of how good the model is.",
        "没有留出测试行，因此无从得知模型有多好。",
    ),
    "evaluate.rows_unseen": ("the model never saw", "模型从未见过的"),
    "evaluate.rows_seen": ("it was trained on", "训练时用过的"),
    "evaluate.headline_class": (
        "On {rows} rows {seen}, {value} %{interval} of its answers are right{rivals}.",
        "在{seen} {rows} 行数据上，它答对了 {value}%{interval}{rivals}。",
    ),
    "evaluate.headline_labels": (
        "On {rows} rows {seen}, it finds {recall} % of the labels, and {precision} % of the labels it "
        "gives are right: an F1 of {value} %{interval}{rivals}.",
        "在{seen} {rows} 行数据上，它找出了 {recall}% 的标签，给出的标签中有 {precision}% 是对的，"
        "F1 为 {value}%{interval}{rivals}。",
    ),
    "evaluate.headline_entities": (
        "In {rows} texts {seen}, it finds {recall} % of the entities, and {precision} % of what it gives "
        "is right: an F1 of {value} %{interval}{rivals}.",
        "在{seen} {rows} 条文本中，它找出了 {recall}% 的实体，给出的实体中有 {precision}% 是对的，"
        "F1 为 {value}%{interval}{rivals}。",
    ),
    "evaluate.headline_answers": (
        "On {rows} questions {seen}, its answers have an F1 of {value} %{interval}, and {exact} % are "
        "exactly right{rivals}.",
        "在{seen} {rows} 个问题上，它的答案 F1 为 {value}%{interval}，完全答对的占 {exact}%{rivals}。",
    ),
    "evaluate.headline_translation": (
        "On {rows} texts {seen}, its translations score {value} BLEU{interval} and {chrf} chrF{rivals}.",
        "在{seen} {rows} 条文本上，它的译文 BLEU 为 {value}{interval}，chrF 为 {chrf}{rivals}。",
    ),
    "evaluate.headline_summary": (
        "On {rows} texts {seen}, its summaries score {value} % ROUGE-L{interval} ({rouge_1} % ROUGE-1, "
        "{rouge_2} % ROUGE-2){rivals}.",
        "在{seen} {rows} 条文本上，它的摘要 ROUGE-L 为 {value}%{interval}"
        "（ROUGE-1 {rouge_1}%，ROUGE-2 {rouge_2}%）{rivals}。",
    ),
    "evaluate.headline_text": (
        "Text that {seen} ({bytes} bytes, {tokens} tokens) costs it {value} bits per byte{interval}, a "
        "perplexity of {perplexity} per token{rivals}.",
        "{seen}文本（{bytes} 字节，{tokens} 个词元），每字节平均需要 {value} 比特{interval}，"
        "每词元困惑度为 {perplexity}{rivals}。",
    ),
    "evaluate.headline_masked": (
        "Of {tokens} hidden tokens in texts {seen}, it tells {value} %{interval} right, and {among} % are "
        "among its first five{rivals}.",
        "在{seen}文本中遮盖了 {tokens} 个词元，它猜对了 {value}%{interval}，{among}% 的正确词元在它给出的前五个之中{rivals}。",
    ),
    "evaluate.headline_number": (
        "On {rows} rows {seen}, its predictions are off by {value}{interval} on average{rivals}.",
        "在{seen} {rows} 行数据上，预测值平均偏差 {value}{interval}{rivals}。",
    ),
    "evaluate.headline_number_r2": (
        "On {rows} rows {seen}, its predictions are off by {value}{interval} on average and explain "
        "{r2} % of the variance{rivals}.",
        "在{seen} {rows} 行数据上，预测值平均偏差 {value}{interval}，解释了 {r2}% 的方差{rivals}。",
    ),
    "evaluate.rivals_class": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_class": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_labels": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_labels": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_entities": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_entities": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_answers": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_answers": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_translation": ("; {name} gives {value}{rest}", "；{name}为 {value}{rest}"),
    "evaluate.rival_translation": (", {name} {value}{rest}", "，{name}为 {value}{rest}"),
    "evaluate.rivals_summary": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_summary": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_masked": ("; {name} gives {value} %{rest}", "；{name}为 {value}%{rest}"),
    "evaluate.rival_masked": (", {name} {value} %{rest}", "，{name}为 {value}%{rest}"),
    "evaluate.rivals_text": ("; {name} needs {value}{rest}", "；{name}需要 {value}{rest}"),
    "evaluate.rival_text": (", {name} {value}{rest}", "，{name}需要 {value}{rest}"),
    "evaluate.rivals_number": ("; {name} is off by {value}{rest}", "；{name}偏差 {value}{rest}"),
    "evaluate.rival_number": (", {name} by {value}{rest}", "，{name}偏差 {value}{rest}"),
    "evaluate.ahead": (
        "It beats {rival} by more than chance explains.",
        "它胜过{rival}，差距超出了偶然波动。",
    ),
    "evaluate.level": (
        "Between it and {rival} these rows show no clear winner: the difference is within chance.",
        "它与{rival}之间，从这些数据看不出明显的胜负：差距在偶然波动之内。",
    ),
    "evaluate.behind": (
        "Here {rival} is better, by more than chance explains: use that instead, or give this model more rows or more "
        "time.",
        "在这份数据上，{rival}更好，差距超出了偶然波动：不妨改用它，或者给这个模型更多数据、更长训练时间。",
    ),
    "evaluate.constant_as_good": (
        "It is no better than {rival}: from these data it has learned nothing of use.",
        "它并不比{rival}更好：从这些数据里，它没有学到有用的东西。",
    ),
    "evaluate.constant_level": (
        "These rows do not prove that it is better than {rival}.",
        "仅凭这些数据，还不能证明它比{rival}更好。",
    ),
    "evaluate.only_ranks": (
        "Counting right answers, it is not clearly better than {rival}; but it does rank rows (ROC-AUC {roc_auc}), so "
        "go by its probabilities, with a threshold of your own.",
        "只数答对的次数，它并不明显优于{rival}；但它能给各行排序（ROC-AUC 为 {roc_auc}），"
        "可以按概率使用，自行设定阈值。",
    ),
    "evaluate.rarer": (
        "Of the {actual} rows that are “{name}” it finds {found}; of the {answered} rows it calls “{name}”, {wrong} "
        "are not.",
        "“{name}”共 {actual} 行，它找出了 {found} 行；它判为“{name}”的 {answered} 行中，有 {wrong} 行不是。",
    ),
    "evaluate.few_rows": (
        "{rows} test rows are few: read every number here with its interval.",
        "测试行只有 {rows} 行，偏少：看这里的每个数字时，请连同它的区间一起看。",
    ),
    "evaluate.unseen": (
        "Test rows of a class that training never saw: {count}. They count as wrong.",
        "有 {count} 行测试数据属于训练中从未出现的类别，按答错计算。",
    ),
    "evaluate.calibrated": (
        "Calibrated on the validation rows (temperature {temperature}): claimed and true probabilities lay {before} % "
        "apart, now {after} %.",
        "已用验证行校准（温度 {temperature}）：声称的概率与实际的差距原为 {before}%，现为 {after}%。",
    ),
}

"""What `train` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "train.plan": (
        "plan: {steps} steps ({epochs} passes over the rows) of {size} {unit}, {optimizer} with learning rate "
        "{learning_rate}, {schedule} schedule{limit}",
        "训练计划：{steps} 步（把数据看 {epochs} 遍），每步 {size} {unit}，优化器 {optimizer}，学习率 {learning_rate}，"
        "{schedule} 调度{limit}",
    ),
    "train.plan_limit": (", fitted into {seconds} s", "，限时 {seconds} 秒"),
    "train.plan_no_limit": ("", ""),
    "train.padding": (
        "batches hold rows of similar length: {share} of their positions are padding",
        "每批由长度相近的行组成：填充占 {share} 的位置",
    ),
    "train.rows": ("rows", "行"),
    "train.tokens": ("tokens", "个词元"),
    "train.machine": (
        "machine: {device}, threads: {threads}, {precision}; the best weights are picked by validation {metric}",
        "机器：{device}，{threads} 个线程，{precision}；按验证集的 {metric} 挑选最佳权重",
    ),
    "train.machine_last": (
        "machine: {device}, threads: {threads}, {precision}; the weights of the last step are kept",
        "机器：{device}，{threads} 个线程，{precision}；保留最后一步的权重",
    ),
    "train.speeds": (
        "measured here: {float32} GFLOP/s in float32 ({onednn} through oneDNN), {bfloat16} in bfloat16, useful "
        "threads: {threads}",
        "本机实测：float32 每秒 {float32} GFLOP（经 oneDNN 为 {onednn}），bfloat16 每秒 {bfloat16} GFLOP，"
        "有用的线程数 {threads}",
    ),
    "train.speeds_of_one_library": (
        "measured here: {float32} GFLOP/s in float32, {bfloat16} in bfloat16, useful threads: {threads}",
        "本机实测：float32 每秒 {float32} GFLOP，bfloat16 每秒 {bfloat16} GFLOP，有用的线程数 {threads}",
    ),
    "train.idle": (
        "recipe: train.{setting} has no effect with {other} {chosen}. Leave it out, or set train.{other} to one of: "
        "{fitting}.",
        "配方：{other} 为 {chosen} 时 train.{setting} 不起作用。请去掉它，或把 train.{other} 设为：{fitting}。",
    ),
    "train.only_pretrained": (
        "train.{setting} is for a pretrained model, and the recipe names none. Leave it out, or set model.pretrained.",
        "train.{setting} 只用于预训练模型，而配方没有指定。请去掉这一项，或设置 model.pretrained。",
    ),
    "train.memory": (
        "memory: {optimizer} keeps {state} MB between steps, where adamw would keep {adamw} MB",
        "内存：{optimizer} 的状态占 {state} MB，换作 adamw 则占 {adamw} MB",
    ),
    "train.tf32_on_cuda": (
        "recipe: train.precision tf32 is what NVIDIA's cards compute, and the device is {device}. Take auto, float32 or "
        "bfloat16.",
        "配方：train.precision tf32 只有 NVIDIA 显卡支持，而这里的设备是 {device}。请改用 auto、float32 或 bfloat16。",
    ),
    "train.lbfgs_float16": (
        "recipe: train.precision float16 leaves out steps whose gradients overflow, which the line search of lbfgs "
        "cannot. Take float32, or another train.optimizer.",
        "配方：train.precision float16 会跳过梯度溢出的步，而 lbfgs 的线搜索做不到。请改用 float32 或其他优化器。",
    ),
    "train.no_hidden_matrices": (
        "recipe: train.optimizer muon is for matrices of hidden layers, and this model has none that are trained. "
        "Take adamw, or another family.",
        "配方：train.optimizer muon 用于隐藏层的矩阵，而这个模型没有可训练的隐藏层矩阵。请改用 adamw 或换一个模型族。",
    ),
    "train.compiled": (
        "torch compiles the layers at the first step, which takes some seconds; what it made is kept for later runs",
        "torch 在第一步编译各层，需要几秒到几十秒；编译结果会保留，供以后的训练使用",
    ),
    "train.not_compiled": (
        "the layers are not compiled: {compiler} is not there; the steps are the same, only slower on a graphics card",
        "各层没有编译：找不到 {compiler}；训练步骤相同，只是在显卡上较慢",
    ),
    "train.nothing_to_compile": (
        "recipe: train.compile is for the layers of a Transformer, and {family} has none. Leave it out.",
        "配方：train.compile 用于 Transformer 的各层，而 {family} 没有。请去掉该项。",
    ),
    "train.no_blocks": (
        "recipe: train.checkpointing is for the layers of a Transformer, and {family} has none. Leave it out; to need "
        "less memory, lower train.batch_size and raise train.accumulate.",
        "配方：train.checkpointing 用于 Transformer 的各层，而 {family} 没有。请去掉该项；"
        "想省内存，可调小 train.batch_size 并调大 train.accumulate。",
    ),
    "train.only_classes": (
        "recipe: train.{setting} is for classes, and the target is a number. Leave it out, or choose a classification "
        "task.",
        "配方：train.{setting} 只用于分类，而目标列是数值。请去掉它，或改用分类任务。",
    ),
    "train.no_validation": (
        "recipe: train.{setting} needs validation rows, and there are none. Raise data.split.validation, or leave it "
        "out.",
        "配方：train.{setting} 需要验证数据，而现在没有。请调大 data.split.validation，或去掉该项。",
    ),
    "train.no_images": (
        "recipe: train.augment changes images, and the model reads none here. Leave it out.",
        "配方：train.augment 用于图像，而这里的模型不读取图像。请去掉该项。",
    ),
    "train.too_many_threads": (
        "recipe: train.threads is {threads}, and this process may use {cores} core(s). Lower it, or leave it out.",
        "配方：train.threads 是 {threads}，而本进程可用的核心只有 {cores} 个。请调小，或去掉该项。",
    ),
    "train.either_or": (
        "recipe: train.{one} and train.{other} exclude each other. Keep one of them.",
        "配方：train.{one} 与 train.{other} 不能同时设置，请只保留一个。",
    ),
    "train.no_tokens": (
        "recipe: train.batch_tokens needs texts or sequences of unequal length; these rows have none. "
        "Use train.batch_size.",
        "配方：train.batch_tokens 只用于长短不一的文本或序列，这份数据没有。请改用 train.batch_size。",
    ),
    "train.unknown_metric": (
        "recipe: train.metric {metric} is not measured during this training. Valid: {valid}.",
        "配方：这次训练不会测量 train.metric {metric}。可选：{valid}。",
    ),
    "train.lbfgs_batch": (
        "recipe: optimizer lbfgs needs every row in each step, but batch_size is {batch_size} of {rows} rows. "
        "Set train.batch_size=full and train.accumulate=1, or train.optimizer=adamw.",
        "配方：lbfgs 优化器每一步都需要全部数据，而 batch_size 是 {batch_size}（共 {rows} 行）。"
        "请设置 train.batch_size=full 和 train.accumulate=1，或改用 train.optimizer=adamw。",
    ),
    "train.loss_misfit": (
        'recipe: train.loss {loss} does not fit the target "{target}". Fitting: {fitting}.',
        "配方：train.loss {loss} 不适用于目标列“{target}”。可选：{fitting}。",
    ),
    "train.loss_binary": (
        'recipe: train.loss binary_cross_entropy is for two classes; "{target}" has {classes}. Use cross_entropy.',
        "配方：binary_cross_entropy 只用于二分类，而“{target}”有 {classes} 个类别。请用 cross_entropy。",
    ),
    "train.weights_labels": (
        'recipe: train.class_weights "balanced" is for one class per row; "{target}" holds several labels. '
        "Give a weight per label, or leave it out.",
        "配方：class_weights: balanced 只用于每行一个类别的情形，而“{target}”每行可有多个标签。"
        "请为各标签分别给出权重，或不设此项。",
    ),
    "train.weights_unknown": (
        'recipe: train.class_weights names "{unknown}", which is no class of "{target}". Classes: {classes}.',
        "配方：train.class_weights 中的“{unknown}”不是“{target}”的类别。类别有：{classes}。",
    ),
    "train.not_finite": (
        "step {step}: the loss is {loss}. The last good checkpoint is {last}. Rows of this step include {rows}. "
        "Try a tenth of the learning rate (train.learning_rate=...), train.clip=1, train.precision=float32, and look "
        "for extreme values in those rows.",
        "第 {step} 步：损失变成了 {loss}。最近一个完好的检查点是 {last}，这一步用到的行包括 {rows}。"
        "可以尝试把学习率降到十分之一（train.learning_rate=...）、设置 train.clip=1、train.precision=float32，"
        "并检查这些行里有没有极端值。",
    ),
    "train.disk_full": (
        "{folder}: the disk is full, step {step} could not be saved. The checkpoint before it ({last}) is whole. "
        "Free some space, then: danlu train --resume with this run's folder.",
        "{folder}：磁盘已满，第 {step} 步没有保存成功。之前的检查点（{last}）完好无损。"
        "腾出空间后，用 danlu train --resume 加上这个运行目录继续。",
    ),
    "train.damaged": (
        "{file}: the checkpoint is damaged (size or hash differs from its manifest). Delete the folder {folder} to go "
        "on from the checkpoint before it ({before}).",
        "{file}：检查点已损坏（大小或哈希与清单不符）。删除目录 {folder} 后，可从它之前的检查点（{before}）继续。",
    ),
    "train.no_device": (
        "recipe: train.device {wanted} is not on this machine. There: {there}.",
        "配方：这台机器上没有 train.device {wanted}。可用：{there}。",
    ),
}

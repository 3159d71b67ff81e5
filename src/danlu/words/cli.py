"""What `cli` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # help pages
    "cli.help": (
        "From a data file to a trained, honestly measured, explained and running model, in one command.",
        "炼丹炉：一条命令，从数据文件到训练好、测得实、说得清、用得上的模型。",
    ),
    "cli.usage": ("Usage: {usage}", "用法：{usage}"),
    "cli.verbs": ("Verbs:", "命令："),
    "cli.arguments": ("Arguments:", "参数："),
    "cli.options": ("Options:", "选项："),
    "cli.examples": ("Examples:", "示例："),
    "cli.version": ("Show the version and exit.", "显示版本号。"),
    "cli.option_help": ("Show this page and exit.", "显示本页。"),
    "cli.install": ("Install completion for this shell.", "为当前的 shell 安装自动补全。"),
    "cli.show_completion": (
        "Show the completion script, to copy or adapt it.",
        "显示自动补全脚本，供复制或修改。",
    ),
    "cli.language": (
        "Language of messages and reports; by default that of DANLU_LANG or of the system.",
        "提示和报告所用的语言；默认取 DANLU_LANG，否则随系统。",
    ),
    "cli.run": ("A run folder, such as runs/reviews.", "运行目录，例如 runs/reviews。"),
    "cli.train": (
        "Train a model on your data, measure it, and keep everything in a run folder.\n"
        "What is not given is inferred from the data and told with its reason: target, task, columns, model, batch "
        "size, precision. Ctrl-C ends the training early and leaves a usable run.",
        "用您的数据训练并评估一个模型，一切都存进运行目录。\n"
        "没有指定的内容会从数据推断，并说明理由：目标列、任务、列类型、模型、批大小、精度。按 Ctrl-C 可提前结束，仍会留下可用的结果。",
    ),
    "cli.train.data": (
        "One or several tables (CSV, TSV, JSON, Parquet, Arrow, Excel, NPZ), a folder of images or texts by class, IDX "
        "files, a glob, sample:digits and the like, hf://datasets/...; or one recipe.yaml. KEY=VALUE lays a setting "
        "of the recipe over all that, such as train.epochs=20.",
        "一个或多个表格（CSV、TSV、JSON、Parquet、Arrow、Excel、NPZ）、按类别分目录的图像或文本、IDX 文件、通配符、"
        "sample:digits 之类的示例数据、hf://datasets/...；或一个 recipe.yaml。KEY=VALUE 直接改配方里的设置，例如 train.epochs=20。",
    ),
    "cli.train.target": (
        "Column to predict; several are separated by commas, or the option is repeated.",
        "要预测的列；多列用逗号隔开，或重复写此选项。",
    ),
    "cli.train.task": (
        "What to learn, such as tabular-regression or text-classification.",
        "学什么，例如 tabular-regression 或 text-classification。",
    ),
    "cli.train.model": (
        "Family of models; `danlu models` lists them. auto chooses.",
        "模型族，见 `danlu models`；auto 自动选择。",
    ),
    "cli.train.out": (
        "Folder of the run; by default a new one below runs/.",
        "运行目录；默认在 runs/ 下新建。",
    ),
    "cli.train.time_limit": ("Time for the whole run: 45s, 10m, 1h30m.", "整次运行的时限：45s、10m、1h30m。"),
    "cli.train.cv": ("Also cross-validate in so many folds.", "另做几折交叉验证。"),
    "cli.train.seed": ("The same seed gives the same result.", "相同的种子得到相同的结果。"),
    "cli.train.resume": (
        "Go on with an interrupted run, as if it had never stopped.",
        "接着训练中断的运行，与从未中断的结果相同。",
    ),
    "cli.train.quiet": ("Print nothing but the run folder at the end.", "只在结束时打印运行目录。"),
    "cli.evaluate": (
        "Measure a run's model on labelled data that it has not seen.",
        "用模型没见过的、带答案的数据评估它。",
    ),
    "cli.evaluate.data": (
        "A file or folder that holds the columns of the training data, target included.",
        "文件或目录，列与训练数据相同，须含目标列。",
    ),
    "cli.evaluate.json": ("Print everything that was measured, as JSON.", "以 JSON 打印全部测量结果。"),
    "cli.export": (
        "Write a run's model in a format that other programs read.\n"
        "Formats: hf (transformers, vLLM), onnx (ONNX Runtime), torch (torch alone), quantized (int8 weights, which "
        "danlu reads), gguf (llama.cpp), docker (an image that serves the run), ray (an application of Ray Serve). What "
        "raw rows need goes along. What was written is tried on rows of the run; "
        "where it answers otherwise, nothing is left.",
        "把模型写成其他程序能读的格式。\n"
        "格式：hf（transformers、vLLM）、onnx（ONNX Runtime）、torch（只需 torch）、quantized（int8 权重，由 danlu 读取）、"
        "gguf（llama.cpp）、docker（提供服务的镜像）、ray（Ray Serve 的应用）。对原始数据的预处理一并导出。导出结果会用运行中的行验证；若答案不一致，则不留下任何文件。",
    ),
    "cli.export.to": (
        "The format: hf, onnx, torch, quantized, gguf, docker, ray.",
        "格式：hf、onnx、torch、quantized、gguf、docker、ray。",
    ),
    "cli.export.out": (
        "The folder to write, a new one. Default: exports/RUN-FORMAT.",
        "写到哪个新目录。默认：exports/运行名-格式。",
    ),
    "cli.export.rows": (
        "A file of rows to try the result on, instead of those that the run keeps.",
        "用这个文件里的行来验证，代替运行中保存的行。",
    ),
    "cli.export.int8": (
        "onnx: the weights of matrices in 8 bits; refused where the main metric drops by more than --max-drop.",
        "用于 onnx：矩阵权重量化为 8 位；主要指标的下降超过 --max-drop 则拒绝。",
    ),
    "cli.export.bits": ("gguf: how weights are written.", "用于 gguf：权重的写法。"),
    "cli.export.compiled": (
        "torch: also machine code for processors like this one, by AOTInductor; takes a C++ compiler and a minute.",
        "用于 torch：另由 AOTInductor 编译为本机同类处理器的机器码；需要 C++ 编译器和大约一分钟。",
    ),
    "cli.export.max_drop": (
        "Points of the main metric that rounding may cost (per cent, where less is better).",
        "量化最多可让主要指标下降多少点（越小越好的指标则为变差的百分比）。",
    ),
    "cli.predict": (
        "Apply a run's model to new data.\n"
        "Answers stand beside the input columns: prediction, and the probability of each class. Without --out a "
        "terminal shows the first rows, and a pipe gets CSV. Files of any size take constant memory.",
        "用训练好的模型预测新数据。\n"
        "结果放在输入列旁边：prediction 以及每个类别的概率。不写 --out 时，终端显示前几行，管道得到 CSV。再大的文件也只占固定的内存。",
    ),
    "cli.predict.data": (
        "A file, a folder or an image; - reads standard input.",
        "文件、目录或一张图像；- 表示标准输入。",
    ),
    "cli.predict.text": (
        "A single text, instead of DATA; may be repeated.",
        "不给 DATA，直接给一条文本；可重复。",
    ),
    "cli.predict.row": (
        "A single row as a JSON object, instead of DATA; may be repeated.",
        "不给 DATA，直接用 JSON 对象给一行；可重复。",
    ),
    "cli.predict.row_numbers": (
        "A column `row` before the others: the number of the row in the data, the header not counted. It tells which "
        "rows have no prediction.",
        "在最前面加一列 `row`：该行在数据中的序号（不计表头），由此可知哪些行没有预测。",
    ),
    "cli.predict.out": (
        "File to write; its name tells the format: .csv, .tsv, .jsonl, .parquet, .arrow.",
        "输出文件，格式由后缀决定：.csv、.tsv、.jsonl、.parquet、.arrow。",
    ),
    "cli.generate": (
        "Let a run's language model go on with a text.\n"
        "Tokens are drawn at temperature 0.8; the same seed gives the same text. On a terminal the text appears as it "
        "is written.",
        "让训练好的语言模型接着一段文本写下去。\n"
        "默认以 0.8 的温度随机抽取词元，种子相同，文本就相同。在终端里边写边显示。",
    ),
    "cli.generate.prompt": (
        "The text to go on with; without it the model begins a text of its own.",
        "要接着写的文本；不给则由模型自己开头。",
    ),
    "cli.generate.max_new_tokens": (
        "Tokens to write at most; by default 200, or as many as the model has room for.",
        "最多写多少个词元；默认 200，或模型放得下的个数。",
    ),
    "cli.generate.temperature": (
        "0 always takes the likeliest token, 1 draws as the model says, more is wilder.",
        "0 总取最可能的词元，1 完全按模型的概率抽取，更大则更随意。",
    ),
    "cli.generate.top_k": ("Draw only from so many of the likeliest tokens.", "只从最可能的若干个词元中抽取。"),
    "cli.generate.top_p": (
        "Draw only from the likeliest tokens that together have this share, such as 0.9.",
        "只从概率合计达到这一比例的最可能词元中抽取，例如 0.9。",
    ),
    "cli.generate.min_p": (
        "Leave out tokens below this share of the likeliest one's probability, such as 0.05.",
        "不取概率低于最可能词元这一比例的词元，例如 0.05。",
    ),
    "cli.generate.repetition_penalty": (
        "Above 1, tokens that the text holds already become less likely.",
        "大于 1 时，文本里已有的词元会变得不易再出现。",
    ),
    "cli.generate.num_beams": (
        "Search for the likeliest text and follow so many at a time, instead of drawing.",
        "不抽取，而是同时跟踪这么多条文本，搜索最可能的一条。",
    ),
    "cli.generate.length_penalty": (
        "Of the search: above 0 favours long texts, below 0 short ones.",
        "用于搜索：大于 0 偏向长文本，小于 0 偏向短文本。",
    ),
    "cli.generate.seed": ("Another seed draws another text; 0 by default.", "换一个种子，就得到另一段文本；默认为 0。"),
    "cli.generate.stop": (
        "Text at which to stop, which is left out; \\n is the end of a line. May be repeated.",
        "遇到这段文本就停下，且不输出它；\\n 表示换行。可重复。",
    ),
    "cli.predict.precision": (
        "What the model computes in; float32 is what was measured in training. `danlu evaluate --precision` tells what "
        "bfloat16 and int8 cost.",
        "模型计算所用的精度；训练时测得的是 float32。bfloat16 和 int8 的代价可用 `danlu evaluate --precision` 查看。",
    ),
    "cli.generate.precision": (
        "What the model computes in: bfloat16 and int8 write faster, and not always the same.",
        "模型计算所用的精度：bfloat16 和 int8 写得更快，但写出的内容不一定相同。",
    ),
    "cli.generate.stream": (
        "Print the text as it is written; by default on a terminal.",
        "边写边输出；在终端里默认如此。",
    ),
    "cli.report": (
        "Tell what a run measured, and where its page is.",
        "说明一次运行测得了什么，报告页面在哪里。",
    ),
    "cli.report.open": ("Open the page in the browser.", "在浏览器中打开报告。"),
    "cli.runs": ("List the runs below a folder, the newest first.", "列出目录下的各次运行，最新的在前。"),
    "cli.runs.folder": ("Folder that holds run folders.", "存放运行目录的目录。"),
    "cli.embed": (
        "Give a vector for each text, from a run's model or from a checkpoint.",
        "用某次运行的模型或一个检查点，为每条文本给出一个向量。",
    ),
    "cli.embed.source": (
        "Run folder, folder of a checkpoint, or its name on the Hugging Face hub.",
        "运行目录、检查点目录，或 Hugging Face hub 上的名称。",
    ),
    "cli.embed.data": ("File with the texts, or - for standard input.", "存放文本的文件，或用 - 表示标准输入。"),
    "cli.embed.text": ("A text in place of a file; may be repeated.", "直接给出文本，代替文件；可重复。"),
    "cli.embed.out": (
        "File to write: a list per row in .parquet, .arrow and .jsonl, a column per number in .csv and .tsv.",
        "输出文件：.parquet、.arrow、.jsonl 中每行一个列表，.csv、.tsv 中每个数一列。",
    ),
    "cli.embed.column": ("Column that holds the texts.", "文本所在的列。"),
    "cli.embed.pooling": (
        "How the vectors of a text's tokens become one; else as the checkpoint says, or mean.",
        "如何把各词元的向量合成一个；默认按检查点的说明，没有说明则取平均。",
    ),
    "cli.embed.normalize": (
        "Vectors of length 1; else as the checkpoint says, or as they are.",
        "把向量归一化为单位长度；默认按检查点的说明，没有说明则不归一化。",
    ),
    "cli.embed.precision": (
        "Of matrix products; else what is fast on this machine. The cosine to a vector in float32 stays above 0.9999 in "
        "bfloat16, and above 0.99 in int8.",
        "矩阵乘法的精度；默认用本机上快的那种。与 float32 向量的余弦，bfloat16 保持在 0.9999 以上，int8 在 0.99 以上。",
    ),
    "cli.embed.one_input": (
        "Give DATA or --text: danlu embed RUN texts.csv --out vectors.parquet",
        "请给出 DATA 或 --text：danlu embed RUN texts.csv --out vectors.parquet",
    ),
    "cli.new": (
        "Write a commented recipe to standard output: every key, its default and its meaning.",
        "向标准输出写一份带注释的配方：每个键、默认值和含义。",
    ),
    "cli.new.task": (
        "Task of the recipe, such as text-classification.",
        "配方的任务，例如 text-classification。",
    ),
    "cli.new.model": (
        "Family of models, whose own settings are then listed too.",
        "模型族；指定后也列出它自己的设置。",
    ),
    "cli.schema": (
        "Write the JSON Schema of a recipe, by which editors complete and check its keys.",
        "输出配方的 JSON Schema，编辑器可据此补全和检查。",
    ),
    "cli.models": (
        "List the families of models with what each is for, can do and weighs, or the settings of one.",
        "列出所有模型族的用途、能做的任务和大小，或某一族的设置。",
    ),
    "cli.models.json": ("Print JSON.", "输出 JSON。"),
    "cli.models.family": ("A family, to see its settings.", "某个模型族，查看它的设置。"),
    "cli.doctor.measure": (
        "Measure the processor again, as after other programs disturbed it.",
        "重新测量处理器，例如上次受到其他程序干扰时。",
    ),
    "cli.doctor": (
        "Examine this machine: versions, processor, memory, accelerators, and what is missing.",
        "检查这台机器：版本、处理器、内存、加速器，以及缺少什么。",
    ),
    # mistakes on the command line
    "cli.see_help": ("See: {command} --help", "查看帮助：{command} --help"),
    "cli.no_such_verb": (
        'danlu has no verb "{verb}". Nearest: {nearest}.',
        "没有“{verb}”这个命令。最接近的有：{nearest}。",
    ),
    "cli.no_such_option": ("No such option: {option}.", "没有 {option} 这个选项。"),
    "cli.no_such_option_near": (
        "No such option: {option}. Nearest: {nearest}.",
        "没有 {option} 这个选项。最接近的有：{nearest}。",
    ),
    "cli.missing": ("{name} is missing.", "缺少 {name}。"),
    "cli.bad_value": ("{name}: {why}", "{name} 的值不对：{why}"),
    "cli.no_data": (
        "Give data or a recipe: danlu train reviews.csv --target label. To try danlu without data of your own: "
        "danlu train sample:digits",
        "请给出数据或配方：danlu train reviews.csv --target label。还没有数据可以先试：danlu train sample:digits",
    ),
    "cli.resume_alone": (
        "A resumed run goes on as it was asked for, so --resume takes no data, options or settings. "
        "Use: danlu train --resume {run}",
        "接着训练时一切照旧，--resume 不能再带数据、选项或设置。请用：danlu train --resume {run}",
    ),
    "cli.recipe_alone": (
        "{recipe} is a recipe and names its own data, but more was given: {others}. Set data.files in the recipe, or "
        "leave the recipe out.",
        "{recipe} 是配方，数据由它指定，但又给了：{others}。请在配方里写 data.files，或不用配方。",
    ),
    "cli.text_as_file": (
        "{text}: no such file. A text itself is given with --text: danlu predict {run} --text TEXT",
        "{text}：没有这个文件。文本本身请用 --text 给出：danlu predict {run} --text 文本",
    ),
    "cli.one_input": (
        "Give one of DATA, --text or --row: danlu predict RUN new.csv",
        "请在 DATA、--text、--row 中给出一种：danlu predict RUN new.csv",
    ),
    "cli.not_json": (
        "--row: {got} is not JSON: {why}. Write it like '{{\"age\": 41}}'.",
        "--row：{got} 不是有效的 JSON：{why}。写法如 '{{\"age\": 41}}'。",
    ),
    "cli.not_a_row": (
        "--row: {got} is no object of columns. Write it like '{{\"age\": 41}}'.",
        "--row：{got} 不是由列组成的对象。写法如 '{{\"age\": 41}}'。",
    ),
    "cli.file_trouble": ("{file}: {why}", "{file}：{why}"),
    "cli.no_memory": (
        "The memory of this machine does not suffice. Take smaller batches (train.batch_size with train.accumulate), "
        "train.checkpointing=true, or a smaller model (model.width); danlu doctor tells how much memory there is.",
        "本机内存不够。请减小批量（train.batch_size，可配合 train.accumulate）、开启 train.checkpointing=true，"
        "或换小一些的模型（model.width）；danlu doctor 会列出可用内存。",
    ),
    # progress
    "display.warning": ("! {note}", "！{note}"),
    "display.epoch": ("epoch {epoch}", "第 {epoch} 轮"),
    "display.loss": ("loss {loss}", "损失 {loss}"),
    "display.metric": ("validation {name} {value}", "验证 {name} {value}"),
    "display.best": ("best {best}", "最佳 {best}"),
    "display.speed": ("{rows} rows/s", "{rows} 行/秒"),
    "display.left": ("{time} left", "还需 {time}"),
    # answers
    "output.unknown_format": (
        "{file}: the name tells no format that danlu writes. Known: {known}.",
        "{file}：从文件名看不出可写的格式。支持：{known}。",
    ),
    "output.no_folder": (
        "{file}: there is no folder {folder}. Make it first.",
        "{file}：没有 {folder} 这个目录，请先建好。",
    ),
    "output.disk_full": (
        "{file}: the disk is full, nothing was written. Free some space, or name a file elsewhere.",
        "{file}：磁盘已满，没有写入任何内容。请腾出空间，或把文件写到别处。",
    ),
    "output.more": (
        "The first {rows} rows and {columns} columns; --out FILE writes all.",
        "以上是前 {rows} 行、前 {columns} 列；用 --out FILE 写出全部。",
    ),
    # runs and reports
    "runs.run": ("run", "运行"),
    "runs.task": ("task", "任务"),
    "runs.model": ("model", "模型"),
    "runs.measured": ("measured [95 %]", "测得 [95%]"),
    "runs.baseline": ("baseline", "对照"),
    "runs.rows": ("rows", "行数"),
    "runs.took": ("took", "用时"),
    "runs.when": ("when", "时间"),
    "runs.unfinished": ("unfinished", "未完成"),
    "runs.damaged": ("damaged", "已损坏"),
    "runs.none": (
        "{folder}: no runs here. Make one: danlu train sample:digits",
        "{folder}：这里还没有运行。先来一次：danlu train sample:digits",
    ),
    "overview.target": ("{target}, measured on {rows} rows:", "{target}（在 {rows} 行上测得）："),
    "overview.page": ("Report: {page}", "报告：{page}"),
    # a new recipe
    "new.schema": (
        "Editors complete and check this file once `danlu schema > {schema}` stands beside it.",
        "在旁边执行 `danlu schema > {schema}` 之后，编辑器就能补全和检查本文件。",
    ),
    "new.commented": (
        'A key behind "#" is at its default; take the "#" away to change it. null: chosen to suit task and data.',
        "“#”之后的键都是默认值，要改就去掉“#”。null 表示按任务和数据自动选择。",
    ),
    # the doctor
    "doctor.danlu": ("danlu", "danlu"),
    "doctor.packages": ("packages", "依赖包"),
    "doctor.torch": ("torch", "torch"),
    "doctor.processor": ("processor", "处理器"),
    "doctor.cores": (
        "{name}, {cores} of {all} cores for this process, {threads} threads",
        "{name}，本进程可用 {all} 核中的 {cores} 核，{threads} 个线程",
    ),
    "doctor.memory": ("memory", "内存"),
    "doctor.disk": ("disk", "磁盘"),
    "doctor.disk_free": ("{free} free in {folder}", "{folder} 剩余 {free}"),
    "doctor.accelerators": ("accelerators", "加速器"),
    "doctor.none": ("none: the processor computes", "无，用处理器计算"),
    "doctor.speed": ("speed", "速度"),
    "doctor.speeds": (
        "{speeds}; {verdict}; {when}, {how}",
        "{speeds}；{verdict}；测于 {when}，{how}",
    ),
    "doctor.measured_quiet": ("danlu doctor --measure measures again", "danlu doctor --measure 可重新测量"),
    "doctor.measured_busy": (
        "on a busy machine, so that the next run after an hour measures again, or danlu doctor --measure",
        "当时机器繁忙，一小时后的下次运行会重测，也可用 danlu doctor --measure",
    ),
    "doctor.bf16_faster": ("bfloat16 pays", "用 bfloat16 划算"),
    "doctor.bf16_slower": ("bfloat16 does not pay", "用 bfloat16 不划算"),
    "doctor.native": ("C loops", "C 循环"),
    "doctor.native_works": (
        "compiled by {compiler}: texts are written at the speed of memory",
        "已由 {compiler} 编译：生成文本的速度取决于内存带宽",
    ),
    "doctor.native_fails": (
        "{compiler} does not compile them, or DANLU_NATIVE=0 is set: PyTorch's operations are used",
        "{compiler} 未能编译，或设置了 DANLU_NATIVE=0：改用 PyTorch 的运算",
    ),
    "doctor.no_compiler": (
        "no C compiler (cc, gcc, clang): PyTorch's operations are used, which write texts at half to a third of the speed",
        "没有 C 编译器（cc、gcc、clang）：改用 PyTorch 的运算，生成文本的速度只有一半到三分之一",
    ),
    "doctor.language": ("language", "语言"),
    "doctor.well": ("All is well.", "一切正常。"),
    "doctor.missing": (
        "Missing packages: {packages}. Install them: pip install {install}",
        "缺少依赖包：{packages}。安装：pip install {install}",
    ),
    "doctor.few_threads": (
        "OMP_NUM_THREADS holds torch to {threads} of {cores} cores. Unset it, unless other work shares this machine.",
        "OMP_NUM_THREADS 限制 torch 只用 {cores} 核中的 {threads} 核。若没有其他任务共用机器，请取消该变量。",
    ),
    "doctor.little_disk": (
        "Only {free} left in {folder}; a run may need more. Free some, or choose another place with --out.",
        "{folder} 只剩 {free}，可能不够一次运行。请腾出空间，或用 --out 换个位置。",
    ),
    "doctor.little_memory": (
        "Only {memory} of memory: keep to small files and models, or set train.batch_size lower.",
        "内存只有 {memory}：请用小一些的数据和模型，或调小 train.batch_size。",
    ),
    "doctor.encoding": (
        "The terminal speaks {encoding}, which cannot show Chinese. Set PYTHONUTF8=1 or a UTF-8 locale.",
        "终端编码是 {encoding}，无法显示中文。请设置 PYTHONUTF8=1 或 UTF-8 区域。",
    ),
    "doctor.no_font": (
        "No Chinese font is installed, so a browser shows boxes in the report. Install one, such as fonts-noto-cjk.",
        "没有安装中文字体，浏览器里的报告会显示方框。请安装一种，例如 fonts-noto-cjk。",
    ),
    "doctor.no_driver": (
        "torch is built for CUDA {cuda} but finds no device. Check the driver with nvidia-smi.",
        "torch 按 CUDA {cuda} 编译，却找不到设备。请用 nvidia-smi 检查驱动。",
    ),
}

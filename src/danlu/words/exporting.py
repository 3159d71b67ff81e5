"""What is said of exporting: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "export.of_answers": (
        "of a probability, or of a number in units of its deviation, on {rows} row(s) of the run",
        "对运行中的 {rows} 行而言，概率之差（数值则以其标准差为单位）",
    ),
    "export.of_metric": (
        "points of {metric}, or per cent of it where less is better",
        "{metric} 下降的百分点（越小越好的指标则为变差的百分比）",
    ),
    "export.proof": (
        "tried: the largest difference is {largest} (allowed: {bound}) {of}",
        "已验证：最大差异为 {largest}（允许 {bound}），{of}",
    ),
    "export.written": ("written: {folder} ({files})", "已写入：{folder}（{files}）"),
    "export.sizes": ("size: {before} MB before, {after} MB now", "大小：原先 {before} MB，现在 {after} MB"),
    "export.dropped": (
        "{metric} on {rows} test row(s): {before} before, {after} now",
        "测试集 {rows} 行上的 {metric}：原先 {before}，现在 {after}",
    ),
    "export.differs": (
        "export: what was written differs from the run by {largest} (allowed: {bound}) {of}. Nothing was left. Please "
        "report this with the run's recipe.yaml.",
        "export：导出的结果与运行相差 {largest}（允许 {bound}），{of}。没有留下任何文件。请附上运行的 recipe.yaml 报告此问题。",
    ),
    "export.drops": (
        "export: {metric} on {rows} test row(s) goes from {before} to {after}, which is {lost} points worse (allowed: "
        "{most}). Nothing was left. Export without rounding, or allow more: --max-drop {lost}",
        "export：测试集 {rows} 行上的 {metric} 由 {before} 变为 {after}，变差 {lost} 点（允许 {most}）。没有留下任何文件。"
        "请不做量化导出，或放宽限制：--max-drop {lost}",
    ),
    "export.taken": (
        "export: {folder} holds something already. Name another folder: --out FOLDER",
        "export：{folder} 里已有内容。请换一个目录：--out 目录",
    ),
    "export.unknown": (
        "export: there is no format {format}. Nearest: {nearest}",
        "export：没有 {format} 这种格式。相近的有：{nearest}",
    ),
    "export.idle": (
        "export: {option} has no use in the format {format}, only in {only}. Leave it out.",
        "export：{option} 对格式 {format} 不起作用，只用于 {only}。请去掉它。",
    ),
    "export.not_installed": (
        'export: this format needs {packages}. Install it: pip install "danlu[export]"',
        'export：这种格式需要 {packages}。请安装：pip install "danlu[export]"',
    ),
    "export.no_graph": (
        "export: this model cannot be written as a graph: {why}. Choose another format (danlu export --help).",
        "export：这个模型无法写成计算图：{why}。请换一种格式（danlu export --help）。",
    ),
    "export.no_compiler": (
        "export: --compiled needs a C++ compiler, and {compiler} is not there. Install one (apt-get install g++; "
        "xcode-select --install), name it in CXX, or leave --compiled out: model.pt2 needs none.",
        "export：--compiled 需要 C++ 编译器，而 {compiler} 不存在。请安装（apt-get install g++；xcode-select --install），"
        "或用 CXX 指定，或去掉 --compiled：model.pt2 不需要编译器。",
    ),
    "export.not_compiled": (
        "export: AOTInductor does not compile this model: {why}. Nothing was left. Leave --compiled out.",
        "export：AOTInductor 无法编译这个模型：{why}。没有留下任何文件。请去掉 --compiled。",
    ),
    "export.compiling": ("compiling", "编译"),
    "export.compiled": (
        "{file}: compiled in {seconds} s, for processors like this one",
        "{file}：编译用时 {seconds} 秒，适用于与本机同类的处理器",
    ),
    "export.no_rows": (
        "export: {run} keeps no rows on which the result could be tried, and its data was in memory. Give a file of "
        "rows: --rows FILE",
        "export：{run} 没有保存可用来验证的行，而且当时的数据在内存里。请给出一个数据文件：--rows 文件",
    ),
    "export.of_scores": (
        "of a score, as a share of the largest one, between transformers and the run, on {rows} row(s) of the run",
        "对运行中的 {rows} 行而言，transformers 与运行的分数之差（相对于最大的分数）",
    ),
    "export.other_tokens": (
        'export: transformers divides the text "{text}" into other tokens than the run does. Nothing was left. Please '
        "report this with the run's tokenizer.json.",
        "export：transformers 对文本“{text}”的切分与运行不同。没有留下任何文件。请附上运行的 tokenizer.json 报告此问题。",
    ),
    "export.vllm": (
        "serve it with vLLM: {command}",
        "用 vLLM 部署：{command}",
    ),
    "export.speeds": (
        "speed on {rows} row(s) here: {before} rows per second before, {after} now",
        "本机上 {rows} 行的速度：原先每秒 {before} 行，现在每秒 {after} 行",
    ),
    "export.docker": (
        "start it: DANLU_API_KEY=KEY docker compose --project-directory {folder} up --build (served as {name} on port 8000)",
        "启动：DANLU_API_KEY=密钥 docker compose --project-directory {folder} up --build（以 {name} 之名在 8000 端口提供服务）",
    ),
    "export.ray": (
        "start it in {folder}: pip install -r requirements.txt && serve run serve_config.yaml (served as {name} on port 8000)",
        "在 {folder} 里启动：pip install -r requirements.txt && serve run serve_config.yaml（以 {name} 之名在 8000 端口提供服务）",
    ),
    "export.no_gguf": (
        "export: gguf holds language models of {families}, and this model is {family} or writes no texts. Take --to onnx.",
        "export：gguf 只能存放 {families} 的语言模型，而这个模型是 {family}，或者不能写文本。请用 --to onnx。",
    ),
    "export.gguf_window": (
        "export: llama.cpp reads this architecture without a window of positions, and the model sees {window} of {length}. "
        "Take --to onnx or --to hf.",
        "export：llama.cpp 读取这种架构时没有位置窗口，而这个模型只看 {length} 个位置中的 {window} 个。请用 --to onnx 或 --to hf。",
    ),
    "export.gguf_tokenizer": (
        "export: llama.cpp has byte-level BPE tokenizers divided as GPT-2, Llama 3 or Qwen 2 do it, and this run's is of "
        "the kind {kind}. Train with data.text.tokenizer=bpe, or take --to onnx.",
        "export：llama.cpp 只有按 GPT-2、Llama 3 或 Qwen 2 方式切分的字节级 BPE 分词器，而这次运行用的是 {kind}。"
        "请用 data.text.tokenizer=bpe 训练，或用 --to onnx。",
    ),
    "export.no_layout": (
        "export: {family} with these inputs and targets has no place in the Hugging Face layout. Take --to onnx or "
        "--to torch.",
        "export：{family} 在这样的输入和目标下没有对应的 Hugging Face 格式。请用 --to onnx 或 --to torch。",
    ),
}

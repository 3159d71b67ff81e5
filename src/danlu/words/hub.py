"""What `models.hub` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "hub.no_folder": (
        "{folder}: no such folder. Give the folder of a checkpoint (it holds config.json), or a name on the hub such as "
        "google-bert/bert-base-uncased.",
        "{folder}：没有这个目录。请给出检查点所在的目录（其中有 config.json），或 hub 上的名称，例如 google-bert/bert-base-uncased。",
    ),
    "hub.not_found": (
        "{name}: neither a folder here nor a model on the hub that you may read ({why}). Check the spelling; for a private "
        "model set HF_TOKEN.",
        "{name}：既不是本地目录，也不是 hub 上您有权读取的模型（{why}）。请检查拼写；私有模型需要设置 HF_TOKEN。",
    ),
    "hub.gated": (
        "{name}: the hub does not let you read this model ({why}). Ask for access, or accept its terms, on its page at "
        "{hub}/{name}, and set HF_TOKEN.",
        "{name}：hub 不允许您读取这个模型（{why}）。请在它的页面 {hub}/{name} 申请权限或接受条款，并设置 HF_TOKEN。",
    ),
    "hub.fetching": ("fetching {name} (MB)", "下载 {name}（MB）"),
    "hub.unreachable": (
        "{name}: not in the cache, and the hub cannot be reached ({why}). Set HF_ENDPOINT to a mirror, or give the "
        "folder of a copy.",
        "{name}：缓存里没有，又连不上 hub（{why}）。可以把 HF_ENDPOINT 设为镜像站，或给出本地副本的目录。",
    ),
    "hub.no_file": (
        "{path}: not there. A checkpoint has config.json beside its weights.",
        "{path}：文件不存在。检查点的权重旁边应有 config.json。",
    ),
    "hub.not_json": (
        "{path}: not readable as JSON with named entries. Get the checkpoint again.",
        "{path}：不是有效的 JSON 对象。请重新获取该检查点。",
    ),
    "hub.not_safetensors": (
        "{path}: not readable as safetensors ({why}). Get the checkpoint again.",
        "{path}：不是有效的 safetensors 文件（{why}）。请重新获取该检查点。",
    ),
    "hub.no_part": (
        "{path}: named in {index} and not there. Get the checkpoint again, with all its parts.",
        "{path}：{index} 中列出了它，但文件不存在。请重新获取完整的检查点。",
    ),
    "hub.pickle": (
        "{folder}: the weights are only there as {files}. Such a file is a pickle, and opening a pickle can run any "
        "program, so danlu opens none. Take a version with model.safetensors; or, if you trust its author, convert it "
        "with transformers: load it with AutoModel.from_pretrained(folder) and save it with save_pretrained(new_folder).",
        "{folder}：权重只有 {files}。这类文件是 pickle，打开时可能执行任意程序，所以 danlu 一律不打开。请换用带 "
        "model.safetensors 的版本；如果您信任作者，也可以用 transformers 转换：先 AutoModel.from_pretrained(目录)，再 "
        "save_pretrained(新目录)。",
    ),
    "hub.no_weights": (
        "{folder}: no model.safetensors and no model.safetensors.index.json. danlu reads weights in safetensors only, as a "
        "pickle (pytorch_model.bin) can run any program when it is opened.",
        "{folder}：没有 model.safetensors，也没有 model.safetensors.index.json。danlu 只读取 safetensors 格式的权重，因为 "
        "pickle（pytorch_model.bin）在打开时可能执行任意程序。",
    ),
    "hub.not_llama2c": (
        "{path}: not a model in the layout of llama2.c, or not all of it. Fetch it again, or name another file.",
        "{path}：不是 llama2.c 格式的模型，或内容不完整。请重新下载，或换一个文件。",
    ),
    "hub.no_tokenizer": (
        "{folder}: no tokenizer.json, no vocab.txt, and no vocab.json with merges.txt or source.spm. "
        "Put the checkpoint's tokenizer there.",
        "{folder}：没有 tokenizer.json、vocab.txt，也没有 vocab.json 加 merges.txt 或 source.spm。请把检查点的分词器文件放进来。",
    ),
    "hub.bad_tokenizer": (
        "{folder}: the tokenizer cannot be read ({why}). Get the checkpoint again.",
        "{folder}：分词器无法读取（{why}）。请重新获取该检查点。",
    ),
    "hub.unknown_model_type": (
        "config.json: model_type is {model_type}, which danlu has no family for. It has: {known}. Write transformers: "
        "before the name, as in --model transformers:org/name, to train it by the transformers library.",
        "config.json：model_type 是 {model_type}，danlu 没有对应的模型族。已有的是：{known}。在名称前加上 transformers:（例如 "
        "--model transformers:org/name），就可以用 transformers 库来训练它。",
    ),
    "hub.own_names": (
        "config.json: this model of danlu's has no place in the Hugging Face layout (such as one with several targets, or "
        "with columns beside the text), so no other run can begin with it. Take a model that danlu lists with a "
        "Transformer, trained on one column and one target.",
        "config.json：这个 danlu 模型无法用 Hugging Face 格式表示（例如有多个目标，或除文本外还有其他列），因此不能作为另一次训练的起点。"
        "请换用只有一列输入、一个目标的 Transformer 模型。",
    ),
    "hub.no_key": (
        "config.json: {key} is not there, and a {model_type} model needs it. Get the checkpoint again.",
        "config.json：缺少 {key}，{model_type} 模型需要它。请重新获取该检查点。",
    ),
    "hub.cannot_represent": (
        "config.json: {key} is {value}, which danlu's model does not have. It has: {fits}. Take a checkpoint without it.",
        "config.json：{key} 是 {value}，danlu 的模型不支持。支持的是：{fits}。请换一个检查点。",
    ),
    "hub.cannot_write_field": (
        "model: {name} is {value}, which transformers' model of this kind does not have; there it is {fits}. Train with "
        "that to write the Hugging Face layout.",
        "model：{name} 是 {value}，transformers 中同类模型没有这种设置，只能是 {fits}。要写成 Hugging Face 格式，请用该值训练。",
    ),
    "hub.columns_beside": (
        "The model reads further columns beside its main input, which transformers has no place for. Train on the main "
        "column alone to write the Hugging Face layout.",
        "模型除主要输入外还读取了其他列，transformers 没有相应的位置。要写成 Hugging Face 格式，请只用主要的那一列训练。",
    ),
    "hub.several_targets": (
        "The model has several targets ({targets}), and transformers' has one. Train one model per target to write the "
        "Hugging Face layout.",
        "模型有多个目标（{targets}），而 transformers 的模型只有一个。要写成 Hugging Face 格式，请为每个目标各训练一个模型。",
    ),
    "hub.wrong_tensors": (
        "The checkpoint's tensors are not those of its config.json. Missing: {missing}. Extra: {extra}. Of another shape "
        "(found ≠ expected): {misshapen}. Get the checkpoint again, or mend its config.json.",
        "检查点里的张量与 config.json 不符。缺少：{missing}。多出：{extra}。形状不同（实际 ≠ 应有）：{misshapen}。"
        "请重新获取该检查点，或改正 config.json。",
    ),
}

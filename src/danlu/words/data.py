"""What `data` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # What is being done
    "data.reading": ("reading {file}", "读取 {file}"),
    "data.checking_images": ("checking images", "检查图片"),
    "data.given_rows": ("the given rows", "传入的数据"),
    # Files
    "data.no_files": (
        "No data: name a file, a folder or a glob, such as `danlu train reviews.csv`, or set data.files in the recipe.",
        "没有数据：请给出文件、文件夹或通配符，例如 `danlu train reviews.csv`，或在配方中设置 data.files。",
    ),
    "data.no_such_file": (
        "{file}: no such file. In {folder} there is: {nearest}.",
        "{file}：没有这个文件。{folder} 中有：{nearest}。",
    ),
    "data.no_such_folder": (
        "{file}: the folder {folder} does not exist. Check the path.",
        "{file}：文件夹 {folder} 不存在，请检查路径。",
    ),
    "data.no_match": (
        "{pattern}: no file matches. Check the pattern; put it in quotes so that danlu sees it.",
        "{pattern}：没有匹配的文件。请检查通配符，并用引号括起来，以免被命令行提前展开。",
    ),
    "data.empty_folder": (
        "{folder}: no table, image or text file in it. Expected a table, IDX files, or one subfolder per class.",
        "{folder}：其中没有表格、图片或文本文件。应为表格、IDX 文件，或每个类别一个子文件夹。",
    ),
    "data.empty_file": ("{file}: the file is empty.", "{file}：文件是空的。"),
    "data.no_rows": (
        "{files}: there is a header, but not one row below it.",
        "{files}：只有表头，没有任何数据行。",
    ),
    "data.unknown_format": (
        "{file}: neither text nor a format that danlu reads. It reads {formats}, IDX, NPZ, images, and folders of images or texts.",
        "{file}：既不是文本，也不是 danlu 支持的格式。支持 {formats}、IDX、NPZ、图片，以及图片或文本文件夹。",
    ),
    "data.foreign": ("{file}: no table, but {what}", "{file}：不是表格，而是{what}"),
    "data.foreign.pickle": (
        "a pickle of Python objects. Reading one can run any code, so danlu never does. Write the rows as CSV or Parquet "
        "where the pickle was made, such as df.to_parquet(...).",
        " Python 的 pickle 文件。读取它可能执行任意代码，因此 danlu 从不读取。请在生成它的地方另存为 CSV 或 Parquet，"
        "例如 df.to_parquet(...)。",
    ),
    "data.foreign.pdf": (
        "a PDF. Extract its text into a .txt file, or its table into a CSV file.",
        " PDF 文件。请把其中的文字提取成 .txt 文件，或把表格提取成 CSV 文件。",
    ),
    "data.foreign.zip": (
        "a ZIP archive. Unpack it and name the files in it. (An Excel workbook has to be named .xlsx, arrays of NumPy .npz.)",
        " ZIP 压缩包。请先解压，再给出其中的文件。（Excel 工作簿的文件名应以 .xlsx 结尾，NumPy 数组应以 .npz 结尾。）",
    ),
    "data.foreign.ole": (
        "an old file of Microsoft Office. If it is an Excel workbook, name it .xls; else save it as CSV or text.",
        "旧版 Microsoft Office 文件。若是 Excel 工作簿，请以 .xls 命名；否则请另存为 CSV 或文本。",
    ),
    "data.foreign.packed": (
        "a compressed file. Unpack it first; danlu unpacks only files in gzip (.gz), and not from standard input.",
        "压缩文件。请先解压；danlu 只会自动解压 gzip（.gz）文件，且标准输入除外。",
    ),
    "data.foreign.tar": (
        "a tar archive. Unpack it (tar -xf FILE) and name the files or the folder in it.",
        " tar 归档文件。请先解开（tar -xf 文件），再给出其中的文件或目录。",
    ),
    "data.foreign.program": (
        "a compiled program. Check the path.",
        "编译后的程序。请检查路径。",
    ),
    "data.foreign.sqlite": (
        "an SQLite database. Write the table as CSV: sqlite3 -header -csv FILE 'select * from TABLE' > rows.csv",
        " SQLite 数据库。请把表导出为 CSV：sqlite3 -header -csv 文件 'select * from 表名' > rows.csv",
    ),
    "data.foreign.hdf5": (
        "an HDF5 file. Write its table as CSV or Parquet, or its arrays as .npz.",
        " HDF5 文件。请把其中的表格另存为 CSV 或 Parquet，或把数组另存为 .npz。",
    ),
    "data.foreign.npy": (
        "a single array of NumPy. Save features and target together: numpy.savez('rows.npz', x=..., y=...)",
        " NumPy 的单个数组。请把特征和目标存在一起：numpy.savez('rows.npz', x=..., y=...)",
    ),
    "data.npz_objects": (
        '{file}: the array "{name}" holds Python objects, which are kept as pickle, and danlu never reads pickle. Save it '
        "with a plain dtype, such as y.astype(str) or x.astype(float).",
        '{file}：数组 "{name}" 里是 Python 对象，以 pickle 保存，而 danlu 从不读取 pickle。请用普通的 dtype 重新保存，'
        "例如 y.astype(str) 或 x.astype(float)。",
    ),
    "data.sheet": (
        '{file}: the sheet "{sheet}" was read and {others} left out; another with data.sheet=NAME',
        '{file}：读取了工作表 "{sheet}"，未读取 {others}；可用 data.sheet=名称 另行指定',
    ),
    "data.no_such_sheet": (
        '{file}: no sheet "{sheet}" with rows in it. There is: {names}. Choose with data.sheet.',
        '{file}：没有名为 "{sheet}" 且有数据的工作表。现有：{names}。请用 data.sheet 选择。',
    ),
    "data.sheet_without_workbook": (
        'data.sheet: "{sheet}" is asked for, but no file is an Excel workbook: {files}. Leave data.sheet out.',
        'data.sheet：指定了工作表 "{sheet}"，但所给文件都不是 Excel 工作簿：{files}。请去掉 data.sheet。',
    ),
    "data.unknown_encoding": (
        'data.encoding: there is no encoding "{encoding}". Try utf-8, gb18030, utf-16 or latin-1, or leave it out.',
        'data.encoding：没有名为 "{encoding}" 的编码。可用 utf-8、gb18030、utf-16、latin-1，或不设置而自动识别。',
    ),
    "data.not_decodable": (
        "{file}: not {encoding} somewhere after byte {byte}. Set data.encoding to the right one (utf-8, gb18030, utf-16, latin-1).",
        "{file}：第 {byte} 字节之后有内容不符合 {encoding} 编码。请将 data.encoding 设为正确的编码（utf-8、gb18030、utf-16、latin-1）。",
    ),
    "data.damaged_file": (
        "{file}: the file is damaged or cut short ({why}). Fetch or write it again.",
        "{file}：文件已损坏或不完整（{why}）。请重新下载或生成。",
    ),
    "data.not_json": (
        "{file} line {line}: not valid JSON: {why}. One record per line belongs in a .jsonl file.",
        "{file} 第 {line} 行：不是有效的 JSON：{why}。若每行一条记录，请使用 .jsonl 扩展名。",
    ),
    "data.json_shape": (
        '{file}: expected a list of records, a dict of equally long columns, or {{"data": [...]}}.',
        '{file}：应为记录的列表、等长各列组成的字典，或 {{"data": [...]}}。',
    ),
    "data.idx_pair": (
        "{file}: {images} images, but {labels} labels beside it. The two files do not belong together.",
        "{file}：有 {images} 张图片，而旁边的标签文件有 {labels} 个标签，两者不配套。",
    ),
    "data.idx_length": (
        "{file}: its header promises {expected} bytes, the file has {found}. Fetch it again.",
        "{file}：文件头声明 {expected} 字节，实际为 {found} 字节。请重新下载。",
    ),
    "data.npz_names": (
        "{file}: no features among its arrays ({names}). Name them X, x, images or data, and the target y or labels.",
        "{file}：数组（{names}）中找不到特征。请将特征命名为 X、x、images 或 data，目标命名为 y 或 labels。",
    ),
    "data.no_such_sample": (
        "sample:{name}: there is no such sample. There is: {names}.",
        "sample:{name}：没有这个示例数据。可用的有：{names}。",
    ),
    "data.hub": (
        "{address}: not readable from the Hugging Face hub ({why}). Check the address and the network.",
        "{address}：无法从 Hugging Face 读取（{why}）。请检查地址和网络。",
    ),
    "data.no_permission": (
        "{file}: no permission to read the file. Change its permissions or its owner.",
        "{file}：没有读取权限。请修改文件权限或所有者。",
    ),
    "data.mixed_types": (
        'Column "{column}" holds texts in some rows and {found} in others. Write it in one way.',
        '"{column}" 列有的行是文本，有的行是 {found}。请统一写法。',
    ),
    "data.npz_extra": (
        '{file}: the array "{name}" of shape {shape} is no column of {rows} rows. Keep one set of rows per file, and one number '
        "per row in a target.",
        '{file}：数组 "{name}" 的形状为 {shape}，不是 {rows} 行的一列。每个文件只放一组数据，目标每行一个数。',
    ),
    "data.reserved_name": (
        'A column is named "{column}", a name that danlu needs for itself. Rename the column.',
        '有一列名为 "{column}"，这个名字由 danlu 内部使用。请重命名该列。',
    ),
    "data.different_columns": (
        "{file}: other columns than {first}. Lacking: {lacking}. Extra: {extra}.",
        "{file}：列与 {first} 不一致。缺少：{lacking}；多出：{extra}。",
    ),
    # Python objects
    "data.unknown_rows": (
        "Cannot take rows from {found}. Pass a DataFrame, a list of dicts, a dict of lists, texts, images or an array.",
        "无法从 {found} 读取数据。请传入 DataFrame、字典列表、列表字典、文本、图片或数组。",
    ),
    "data.unequal_columns": (
        "The columns are not equally long: {lengths}.",
        "各列长度不一致：{lengths}。",
    ),
    "data.array_width": (
        "An array with {found} columns was passed; {expected} are expected.",
        "传入的数组有 {found} 列，应为 {expected} 列。",
    ),
    "data.array_shape": (
        "An array of shape {shape} and dtype {dtype} is no table (rows, columns), no images (rows, height, width[, channels], "
        "uint8) and no sequences (rows, time, channels).",
        "形状为 {shape}、类型为 {dtype} 的数组既不是表格（行, 列），也不是图片（行, 高, 宽[, 通道]，uint8），"
        "也不是序列（行, 时间, 通道）。",
    ),
    # Rows at fault
    "data.bad_row.cells": (
        "{file} row {row}: {found} cells, expected {expected}. Look for a delimiter or a quote too many or too few.",
        "{file} 第 {row} 行：有 {found} 个单元格，应为 {expected} 个。请检查是否多写或漏写了分隔符或引号。",
    ),
    "data.bad_row.encoding": (
        "{file} row {row}: bytes that are no valid UTF-8.",
        "{file} 第 {row} 行：含有无效的 UTF-8 字节。",
    ),
    "data.bad_row.json": (
        "{file} row {row}: not a JSON record: {found}",
        "{file} 第 {row} 行：不是 JSON 记录：{found}",
    ),
    "data.bad_cell": (
        '{file} row {row}, column "{column}": expected {expected}, got "{found}". If it means a missing value, list it under '
        "data.missing.",
        '{file} 第 {row} 行，"{column}" 列：应为{expected}，得到 "{found}"。若它表示缺失值，请列入 data.missing。',
    ),
    "data.not_of_its_kind": (
        'Column "{column}": {expected} is asked for, and not one value is that; the first is "{found}". Choose another '
        "kind under data.columns.{column}, another task, or another target.",
        '"{column}" 列：要求是{expected}，却没有一个值符合；第一个值是 "{found}"。请在 data.columns.{column} 中改用其他类型，'
        "或换一个任务或目标列。",
    ),
    "data.wrong_type": (
        'Column "{column}" holds {found}, of which no {kind} can be made. Set data.columns.{column} to another kind.',
        '"{column}" 列的类型是 {found}，无法作为 {kind} 读取。请为 data.columns.{column} 设置其他类型。',
    ),
    "data.bad_image": (
        '{file} row {row}, column "{column}": {found}: {why}',
        '{file} 第 {row} 行，"{column}" 列：{found}：{why}',
    ),
    "data.image.missing": ("there is no image.", "没有图片。"),
    "data.image.no_file": ("no such file.", "没有这个文件。"),
    "data.image.unknown": ("not an image that Pillow knows.", "不是 Pillow 能识别的图片。"),
    "data.image.damaged": ("the image is damaged or cut short ({why}).", "图片已损坏或不完整（{why}）。"),
    "data.image.too_large": (
        "{width} × {height} pixels are too many for one image.",
        "{width} × {height} 像素，图片过大。",
    ),
    "data.image.bomb": ("the image unpacks to too many pixels.", "图片解压后像素过多。"),
    "data.conversations": (
        'column "{column}": conversations, which danlu does not train on yet. A language model learns them as texts: '
        'write each as one text, such as {{"text": "User: …\\nAssistant: …"}}, and train with --task text-generation.',
        "列“{column}”是对话，danlu 目前还不能直接用对话训练。可以把每段对话写成一段文本再训练语言模型："
        '例如 {{"text": "用户：…\\n助手：…"}}，并加上 --task text-generation。',
    ),
    "data.expected.number": ("a number", "数字"),
    "data.expected.number_written": ("a number written like {example}", "写法如 {example} 的数字"),
    "data.expected.boolean": ("yes or no, true or false", "是或否（true 或 false）"),
    "data.expected.date": ("a date written as {example}", "形如 {example} 的日期"),
    "data.expected.category": ("a value", "取值"),
    "data.expected.text": ("a text", "文本"),
    "data.expected.image": ("an image", "图片"),
    "data.expected.sequence": ("a list of numbers such as [1, 2, 3]", "形如 [1, 2, 3] 的数字列表"),
    "data.expected.labels": ("a list of labels", "标签列表"),
    "data.too_many_bad_rows": (
        "{bad} of {rows} rows ({percent} %) cannot be read; data.max_bad_rows allows {limit} %. The first: {example_0} {example_1} "
        "{example_2}",
        "{rows} 行中有 {bad} 行（{percent} %）无法读取，而 data.max_bad_rows 只允许 {limit} %。前几行：{example_0} {example_1} "
        "{example_2}",
    ),
    # Long format
    "data.long.no_column": (
        'data.sequences: there is no column "{column}". There is: {names}.',
        'data.sequences：没有 "{column}" 列。现有：{names}。',
    ),
    "data.long.no_value": (
        '{file} row {row}: no "{id}" or no "{time}", so the step belongs to no place in a sequence.',
        '{file} 第 {row} 行：缺少 "{id}" 或 "{time}"，无法确定它在序列中的位置。',
    ),
    "data.long.time": (
        'data.sequences: "{column}" is neither numbers nor dates (such as "{example}"), so it cannot order the steps.',
        'data.sequences："{column}" 列既不是数字也不是日期（例如 "{example}"），无法用来排序。',
    ),
    "data.long.no_channel": (
        'data.sequences: no numeric column varies within the rows of one "{id}", so there is nothing to make a sequence of.',
        'data.sequences：同一 "{id}" 的各行中没有变化的数字列，无法组成序列。',
    ),
    # Kinds and their reasons
    "data.kind.set": ("set in the recipe → {kind}", "由配方指定 → {kind}"),
    "data.kind.empty": ("no value in any row → ignored", "所有行都没有值 → 忽略"),
    "data.kind.constant": ('always "{value}" → ignored', '始终为 "{value}" → 忽略'),
    "data.kind.id_named": (
        "named as an identifier and different in every row → ignored",
        "列名像编号且每行都不同 → 忽略",
    ),
    "data.kind.id_consecutive": (
        "consecutive whole numbers, each once → ignored",
        "连续且不重复的整数，像行号 → 忽略",
    ),
    "data.kind.id_repeated": (
        "named as an identifier, but values come again → category",
        "列名像编号，但取值有重复 → 类别（category）",
    ),
    "data.kind.id_text": (
        'short and different in every row, such as "{example}" → ignored',
        '简短且每行都不同，例如 "{example}" → 忽略',
    ),
    "data.kind.url": ("web addresses that nearly all differ → ignored", "几乎各不相同的网址 → 忽略"),
    "data.kind.nested": ("nested values ({dtype}) → ignored", "嵌套的值（{dtype}）→ 忽略"),
    "data.kind.not_in_training": (
        "not among the columns of the training → ignored",
        "训练时没有这一列 → 忽略",
    ),
    "data.kind.only_input": (
        "every row differs, but it is the only input → kept",
        "每行都不同，但它是唯一的输入 → 保留",
    ),
    "data.kind.whole": ("whole numbers → number", "整数 → 数字（number）"),
    "data.kind.number": ("numbers → number", "数值 → 数字（number）"),
    "data.kind.number_plain": (
        'numbers, aside from words that mean missing, such as "{example}" → number',
        '除表示缺失的词外都是数字，例如 "{example}" → 数字（number）',
    ),
    "data.kind.number_written": (
        'numbers written as {format}, such as "{example}" → number',
        '写作 {format} 的数字，例如 "{example}" → 数字（number）',
    ),
    "data.kind.boolean_dtype": ("true or false → boolean", "真或假 → 布尔（boolean）"),
    "data.kind.boolean": ("only {words} → boolean", "只有 {words} → 布尔（boolean）"),
    "data.kind.date_dtype": ("dates → date", "日期 → 日期（date）"),
    "data.kind.date": (
        'dates written as {format}, such as "{example}" → date',
        '写作 {format} 的日期，例如 "{example}" → 日期（date）',
    ),
    "data.kind.text": (
        "{percent} % of values differ, {words} words on average → text",
        "{percent} % 的取值各不相同，平均 {words} 个词 → 文本（text）",
    ),
    "data.kind.text_list": ("lists of words → text", "词的列表 → 文本（text）"),
    "data.kind.category": (
        "{distinct} different values, {words} words on average → category",
        "{distinct} 种取值，平均 {words} 个词 → 类别（category）",
    ),
    "data.kind.verbatim": (
        "only the two values {words} → category",
        "只有 {words} 两种取值 → 类别（category）",
    ),
    "data.kind.image_path": ("paths of image files → image", "图片文件的路径 → 图片（image）"),
    "data.kind.image_bytes": ("encoded image files → image", "编码后的图片 → 图片（image）"),
    "data.kind.image_array": ("arrays of {shape} bytes → image", "{shape} 的字节数组 → 图片（image）"),
    "data.kind.sequence_list": ("lists of numbers → sequence", "数字列表 → 序列（sequence）"),
    "data.kind.sequence_written": (
        'lists of numbers such as "{example}" → sequence',
        '形如 "{example}" 的数字列表 → 序列（sequence）',
    ),
    "data.kind.gathered": (
        "the numbers that vary within one {id}: {channels} → sequence",
        "同一 {id} 内变化的数字列：{channels} → 序列（sequence）",
    ),
    "data.kind.target_labels": ("target, lists → several labels at once", "目标，列表 → 多标签（labels）"),
    "data.kind.target_task": ("target of the task {task}", "任务 {task} 的目标"),
    "data.kind.target_classes": ("target with {distinct} values → classes", "目标，{distinct} 种取值 → 类别"),
    "data.kind.target_few": (
        "target, whole numbers with only {distinct} values → classes",
        "目标，整数且只有 {distinct} 种取值 → 类别",
    ),
    "data.kind.target_amount": (
        "target, {distinct} different numbers → amount",
        "目标，{distinct} 个不同的数 → 数值",
    ),
    # Target and task
    "data.no_such_column": (
        'There is no column "{column}". Nearest: {nearest}. All columns: {names}.',
        '没有 "{column}" 这一列。最接近的有：{nearest}。全部列：{names}。',
    ),
    "data.target.given": ("target: {columns}, as asked", "目标：{columns}（由您指定）"),
    "data.target.by_name": (
        "target: {column}, by its name; another with --target",
        "目标：{column}（由列名判断）；可用 --target 另行指定",
    ),
    "data.target.unknown": (
        "Which column is to be predicted? Say it with --target, such as --target {example}, or data.target in the recipe. "
        "Columns: {names}.",
        "要预测哪一列？请用 --target 指定，例如 --target {example}，或在配方中设置 data.target。现有的列：{names}。",
    ),
    "data.target.no_answer": (
        'column "{column}" is the target, and of kind {kind}, which cannot be predicted. Kinds that can: {kinds}. Set '
        "data.columns.{column} to one of them, or leave it out.",
        "列“{column}”是目标，而它的类型 {kind} 无法预测。可以预测的类型：{kinds}。"
        "请把 data.columns.{column} 改为其中之一，或去掉这项设置。",
    ),
    "data.target.all_different": (
        'column "{column}" has {distinct} different values in {rows} rows, such as "{example}": nothing comes again, so '
        "there are no classes to learn. If these are numbers or dates, set data.columns.{column}=number or predict "
        "another column; if they are texts to be written, say --task translation or --task summarization; if they are "
        "classes all the same, --task {task}.",
        "列“{column}”在 {rows} 行中有 {distinct} 种不同的取值，例如“{example}”：几乎没有重复，谈不上类别，也就无从学起。"
        "如果是数值或日期，请设置 data.columns.{column}=number，或换一列作目标；如果是要模型写出的文本，"
        "请用 --task translation 或 --task summarization；如果确实是类别，请写明 --task {task}。",
    ),
    "data.task.classification": (
        "task: {task}, because {column} has {distinct} classes",
        "任务：{task}，因为 {column} 有 {distinct} 个类别",
    ),
    "data.task.regression": (
        "task: {task}, because {column} is a number with {distinct} different values",
        "任务：{task}，因为 {column} 是数值，有 {distinct} 个不同的值",
    ),
    "data.task.ambiguous": (
        "task: {task}; {column} has {distinct} whole-number values, which could be classes or amounts: choose the other with "
        "task={other}",
        "任务：{task}；{column} 有 {distinct} 种整数取值，既可视为类别也可视为数值：若要另一种，请设 task={other}",
    ),
}

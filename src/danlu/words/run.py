"""What `run` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "run.exists": (
        "{folder} holds a run already. Give another --out, or go on with it: danlu train --resume {folder}",
        "{folder} 里已有一次运行。请换一个 --out，或接着训练：danlu train --resume {folder}",
    ),
    "run.not_empty": (
        "{folder} is not empty and is no run. Give another --out, so that nothing of yours is overwritten.",
        "{folder} 不是空目录，也不是一次运行。为免覆盖您的文件，请换一个 --out。",
    ),
    "run.no_place": (
        "{folder}: no run can be kept there, for {nearest} is not a folder that you may write to. Give another --out.",
        "{folder}：无法在此保存运行，因为 {nearest} 不是可写的目录。请换一个 --out。",
    ),
    "run.rows_not_kept": (
        "{folder}: this run was given rows in memory, which no folder keeps, so it cannot be resumed. Train again; from "
        "a file a run can be resumed.",
        "{folder}：这次运行使用的是内存中的数据，目录里没有保存，因此无法继续。请重新训练；从文件训练的运行才能继续。",
    ),
    "run.not_found": (
        "{folder}: no run here (a run holds recipe.yaml). Runs nearby: {near}",
        "{folder}：这里没有运行（运行目录里应有 recipe.yaml）。附近的运行：{near}",
    ),
    "run.unfinished": (
        "{folder}: {file} is not there yet, the run was interrupted. Go on with it: danlu train --resume {folder}",
        "{folder}：还没有 {file}，这次运行中断了。接着训练：danlu train --resume {folder}",
    ),
    "run.damaged": (
        "{path}: not readable as JSON with named entries. Restore the file, or train again.",
        "{path}：不是有效的 JSON 对象。请恢复该文件，或重新训练。",
    ),
    "run.disk_full": (
        "{path}: the disk is full. What was written before is whole. Free some space, then go on: danlu train --resume "
        "with this run's folder.",
        "{path}：磁盘已满。之前写入的内容完好无损。腾出空间后，用 danlu train --resume 加上这个运行目录继续。",
    ),
    "run.altered": (
        "{path}: not as danlu wrote it ({why}). Restore the file, or train again.",
        "{path}：内容与 danlu 写入的不符（{why}）。请恢复该文件，或重新训练。",
    ),
    "run.data_changed": (
        "{file}: the data changed since this run began (hash {now}, then {then}). Restore the file to resume, or "
        "start a new run with: danlu train {recipe} --out another-folder",
        "{file}：数据在这次运行开始之后变了（现在的哈希是 {now}，当时是 {then}）。恢复原文件后可继续，"
        "或另开一次运行：danlu train {recipe} --out 另一个目录",
    ),
    "run.recipe_changed": (
        "{recipe}: {key} is now {now}, but this run began with {then}. A resumed run must be the same run: restore the "
        "value, or start a new run with: danlu train {recipe} --out another-folder",
        "{recipe}：{key} 现在是 {now}，而这次运行开始时是 {then}。继续训练必须是同一次运行：请恢复原值，"
        "或另开一次运行：danlu train {recipe} --out 另一个目录",
    ),
    "run.already_finished": (
        "{folder}: this run is finished; its report is {report}",
        "{folder}：这次运行已经完成，报告见 {report}",
    ),
    "run.versions_changed": (
        "{folder}: the data are the same, but what is fitted on them is not (versions then: {then}; now: {now}). "
        "Install the versions of environment.json to resume, or start a new run.",
        "{folder}：数据相同，但从数据拟合出的编码不同（当时的版本：{then}；现在：{now}）。"
        "请安装 environment.json 中的版本后再继续，或另开一次运行。",
    ),
}

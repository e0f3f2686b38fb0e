"""A course of many short sections, so that some are held out, indexed by the real rebuild."""

import json
from pathlib import Path

from core.settings import Settings
from ingest.rebuild import rebuild

TOPICS = [
    ("栈", "后进先出的线性表", "撤销操作", "只能在栈顶插入和删除"),
    ("队列", "先进先出的线性表", "打印任务的排队", "在队尾插入，在队头删除"),
    ("哈希表", "按关键字直接定位的表", "编译器的符号表", "用哈希函数算出存储位置"),
    ("二叉搜索树", "左小右大的二叉树", "有序数据的查找", "从根开始逐层比较关键字"),
    ("堆", "父结点不小于子结点的完全二叉树", "优先级调度", "插入后沿着路径向上调整"),
    ("邻接表", "图的一种链式存储结构", "稀疏图的遍历", "每个顶点连着一条边的链表"),
    ("快速排序", "基于划分的排序方法", "大数组的排序", "每次选一个枢轴把数组分成两半"),
    ("归并排序", "基于合并的稳定排序方法", "外部排序", "把两个有序的序列合成一个"),
    ("并查集", "维护不相交集合的结构", "判断图是否连通", "每个集合用一棵树来表示"),
    ("最短路径", "带权图中总权值最小的路径", "地图导航", "每次确定一个距离最近的顶点"),
    ("动态规划", "把问题拆成重叠子问题的方法", "背包问题", "保存子问题的解以免重复计算"),
    ("红黑树", "用颜色保持平衡的搜索树", "有序映射的实现", "插入后通过旋转和变色恢复平衡"),
]
PARTS = ("定义", "应用", "实现")
QUESTIONS = [{"question": f"{name}能用来做什么？", "gold_text": f"{name}常用于{use}。"} for name, _, use, _ in TOPICS]


def section(name: str, part: str, kind: str, use: str, how: str) -> str:
    """The text of one section, three sentences or more."""
    texts = {
        "定义": f"{name}是{kind}。它是数据结构课程的基本内容之一。理解{name}要先理解它的操作有什么限制。",
        "应用": f"{name}常用于{use}。选用它是因为操作的代价低。许多程序库都提供了{name}的现成实现。",
        "实现": f"{name}的实现要点是：{how}。边界情况需要单独处理。实现{name}时应当先写测试再写代码。",
    }
    return f"### {name}的{part}\n\n{texts[part]}\n"


def write_course(folder: Path) -> Path:
    """One Markdown book of 36 sections."""
    folder.mkdir()
    chapters = [
        f"## {topic[0]}\n\n" + "\n".join(section(topic[0], part, *topic[1:]) for part in PARTS) for topic in TOPICS
    ]
    (folder / "course.md").write_text("# 数据结构\n\n" + "\n".join(chapters), encoding="utf-8")
    return folder


def build_course(folder: Path) -> Settings:
    """Settings of the knowledge base 'course' below `folder`."""
    settings = Settings(data_dir=folder / "data", source_dir=write_course(folder / "books"), kb="course")
    assert rebuild(settings, settings.kb).exit_code == 0
    return settings


def write_queries(path: Path) -> Path:
    """A query set with gold in the course."""
    rows = [{"query": row["question"], "gold_text": row["gold_text"]} for row in QUESTIONS]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path

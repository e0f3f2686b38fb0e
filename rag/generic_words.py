"""Words that ask about a topic and are none: 优点, complexity, prevent. Alone, they need a conversation."""

from functools import cache

from vector_db.tokenizer import tokens

_CHINESE = """
    优点 缺点 优缺点 好处 坏处 优势 劣势 不足 局限 局限性 特点 特征 特性 性质 作用 功能 用途 用处 应用 场景 例子 例题
    实例 举例 举 举个 例 定义 概念 含义 意义 意思 历史意义 几何意义 物理意义 历史 几何 物理 原因 理由 根源 必要 充分
    条件 前提 步骤 过程 流程 阶段 时期 环节 原理 机制 方法 方式 方案 办法 手段 措施 策略 做法 类型 种类 类别 分类 区别
    差别 差异 不同 异同 相同 相似 共同点 联系 关系 结果 后果 影响 效果 背景 结构 组成 部分 内容 要素 要点 重点 目的
    目标 任务 复杂度 时间复杂度 空间复杂度 复杂 时间 空间 效率 性能 开销 代价 成本 公式 表达式 证明 推导 情况 条件下
    最坏 最好 平均 例外 问题 标准 依据 规则 规律 基本 主要 常见 常用 重要 关键 具体 详细 简单 一般 通常 其他 其它 别的
    另外 更多 再 进一步 继续 总结 归纳 比较 对比 相比 注意 事项 发展 起源 起因 经过 结局 地点 人物 作者 评价 现象 实质
    本质 核心 思想 预防 防止 避免 解决 解除 检测 检查 恢复 破坏 实现 计算 判断 判定 求 求解 处理 使用 用到 工作 运行
    运作 操作 发生 产生 形成 引起 造成 导致 改进 优化 改善 提高 减少 增加 表示 理解 分析 选择 区分 进行 存在 出现 完成
    开始 结束 成立 适用 成功 失败 得到 推出 分为 包括 包含 属于 具有 拥有 分成 遵循 满足 要求 规定 体现 反映 做到
    怎么办 办 还有 说 好 坏 快 慢 高 低 大 小 多 少 长 短 强 弱 早 晚 难 容易 有效 可行 可靠 安全 合适 更好 更快 更大
    更小 更高 更低 说法 说过 提到 讲 名称 名字 符号 单位 大小 长度 多久 上面 前面 刚才 这里 那里 清楚 明白 懂 点 些 只
    对吗 一样 必要条件 充分条件 两个 三个 四个 五个 六个 七个 两种 三种 四种 几个 哪几 哪几个
    哪几种 哪一 哪一个 哪一种 哪两 哪两个
"""
_ENGLISH = """
    advantage disadvantage benefit drawback pro con strength weakness limitation shortcoming downside upside feature
    characteristic property usage application purpose role goal aim example instance case definition concept meaning
    reason cause origin condition requirement prerequisite step stage phase procedure way method approach mechanism
    technique strategy measure principle idea kind type category variant difference similarity relation relationship
    connection comparison compare result consequence effect impact influence background structure part component
    content complexity time space cost overhead performance efficiency formula equation proof derivation detail
    information summary problem issue exception rule main major minor common typical basic general important
    significance key different similar same other another more less most best better worse worst fast faster slow
    slower big bigger large larger small smaller simple simpler easy easier hard harder good bad high low long longer
    short shorter many much often usually exactly actually really new old work happen occur arise matter help need use
    apply call prevent avoid solve detect recover implement compute calculate determine prove derive find get make
    take know say said show think elaborate expand continue go further deeper again also too first second third fourth
    fifth last next previous ever still yes ok please thank well come one two three four five both else only just
    average case understand clarify point thing differ relate mention change affect include require start end begin
    stop look like called name used useful possible necessary enough prefer choose
"""
# Words that ask for more of the same.
_MORE = """
    还有 其他 其它 别的 另外 更多 详细 具体 继续 再 进一步 说 讲 点 些 清楚 明白 懂
    more detail detailed continue go on further deeper elaborate expand again else other say please understand why
"""


@cache
def _generic() -> frozenset[str]:
    return frozenset(tokens(_CHINESE + _ENGLISH))


@cache
def _more() -> frozenset[str]:
    return frozenset(tokens(_MORE))


def asks_for_more(text: str) -> bool:
    """Whether `text` has no terms but those that ask for more of the same."""
    return set(tokens(text)) <= _more()


def own_terms(text: str) -> list[str]:
    """The search terms of `text` that name a topic."""
    return [term for term in tokens(text) if term not in _generic()]

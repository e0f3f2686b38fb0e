"""Words that say nothing about the subject of a question.

The list matters more than the choice of tokenizer: with 什么, 怎么 and 为什么 left in, a question finds
passages that ask, not passages that answer.
"""

QUESTION_WORDS_ZH = frozenset(
    """
    的 了 和 与 及 或 是 在 有 也 都 就 而 并 等 把 被 让 向 从 对 对于 关于 以及 还 还是 又 很 更 最 不 没 没有
    这 那 其 它 他 她 我 你 我们 你们 他们 它们 这个 那个 这些 那些 这样 那样 之 所 以 于 为 则 但 但是 因此
    什么 怎么 怎样 怎么样 如何 为什么 为何 为啥 何 啥 哪 哪个 哪些 哪种 哪里 哪儿 谁 几 几个 几种 多少 是否 能否
    可否 有没有 是不是 能不能 吗 呢 吧 啊 呀 么 请 请问 请说明 说明 解释 简述 试述 阐述 简要 介绍 一下 谈谈 说说 描述
    指 指的 指的是 叫 叫做 称为 意思 是什么 什么是 一个 一种 某 各 每 可以 能 能够 会 要 应该 应当 需要 时候 时
    中 里 上 下 个 种 些 点 来 去 到 给 用 使 由 之间 其中 如果 那么 因为 所以 虽然 然后 同时 以下 如下 下列
    """.split()
)

# They say what is asked about a subject, in words that the answer seldom has: kept, but of little weight.
ASPECTS = (
    "区别 差别 差异 异同 不同 特点 特征 优点 缺点 优缺点 好处 作用 用途 含义 定义 概念 原因 理解 "
    "difference differ distinguish advantage disadvantage benefit drawback purpose definition concept reason understand"
)

ENGLISH = frozenset(
    """
    a an the of and or to in on at by for from with as is are was were be been being it its this that these those
    what which who whom whose when where why how do does did done can could should would will shall may might must
    i you he she we they me him her us them my your his our their there here if then than so such not no nor
    about into over under between please explain describe define tell give list mean means meaning s t
    """.split()
)

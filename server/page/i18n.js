// Everything that the page says, in Chinese and English.

const PREFERENCE = "keben.language";

const TEXTS = {
  zh: {
    skip: "跳到提问框", kb: "知识库", clear: "清空", otherLanguage: "EN", otherLanguageLabel: "Switch to English",
    theme: "切换深色和浅色", welcome: "向课本提问", welcomeMore: "回答的每一处都注明出自哪本书、哪一页。点击编号，原文就在旁边打开。",
    conversation: "对话", question: "问题", placeholder: "输入问题，Enter 发送，Shift+Enter 换行", send: "发送", stop: "停止",
    books: "书目", allBooks: "全部", chosenBooks: "已选 {n} 本", options: "高级选项", panel: "原文",
    foot: "回答出自课本，请对照原文。", docs: "接口文档",
    panelEmpty: "点击回答中的编号，原文会在这里打开。", close: "关闭", page: "第 {label} 页", filePage: "（文件第 {page} 页）",
    pageAlt: "《{book}》第 {label} 页的图像", pageUnmarked: "引文没有在页面图像上标出。", pageMissing: "页面图像无法显示：{reason}",
    changed: "这本书在回答之后有了变化，原来的位置已不是这段文字。以下是回答时的引文。", gone: "原文无法打开：{reason}",
    loading: "正在打开…", quote: "引文", context: "上下文", citation: "打开第 {id} 处引文：{book}",
    you: "问", thinking: "正在查找…", understood: "理解为：", copy: "复制", copied: "已复制", retry: "重试", undo: "撤回",
    stopped: "已停止", refused: "课本没有回答这个问题", closest: "最接近的章节", details: "详情", sources: "出处",
    model: "作答", extractive: "摘自原文", generation: "版本", timings: "用时", unsupported: "以下句子在课本中没有依据",
    dropped: "以下句子没有依据，已略去", fallback: "模型未能作答，改用课本原句：{reason}", trimmed: "模型容量有限，未读：{what}",
    trimmedHistory: "{n} 条较早的对话", trimmedPassages: "{n} 段原文", trimmedCut: "一段原文的后半", cached: "来自缓存",
    usage: "读 {input} 词元，写 {output} 词元", failed: "没有得到回答", offline: "无法连接服务", offlineMend: "请确认服务正在运行，然后重试",
    answered: "回答完成", opened: "已打开引文", writing: "正在作答", waiting: "服务正在启动…", restarted: "模型中断，改用课本原句",
    good: "有帮助", bad: "没有帮助", comment: "意见（可不填）", corrected: "正确的回答（可不填）", sendFeedback: "提交反馈",
    thanks: "谢谢，已记下。", keyTitle: "需要密钥", keyMore: "此服务需要 API 密钥。密钥只保存在这个标签页中，关闭后即删除。",
    key: "API 密钥", useKey: "使用", none: "还没有知识库。先运行 keben rebuild。", default: "默认",
    writer: "由谁作答", writerAuto: "自动（有模型时由模型）", writerExtractive: "摘自原文", mode: "方式", modeGrounded: "依据原文",
    modeTutor: "引导（给提示）", modeExam: "考试（先给选项）", topK: "检索段落数", maxTokens: "最长词元数", temperature: "温度",
    topP: "Top-p", sampleK: "Top-k", ms: "{n} 毫秒", retrieve: "检索", write: "写作", total: "合计", rewrite: "改写",
  },
  en: {
    skip: "Skip to the question", kb: "Knowledge base", clear: "Clear", otherLanguage: "中文", otherLanguageLabel: "切换到中文",
    theme: "Switch between dark and light", welcome: "Ask your textbooks",
    welcomeMore: "Every part of an answer says which book and page it stands on. Press a number, and the place opens beside it.",
    conversation: "Conversation", question: "Question", placeholder: "Your question; Enter sends, Shift+Enter breaks the line",
    send: "Ask", stop: "Stop", books: "Books", allBooks: "all", chosenBooks: "{n} chosen", options: "Options", panel: "The book",
    foot: "Answers come from the books: compare them with the text.", docs: "Interface",
    panelEmpty: "Press a number in an answer, and the place in the book opens here.", close: "Close", page: "page {label}",
    filePage: " (page {page} of the file)", pageAlt: "Image of page {label} of {book}",
    pageUnmarked: "The quote is not marked on the image of the page.", pageMissing: "The page cannot be shown: {reason}",
    changed: "The book has changed since the answer was given, and this text no longer stands there. This is the quote as it was.",
    gone: "The text cannot be opened: {reason}", loading: "Opening…", quote: "Quote", context: "In the book",
    citation: "Open citation {id}: {book}", you: "Question", thinking: "Searching…", understood: "Understood as: ", copy: "Copy",
    copied: "Copied", retry: "Retry", undo: "Undo", stopped: "Stopped", refused: "The books don't answer this",
    closest: "Nearest sections", details: "Details", sources: "Sources", model: "Written by", extractive: "sentences of the books",
    generation: "Generation", timings: "Time", unsupported: "No passage supports these sentences",
    dropped: "Left out, because no passage supports them", fallback: "The model failed, sentences of the books answer: {reason}",
    trimmed: "The model had no room for {what}", trimmedHistory: "{n} earlier messages", trimmedPassages: "{n} passages",
    trimmedCut: "the end of a passage", cached: "From the cache", usage: "{input} tokens read, {output} written",
    failed: "There is no answer", offline: "The service cannot be reached", offlineMend: "see that it is running, then retry",
    answered: "The answer is complete", opened: "The citation is open", writing: "The answer is being written",
    waiting: "The service is starting…", restarted: "The model failed; sentences of the books answer", good: "Helpful",
    bad: "Not helpful", comment: "Comment (optional)", corrected: "The right answer (optional)", sendFeedback: "Send feedback",
    thanks: "Thank you, noted.", keyTitle: "A key is needed",
    keyMore: "This service needs an API key. It is kept in this tab alone and forgotten when you close it.", key: "API key",
    useKey: "Use", none: "There is no knowledge base yet. Run keben rebuild first.", default: "default", writer: "Writer",
    writerAuto: "automatic (the model, if there is one)", writerExtractive: "sentences of the books", mode: "Manner",
    modeGrounded: "from the passages", modeTutor: "tutor (hints)", modeExam: "exam (the option first)", topK: "Passages",
    maxTokens: "Most tokens", temperature: "Temperature", topP: "Top-p", sampleK: "Top-k", ms: "{n} ms", retrieve: "search",
    write: "writing", total: "in all", rewrite: "completing the question",
  },
};

let language = localStorage.getItem(PREFERENCE) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in TEXTS)) language = "en";

export const currentLanguage = () => language;

export function t(key, values = {}) {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(PREFERENCE, language);
  translate();
}

// Fills in what index.html leaves to this file.
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = t(element.dataset.placeholder);
}

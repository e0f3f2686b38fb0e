// What is shown where there is no course: where to put one, and what it looks like.

import { el } from "../dom.js";
import { t } from "../i18n.js";

const EXAMPLE = `name = "os-tutor"

[[dataset.sources]]
path = "questions.xlsx"

[train]
base = "models/internlm2-chat-1_8b"
method = "lora"

[gate]
exams = ["exam.jsonl"]
`;

export function empty(folder) {
  return el(
    "section",
    { className: "tune-empty" },
    el("h3", { textContent: t("tuneNone") }),
    el("p", { textContent: t("tuneNoneMore") }),
    el("p", {}, el("code", { textContent: folder })),
    el("p", { textContent: t("tuneNoneForm") }),
    el("pre", { tabIndex: 0, role: "region", "aria-label": "course.toml" }, el("code", { textContent: EXAMPLE })),
    el("p", { className: "faint", textContent: t("tuneNoneDocs") }),
  );
}

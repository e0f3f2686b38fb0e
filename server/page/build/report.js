// What the served generation has from each file.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { failure, fault, note, Section, status, table } from "./parts.js";

export class Report extends Section {
  constructor() {
    super("report");
  }

  async show(base) {
    this.base = base;
    this.element.hidden = !base.served;
    if (base.served) await this.read("report");
  }

  draw() {
    this.title.textContent = t("buildReport");
    const heads = [t("buildFile"), t("buildPageCount"), t("buildPassageCount"), t("buildOcrCount"), t("buildSeconds")];
    const shown = this.trouble ? failure(this.trouble) : table(t("buildReport"), heads, (this.found ?? []).map(row), [1, 2, 3, 4]);
    this.body.replaceChildren(note(t("buildReportMore")), shown);
  }
}

function row({ source, title, status: how, pages, chunks, ocr_pages: ocr, seconds, reason, mend, notes }) {
  const first = el("div", {}, el("span", { className: "name", textContent: source }));
  if (title && title !== source) first.append(el("p", { className: "faint", textContent: title }));
  if (!["indexed", "unchanged"].includes(how)) first.append(status(how));
  if (reason) first.append(fault(reason, mend));
  for (const text of notes ?? []) first.append(el("p", { className: "faint", textContent: text }));
  const none = () => el("span", {}, el("span", { "aria-hidden": "true", textContent: "–" }), el("span", { className: "visually-hidden", textContent: t("buildNoPages") }));
  return [first, pages ? String(pages) : none(), String(chunks), String(ocr ?? 0), (seconds ?? 0).toFixed(1)];
}

// What students ask in vain.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { failure, note, Section, table } from "./parts.js";

const SPANS = [7, 30, 365];

export class Gaps extends Section {
  #days = 30;

  constructor() {
    super("gaps");
  }

  async show(base) {
    this.base = base;
    this.element.hidden = !base.served;
    if (base.served) await this.#load();
  }

  async #load() {
    await this.read(`gaps?days=${this.#days}`);
  }

  draw() {
    this.title.textContent = t("buildGaps");
    this.body.replaceChildren(note(t("buildGapsMore")), this.#chooser(), this.#shown());
  }

  #chooser() {
    const options = SPANS.map((days) => el("option", { value: days, textContent: t("buildDaysN", { n: days }), selected: days === this.#days }));
    const select = el("select", {}, ...options);
    select.onchange = async () => {
      this.#days = Number(select.value);
      await this.#load();
      this.body.querySelector("select").focus();
    };
    return el("label", { className: "chooser" }, el("span", { textContent: t("buildDays") }), select);
  }

  #shown() {
    if (this.trouble) return failure(this.trouble);
    const gaps = this.found?.gaps ?? [];
    if (!gaps.length) return el("p", { className: "empty", textContent: t("buildGapsEmpty") });
    return table(t("buildGaps"), [t("buildSection"), t("buildRefusedCount"), t("buildWeakCount")], gaps.map(row), [1, 2]);
  }
}

function row({ book, heading, page, refused, weak, examples }) {
  const place = [book, heading, page === null ? "" : t("buildPage", { page })].filter(Boolean).join(" · ");
  const questions = el("ul", { className: "faint" }, ...examples.map((text) => el("li", { textContent: text })));
  return [el("div", {}, el("span", { className: "name", textContent: place || t("buildNowhere") }), questions), String(refused), String(weak)];
}

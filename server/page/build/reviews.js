// What students say of answers, and what is taken over from it.

import { json, kbPath } from "../api.js";
import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { date, failure, note, Section } from "./parts.js";

const STATES = { new: "buildStateNew", accepted: "buildStateAccepted", rejected: "buildStateRejected" };

export class Reviews extends Section {
  constructor(say) {
    super("reviews");
    this.say = say;
  }

  async show(base) {
    this.base = base;
    this.element.hidden = !base.served;
    if (base.served) await this.read("feedback");
  }

  draw() {
    this.title.textContent = t("buildFeedback");
    const parts = [note(t("buildFeedbackMore"))];
    const feedback = this.found?.feedback ?? [];
    if (this.trouble) parts.push(failure(this.trouble));
    else if (!feedback.length) parts.push(el("p", { className: "empty", textContent: t("buildFeedbackEmpty") }));
    else parts.push(el("ul", { className: "reviews" }, ...feedback.map((said) => this.#line(said))));
    this.body.replaceChildren(...parts);
  }

  #line(said) {
    const thumb = t(said.thumb === "up" ? "buildUp" : "buildDown");
    const head = el("p", { className: "faint" }, `${thumb} · ${date(said.at)} · `, el("span", { className: `status ${said.state}`, textContent: t(STATES[said.state]) }));
    const more = [
      [t("buildComment"), said.comment],
      [t("buildCorrected"), said.corrected_answer],
    ].flatMap(([name, text]) => (text ? [el("dt", { textContent: name }), el("dd", { textContent: text })] : []));
    const answer = el("details", {}, el("summary", { textContent: t("buildAnswer") }), el("p", { className: "plain", textContent: said.answer }));
    const trouble = el("div");
    const row = el("p", { className: "row" });
    const line = el("li", { tabIndex: -1 }, el("h3", { textContent: said.question }), head, answer, el("dl", {}, ...more), row, trouble);
    for (const [state, text] of [["accepted", t("buildAccept")], ["rejected", t("buildReject")]]) {
      const act = () => this.#review(said, state, line, trouble);
      row.append(button(text, act, { className: "outlined", disabled: said.state === state, "aria-label": `${text}: ${said.question}` }));
    }
    return line;
  }

  async #review(said, state, line, trouble) {
    try {
      const fresh = await json(kbPath(this.base.name, `feedback/${said.answer_id}`), { body: { state } });
      const { feedback } = this.found;
      feedback[feedback.indexOf(said)] = fresh;
      const drawn = this.#line(fresh);
      line.replaceWith(drawn);
      drawn.focus();
      this.say(t(STATES[state]));
    } catch (error) {
      trouble.replaceChildren(failure(error));
    }
  }
}

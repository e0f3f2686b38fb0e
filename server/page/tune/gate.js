// The model before and after, what fell, and publishing it all the same.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { Part, headRow, heading, scrolling } from "./part.js";

export class GatePart extends Part {
  #act;

  constructor(act) {
    super();
    this.#act = act;
  }

  of(detail) {
    return [detail.gate, detail.status];
  }

  elements({ gate, status }) {
    if (!gate) return null;
    const parts = [heading(t("tuneGate"))];
    if (gate.rows.length) {
      const head = headRow(t("tuneMeasure"), "n", t("tuneBefore"), t("tuneAfter"), t("tuneDifference"));
      const table = el("table", { className: "tune-gate" }, head, el("tbody", {}, ...gate.rows.map(row)));
      parts.push(scrolling(t("tuneGate"), table));
    }
    if (gate.rows.some((one) => one.measure === "loss")) parts.push(el("p", { className: "faint", textContent: t("tuneLossNote") }));
    if (!gate.falls.length) return [...parts, el("p", { textContent: t(gate.rows.some((one) => one.decides) ? "tunePassed" : "tuneNothingDecided") })];
    const falls = el("ul", {}, ...gate.falls.map((fall) => el("li", { textContent: fall })));
    if (status === "done") return [...parts, falls];
    const told = el("div", { className: "tune-fault" }, el("p", { textContent: t("tuneFalls") }), falls);
    return [...parts, told, ...(status === "running" ? [] : [this.#form()])];
  }

  #form() {
    const reason = el("input", { id: "tune-reason", required: true, maxLength: 500, autocomplete: "off" });
    const send = el("button", { type: "submit", className: "outlined", textContent: t("tuneAllTheSame") });
    const form = el("form", { className: "tune-form" }, labelled(t("tuneReason"), reason), send);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#act("run", { override: reason.value.trim() });
    };
    return form;
  }
}

export function labelled(text, input) {
  return el("label", {}, el("span", { textContent: text }), input);
}

function row(one) {
  const exam = one.subject === "all" ? one.name : `${one.name}, ${one.subject}`;
  const name = el("th", { scope: "row", textContent: `${exam}: ${one.measure}` });
  const change = el("td", { textContent: `${signed(one.difference)} (${signed(one.low)} … ${signed(one.high)})` });
  if (!one.decides) name.append(el("span", { className: "faint", textContent: ` ${t("tuneUndecided")}` }));
  if (one.fell) change.append(" ", el("strong", { className: "tune-fell", textContent: t("tuneFell") }));
  const numbers = [one.count, one.before.toFixed(3), one.now.toFixed(3)].map((value) => el("td", { textContent: value }));
  return el("tr", { className: one.fell ? "fell" : "" }, name, ...numbers, change);
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

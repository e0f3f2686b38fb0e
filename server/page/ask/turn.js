// One question and what came of it, as it is shown.

import { linkMarkers, markUnsupported, place, sourceList } from "./citations.js";
import { button, el } from "../dom.js";
import { feedbackForm } from "./feedback.js";
import { currentLanguage, t } from "../i18n.js";
import { Growing, show } from "../markdown.js";

export class TurnView {
  // actions: open(citation, button), retry(), undo(), say(text).
  constructor(turn, actions) {
    this.turn = turn;
    this.actions = actions;
    this.answer = el("div", { className: "reading answer", "aria-live": "polite" });
    this.understood = el("p", { className: "understood faint" });
    this.below = el("div", { className: "below" });
    this.element = el(
      "article",
      { className: "turn" },
      el("h2", { className: "asked" }, el("span", { className: "visually-hidden", textContent: `${t("you")}: ` }), turn.question),
      this.understood,
      this.answer,
      this.below,
    );
    this.growing = null;
  }

  // isLast: only the last turn can be asked again or taken back. Resolves when the answer is rendered.
  async draw(isLast) {
    const { turn } = this;
    this.growing?.end();
    this.growing = null;
    this.element.className = `turn ${turn.state}${turn.answer?.refused ? " refused" : ""}`;
    this.understood.textContent = turn.searchQuery ? t("understood") + turn.searchQuery : "";
    this.answer.setAttribute("aria-busy", "true");
    if (turn.state === "writing") {
      this.answer.replaceChildren(el("p", { className: "faint pulse", textContent: t("thinking") }));
      this.below.replaceChildren();
      this.growing = new Growing(this.answer);
      return;
    }
    this.drawBelow(isLast);
    if (turn.text) {
      await show(this.answer, turn.text);
      if (turn.answer) {
        markUnsupported(this.answer, turn.answer.unsupported);
        linkMarkers(this.answer, turn.answer.citations, this.actions.open);
      }
    } else this.answer.replaceChildren();
    this.answer.setAttribute("aria-busy", "false");
  }

  drawBelow(isLast) {
    const { turn, actions } = this;
    const parts = [];
    if (turn.state === "failed") parts.push(failure(turn.problem));
    if (turn.state === "stopped") parts.push(el("p", { className: "note", textContent: t("stopped") }));
    if (turn.answer) parts.push(...outcome(turn.answer, actions.open));
    parts.push(this.buttons(isLast));
    if (turn.answer?.id) parts.push(feedbackForm(turn, actions));
    this.below.replaceChildren(...parts);
  }

  buttons(isLast) {
    const { turn, actions } = this;
    const row = el("div", { className: "row" });
    if (turn.text) row.append(button(t("copy"), (event) => copy(turn, event.currentTarget)));
    if (isLast) row.append(button(t("retry"), actions.retry), button(t("undo"), actions.undo));
    return row;
  }

  grow(text) {
    this.growing?.grow(text);
  }
}

function failure({ detail, mend }) {
  const box = el("div", { className: "failure", role: "alert" }, el("strong", { textContent: t("failed") }));
  box.append(el("p", { textContent: detail }));
  if (mend) box.append(el("p", { className: "faint", textContent: `→ ${mend}` }));
  return box;
}

function outcome(answer, open) {
  const parts = [];
  if (answer.refused) {
    parts.push(el("p", { className: "note", textContent: `${t("refused")}${currentLanguage() === "zh" ? "。" : ". "}${answer.reason ?? ""}` }));
    if (answer.closest.length) parts.push(el("h3", { textContent: t("closest") }), sourceList(answer.closest, open));
  } else if (answer.citations.length) parts.push(sourceList(answer.citations, open));
  if (answer.fallback) parts.push(el("p", { className: "note", textContent: t("fallback", { reason: answer.fallback }) }));
  parts.push(...unsupported(answer.unsupported), details(answer));
  return parts;
}

function unsupported(sentences) {
  const list = (heading, chosen) =>
    chosen.length
      ? [el("div", { className: "doubt" }, el("p", { textContent: heading }), el("ul", {}, ...chosen.map(({ text, values }) =>
          el("li", { textContent: values.length ? `${text} (${values.join(", ")})` : text }))))]
      : [];
  return [
    ...list(t("unsupported"), sentences.filter(({ start }) => start !== null)),
    ...list(t("dropped"), sentences.filter(({ start }) => start === null)),
  ];
}

function details(answer) {
  const rows = [[t("model"), answer.model === "extractive" ? t("extractive") : answer.model]];
  const times = Object.entries(answer.timings_ms).map(([name, value]) => `${lap(name)} ${t("ms", { n: Math.round(value) })}`);
  rows.push([t("timings"), times.join(" · ")], [t("kb"), answer.kb], [t("generation"), answer.generation]);
  if (answer.usage) rows.push(["", t("usage", { input: answer.usage.input_tokens, output: answer.usage.output_tokens })]);
  if (answer.trimmed) rows.push(["", t("trimmed", { what: trimmed(answer.trimmed) })]);
  if (answer.cached) rows.push(["", t("cached")]);
  const list = el("dl", {});
  for (const [name, value] of rows) list.append(el("dt", { textContent: name }), el("dd", { textContent: value }));
  return el("details", { className: "details" }, el("summary", { textContent: t("details") }), list);
}

const LAPS = new Set(["retrieve", "write", "total", "rewrite"]);
const lap = (name) => (LAPS.has(name) ? t(name) : name);

function trimmed({ history, passages, cut }) {
  const parts = [];
  if (history) parts.push(t("trimmedHistory", { n: history }));
  if (passages) parts.push(t("trimmedPassages", { n: passages }));
  if (cut) parts.push(t("trimmedCut"));
  return parts.join(", ");
}

// The answer with its sources, so that it can be pasted elsewhere and still says where it is from.
async function copy(turn, pressed) {
  const sources = (turn.answer?.citations ?? []).map((citation) => `[${citation.id}] ${place(citation)}`);
  const text = [turn.text, ...(sources.length ? [sources.join("\n")] : [])].join("\n\n");
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyOldWay(text, pressed);
  pressed.textContent = t("copied");
  setTimeout(() => (pressed.textContent = t("copy")), 2000);
}

// Pages that came over plain HTTP from another machine have no clipboard.
function copyOldWay(text, pressed) {
  const field = el("textarea", { value: text, className: "visually-hidden" });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  pressed.focus();
}

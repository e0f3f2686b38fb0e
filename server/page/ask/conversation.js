// The conversation of this tab: asks, streams, and keeps what was said.

import { events } from "../api.js";
import { byId } from "../dom.js";
import { t } from "../i18n.js";
import { loadTurns, saveTurns } from "../store.js";
import { TurnView } from "./turn.js";

// What of the conversation goes with a question: bytes, of the 64 KiB that a request may have.
const HISTORY_BYTES = 30_000;
const LONGEST_MESSAGE = 8000;
const SIDE_BY_SIDE = matchMedia("(min-width: 60rem)");

export class Conversation {
  #turns = loadTurns();
  #views = new Map();
  #running = null;

  constructor(options, panel) {
    this.options = options;
    this.panel = panel;
    // A page that is left stops its answer; what has come so far is there again after a reload.
    addEventListener("beforeunload", () => this.stop());
    addEventListener("pagehide", () => saveTurns(this.#turns));
  }

  get isWriting() {
    return this.#running !== null;
  }

  tell(text) {
    byId("notice").textContent = text;
  }

  say(text) {
    byId("status").textContent = text;
  }

  draw() {
    byId("turns").replaceChildren();
    this.#views.clear();
    for (const turn of this.#turns) this.#add(turn);
    this.#show();
  }

  ask(question) {
    if (this.isWriting) return;
    this.#begin({ question, kb: this.options.kb, state: "writing", text: "" });
  }

  retry() {
    if (this.isWriting) return;
    const { question } = this.#remove();
    this.ask(question);
  }

  undo() {
    if (this.isWriting) return;
    const { question } = this.#remove();
    const field = byId("question");
    field.value = question;
    field.dispatchEvent(new Event("input"));
    field.focus();
    this.#show();
  }

  clear() {
    this.stop();
    this.#turns = [];
    this.panel.close();
    saveTurns(this.#turns);
    this.draw();
    byId("question").focus();
  }

  stop() {
    this.#running?.abort();
  }

  #remove() {
    const turn = this.#turns.pop();
    this.#views.get(turn).element.remove();
    this.#views.delete(turn);
    this.panel.close();
    saveTurns(this.#turns);
    return turn;
  }

  #add(turn) {
    const view = new TurnView(turn, {
      open: (citation, opener) => this.#open(turn, citation, opener),
      retry: () => this.retry(),
      undo: () => this.undo(),
      save: () => saveTurns(this.#turns),
      say: (text) => this.say(text),
    });
    this.#views.set(turn, view);
    byId("turns").append(view.element);
    return view;
  }

  #open(turn, citation, opener) {
    this.say(t("opened"));
    return this.panel.open(turn.answer.kb, citation, opener);
  }

  async #begin(turn) {
    const history = this.#history(turn.kb);
    this.#turns.push(turn);
    const view = this.#add(turn);
    const controller = new AbortController();
    this.#running = controller;
    this.#show();
    this.say(t("writing"));
    byId("turns").scrollTop = view.element.offsetTop;
    try {
      const body = { ...this.options.request(), question: turn.question, history, stream: true };
      await this.#follow(turn, body, controller.signal);
    } catch (error) {
      turn.state = error.name === "AbortError" ? "stopped" : "failed";
      turn.problem = { detail: error.detail ?? error.message, mend: error.mend ?? "" };
    }
    this.#running = null;
    // A conversation that was cleared in the meantime is not to come back.
    if (!this.#turns.includes(turn)) {
      this.#show();
      return;
    }
    saveTurns(this.#turns);
    this.say(turn.state === "done" ? t(turn.answer.refused ? "refused" : "answered") : t(turn.state));
    await this.#show();
    this.#openFirst(turn);
  }

  async #follow(turn, body, signal) {
    for await (const { name, data } of events("ask", { body, signal })) {
      if (name === "retrieval") turn.searchQuery = data.search_query;
      else if (name === "token") turn.text += data.text;
      else if (name === "restart") {
        turn.text = "";
        this.say(t("restarted"));
      } else if (name === "error") throw Object.assign(new Error(data.detail), data);
      else if (name === "done") {
        Object.assign(turn, { state: "done", answer: data, text: data.answer, searchQuery: data.search_query });
        return;
      }
      // Looked up each time: another language draws the conversation anew.
      if (turn.text) this.#views.get(turn)?.grow(turn.text);
    }
    throw Object.assign(new Error(t("offline")), { mend: t("offlineMend") });
  }

  // The book stands beside the answer at once where there is room; nobody's focus is moved.
  #openFirst(turn) {
    const [citation] = turn.answer?.citations ?? [];
    if (citation && SIDE_BY_SIDE.matches) this.panel.open(turn.answer.kb, citation, null);
  }

  // The latest turns that fit, oldest first.
  #history(kb) {
    const encoder = new TextEncoder();
    const messages = [];
    let bytes = 0;
    for (const turn of this.#turns.toReversed()) {
      if (turn.kb !== kb || !turn.text) continue;
      const pair = [
        { role: "user", content: turn.question },
        { role: "assistant", content: turn.text.slice(0, LONGEST_MESSAGE) },
      ];
      bytes += encoder.encode(JSON.stringify(pair)).length;
      if (bytes > HISTORY_BYTES || messages.length >= 100) break;
      messages.unshift(...pair);
    }
    return messages;
  }

  async #show() {
    byId("welcome").hidden = this.#turns.length > 0;
    byId("clear").disabled = this.#turns.length === 0;
    byId("send").hidden = this.isWriting;
    byId("stop").hidden = !this.isWriting;
    const last = this.#turns.at(-1);
    await Promise.all([...this.#views].map(([turn, view]) => this.#drawIfChanged(turn, view, turn === last && !this.isWriting)));
  }

  async #drawIfChanged(turn, view, isLast) {
    const shown = `${turn.state} ${isLast}`;
    if (view.shown === shown) return;
    // Only its buttons change once an answer stands.
    const redraw = view.shown?.split(" ")[0] !== turn.state;
    view.shown = shown;
    if (redraw) await view.draw(isLast);
    else view.drawBelow(isLast);
  }
}

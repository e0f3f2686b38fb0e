// The Ask view: a conversation, and the book beside it.

import { json, kbPath, pause, told } from "../api.js";
import { button, byId, el } from "../dom.js";
import { addTexts, t } from "../i18n.js";
import { Conversation } from "./conversation.js";
import { Options } from "./options.js";
import { Panel } from "./panel.js";
import { TEXTS } from "./texts.js";

addTexts(TEXTS);

export class AskView {
  #panel = new Panel();
  #options = new Options(() => this.#showExamples());
  #conversation = new Conversation(this.#options, this.#panel);
  #question = byId("question");
  #isShown = false;

  constructor() {
    byId("composer").onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    byId("stop").onclick = () => this.#conversation.stop();
    byId("clear").onclick = () => this.#conversation.clear();
    this.#question.oninput = () => this.#fit();
    this.#question.onkeydown = (event) => {
      // Enter also ends the writing of Chinese characters in an input method: that one does not send.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      byId("composer").requestSubmit();
    };
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing || !this.#isShown || byId("key-dialog").open) return;
      if (this.#conversation.isWriting) this.#conversation.stop();
      else if (this.#panel.isOpen) this.#panel.close();
    });
    this.#conversation.draw();
  }

  // Looks for what there is to ask, until there is something.
  async show() {
    this.#isShown = true;
    while (this.#isShown && !(await this.#load())) await pause();
  }

  hide() {
    this.#isShown = false;
  }

  draw() {
    this.#panel.close();
    this.#options.draw();
    this.#conversation.draw();
  }

  focus() {
    this.#question.focus();
  }

  tell(text) {
    this.#conversation.tell(text);
  }

  // Whether there is no need to look again.
  async #load() {
    try {
      const { kbs } = await json("kbs");
      this.#options.setBases(kbs);
      this.tell(kbs.length ? "" : t(byId("views").hidden ? "none" : "noneBuild"));
      await this.#showExamples();
      return kbs.length > 0;
    } catch (error) {
      this.tell(error.status === 503 ? t("waiting") : told(error));
      return error.status === 401 || error.status === 403;
    }
  }

  async #showExamples() {
    byId("examples").replaceChildren();
    if (!this.#options.kb) return;
    let questions = [];
    try {
      ({ questions } = await json(kbPath(this.#options.kb, "examples")));
    } catch {
      // The page is of use without examples.
      return;
    }
    const ask = (text) => button(text, () => this.#conversation.ask(text), { className: "example" });
    byId("examples").replaceChildren(...questions.map((text) => el("li", {}, ask(text))));
  }

  #submit() {
    const text = this.#question.value.trim();
    if (this.#conversation.isWriting || !text) return;
    this.#conversation.ask(text);
    this.#question.value = "";
    this.#fit();
  }

  // As high as its text; the style sheet bounds it.
  #fit() {
    this.#question.style.height = "auto";
    this.#question.style.height = `${this.#question.scrollHeight}px`;
  }
}

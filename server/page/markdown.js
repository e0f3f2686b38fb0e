// Markdown to HTML, by the server.

import { json } from "./api.js";
import { el, setHtml } from "./dom.js";

const PAUSE = 250;
const KEPT = 200;
const rendered = new Map();

// Shows `text` in `element`: at once as it is, then rendered; resolves true once it is.
export async function show(element, text) {
  let html = rendered.get(text);
  if (html === undefined) {
    if (!element.hasChildNodes()) plain(element, text);
    try {
      ({ html } = await json("render", { body: { markdown: text } }));
    } catch {
      // Without the server the text is readable all the same.
      plain(element, text);
      return false;
    }
    if (rendered.size >= KEPT) rendered.delete(rendered.keys().next().value);
    rendered.set(text, html);
  }
  setHtml(element, html);
  return true;
}

function plain(element, text) {
  element.replaceChildren(el("p", { className: "plain", textContent: text }));
}

// Shows a text that grows, rendered a few times a second.
export class Growing {
  #element;
  #text = "";
  #busy = false;
  #ended = false;

  constructor(element) {
    this.#element = element;
  }

  grow(text) {
    this.#text = text;
    if (!this.#busy) this.#render();
  }

  end() {
    this.#ended = true;
  }

  async #render() {
    this.#busy = true;
    const text = this.#text;
    let html = null;
    try {
      ({ html } = await json("render", { body: { markdown: text } }));
    } catch {
      html = null;
    }
    if (this.#ended) return;
    if (html === null) plain(this.#element, text);
    else setHtml(this.#element, html);
    setTimeout(() => {
      this.#busy = false;
      if (!this.#ended && this.#text !== text) this.#render();
    }, PAUSE);
  }
}

// A part of a course, drawn anew only when what it shows has changed.

import { el } from "../dom.js";

export class Part {
  root = el("section", { className: "tune-part", hidden: true });
  #known = "";
  #detail = null;

  show(detail) {
    const known = JSON.stringify(this.of(detail));
    this.#detail = detail;
    if (known === this.#known) return;
    this.#known = known;
    this.draw();
  }

  clear() {
    this.#known = "";
    this.#detail = null;
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  draw() {
    const elements = this.#detail ? this.elements(this.#detail) : null;
    this.root.hidden = !elements;
    this.root.replaceChildren(...(elements ?? []));
  }
}

export const heading = (text) => el("h4", { textContent: text });

// A table that scrolls by itself where it is wider than the window.
export function scrolling(label, table) {
  return el("div", { className: "tune-scroll", tabIndex: 0, role: "region", "aria-label": label }, table);
}

export function headRow(...texts) {
  return el("thead", {}, el("tr", {}, ...texts.map((text) => el("th", { scope: "col", textContent: text }))));
}

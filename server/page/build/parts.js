// What the sections of the view are made of.

import { json, kbPath } from "../api.js";
import { el } from "../dom.js";
import { currentLanguage, t } from "../i18n.js";

// A part of the view with a heading. `show(base)` loads it for a knowledge base, `draw()` writes it anew.
export class Section {
  base = null;
  found = null;
  trouble = null;

  constructor(name) {
    const id = `build-${name}`;
    this.title = el("h2", { id, tabIndex: -1 });
    this.body = el("div", { className: "body" });
    this.element = el("section", { className: "part", "aria-labelledby": id }, this.title, this.body);
  }

  // Draws what is there to read of the knowledge base, or why it cannot be read; not once another one is shown.
  async read(rest) {
    const { base } = this;
    let found = null;
    let trouble = null;
    try {
      found = await json(kbPath(base.name, rest));
    } catch (error) {
      trouble = error;
    }
    if (base !== this.base) return;
    this.found = found;
    this.trouble = trouble;
    this.draw();
  }
}

// heads: texts of the columns; those whose cells are numbers are named in `numeric` by their places.
export function table(caption, heads, rows, numeric = []) {
  const head = el("tr", {}, ...heads.map((text, at) => el("th", { scope: "col", className: numeric.includes(at) ? "number" : "", textContent: text })));
  const lines = rows.map(([first, ...others]) =>
    el("tr", {}, el("th", { scope: "row" }, first), ...others.map((cell, at) => el("td", { className: numeric.includes(at + 1) ? "number" : "" }, cell))),
  );
  return el(
    "table",
    {},
    el("caption", { className: "visually-hidden", textContent: caption }),
    el("thead", {}, head),
    el("tbody", {}, ...lines),
  );
}

export const note = (text) => el("p", { className: "faint", textContent: text });

// Why something went wrong, and the mend.
export function fault(detail, mend, role = null) {
  const box = el("div", { className: "fault" }, el("p", { textContent: detail }));
  if (role) box.setAttribute("role", role);
  if (mend) box.append(el("p", { className: "faint", textContent: `→ ${mend}` }));
  return box;
}

export const failure = (error) => fault(error.detail ?? error.message, error.mend, "alert");

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  const units = ["KB", "MB", "GB"];
  let value = size / 1024;
  while (value >= 1000 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[0]}`;
}

export function date(iso) {
  return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

const STATUS = {
  new: "buildIsNew",
  changed: "buildIsNew",
  indexed: "buildIsIndexed",
  unchanged: "buildIsUnchanged",
  stale: "buildIsStale",
  failed: "buildIsFailed",
  ignored: "buildIsIgnored",
  removed: "buildIsRemoved",
  skipped: "buildIsSkipped",
};

export function status(name) {
  return el("span", { className: `status ${name}`, textContent: name in STATUS ? t(STATUS[name]) : name });
}

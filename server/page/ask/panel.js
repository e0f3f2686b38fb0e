// The panel beside the answer: a citation's page and the section around its quote.

import { filePath, json, request } from "../api.js";
import { button, byId, el, mark, setHtml } from "../dom.js";
import { t } from "../i18n.js";

export class Panel {
  #element = byId("panel");
  #opener = null;
  #opening = null;
  #image = null;

  constructor() {
    this.close();
  }

  get isOpen() {
    return this.#element.classList.contains("open");
  }

  close() {
    this.#stop();
    const opener = this.#opener;
    this.#opener = null;
    this.#element.classList.remove("open");
    this.#element.replaceChildren(el("p", { className: "faint", textContent: t("panelEmpty") }));
    if (opener?.isConnected) {
      opener.classList.remove("current");
      opener.focus();
    }
  }

  // citation: or a passage, whose `text` is the quote. opener: gets the focus back; null leaves the focus where it is.
  async open(kb, citation, opener) {
    this.#stop();
    this.#opener?.classList.remove("current");
    opener?.classList.add("current");
    this.#opener = opener;
    const opening = new AbortController();
    this.#opening = opening;
    const { element, page, text } = frame(citation, () => this.close());
    this.#element.replaceChildren(...element);
    this.#element.classList.add("open");
    this.#element.scrollTop = 0;
    if (opener) this.#element.focus({ preventScroll: true });
    await Promise.all([this.#showPage(kb, citation, page, opening.signal), showText(kb, citation, text, opening.signal)]);
  }

  async #showPage(kb, citation, element, signal) {
    if (citation.page === null) return;
    const { source, page, start, end, book } = citation;
    element.append(el("p", { className: "faint", textContent: t("loading") }));
    try {
      const path = `${filePath(kb, "books", source)}/pages/${page}.png?start=${start}&end=${end}`;
      const response = await request(path, { signal });
      const image = URL.createObjectURL(await response.blob());
      if (signal.aborted) {
        URL.revokeObjectURL(image);
        return;
      }
      this.#image = image;
      const alt = t("pageAlt", { book, label: citation.page_label ?? page });
      element.replaceChildren(el("img", { src: image, alt, className: "page-image" }));
      if (response.headers.get("X-Quote-Highlighted") === "false") element.append(note(t("pageUnmarked")));
    } catch (error) {
      if (error.name === "AbortError") return;
      element.replaceChildren(note(t("pageMissing", { reason: error.detail ?? error.message })));
    }
  }

  #stop() {
    this.#opening?.abort();
    if (this.#image) URL.revokeObjectURL(this.#image);
    this.#image = null;
  }
}

function frame(citation, close) {
  const { book, heading_path: headings, page, page_label: label } = citation;
  const title = el("h2", { textContent: book });
  const head = el("header", { className: "panel-head" }, title, button("✕", close, { className: "quiet close", "aria-label": t("close") }));
  const path = el("p", { className: "path", textContent: headings.join(" › ") });
  const place = el("p", { className: "printed" });
  if (page !== null) {
    place.append(t("page", { label: label ?? page }));
    if (label !== null && label !== String(page)) place.append(el("span", { className: "faint", textContent: t("filePage", { page }) }));
  }
  const pageBox = el("div", { className: "page-box" });
  const text = el("div", { className: "section" });
  return { element: [head, path, ...(page === null ? [] : [place]), pageBox, text], page: pageBox, text };
}

async function showText(kb, citation, element, signal) {
  const quote = citation.quote ?? citation.text;
  const asQuoted = el("blockquote", { className: "quoted plain", textContent: quote });
  element.replaceChildren(el("h3", { textContent: t("quote") }), asQuoted);
  let found;
  try {
    const { source, start, end } = citation;
    found = await json(`${filePath(kb, "books", source)}/text?start=${start}&end=${end}`, { signal });
  } catch (error) {
    if (error.name !== "AbortError") element.prepend(note(error.status === 404 ? t("changed") : t("gone", { reason: error.detail ?? error.message })));
    return;
  }
  if (signal.aborted) return;
  if (found.quote !== quote) {
    element.prepend(note(t("changed")));
    return;
  }
  const section = el("div", { className: "reading" });
  setHtml(section, found.html);
  const alone = el("div");
  setHtml(alone, found.quote_html);
  if (!mark(section, alone.textContent, "quote")) inPlainText(section, found);
  element.replaceChildren(el("h3", { textContent: t("context") }), section);
  showQuote(section);
}

// Brings the quote into sight where the panel shows no page; a page is looked at first.
function showQuote(section) {
  const quote = section.querySelector(".quote");
  const panel = section.closest(".panel");
  if (!quote || !panel || panel.querySelector(".page-image")) return;
  const below = quote.getBoundingClientRect().bottom - panel.getBoundingClientRect().bottom;
  if (below > 0) panel.scrollTop += below + panel.clientHeight / 2;
}

// Where a quote begins or ends in the middle of a table or formula, the text as it was read shows it exactly.
function inPlainText(section, { before, quote, after }) {
  section.replaceChildren(el("p", { className: "plain" }, before, el("mark", { className: "quote", textContent: quote }), after));
}

function note(text) {
  return el("p", { className: "note", role: "note", textContent: text });
}

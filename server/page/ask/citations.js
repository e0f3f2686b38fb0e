// Markers such as [1] in an answer, and the list of what they cite.

import { button, el, mark, textNodes } from "../dom.js";
import { t } from "../i18n.js";

const MARKER = /\[(\d{1,3})\]/g;

// Makes each [n] that stands for a citation a button; `open` gets the citation and the button.
export function linkMarkers(root, citations, open) {
  const byNumber = new Map(citations.map((citation) => [String(citation.id), citation]));
  for (const node of textNodes(root, "pre, code, math, a")) {
    const parts = [];
    let end = 0;
    for (const found of node.data.matchAll(MARKER)) {
      const citation = byNumber.get(found[1]);
      if (!citation) continue;
      parts.push(node.data.slice(end, found.index), marker(citation, open));
      end = found.index + found[0].length;
    }
    if (parts.length) node.replaceWith(...parts, node.data.slice(end));
  }
}

function marker(citation, open) {
  const label = t("citation", citation);
  return button(String(citation.id), (event) => open(citation, event.currentTarget), {
    className: "marker",
    title: place(citation),
    "aria-label": label,
  });
}

// Book, section and page of a citation or passage, in one line.
export function place({ book, heading_path: headings, page, page_label: label }) {
  const shown = label ?? page;
  return [book, headings.at(-1), shown === null ? null : t("page", { label: shown })].filter(Boolean).join(" · ");
}

export function sourceList(citations, open) {
  const items = citations.map((citation) => {
    const opener = button(place(citation), (event) => open(citation, event.currentTarget), { className: "source" });
    if (citation.id) opener.prepend(el("span", { className: "number", textContent: citation.id }), " ");
    return el("li", {}, opener);
  });
  return el("ul", { className: "sources" }, ...items);
}

// Marks the sentences that no passage supports, where the rendered answer reads as they do.
export function markUnsupported(root, unsupported) {
  for (const { text, start } of unsupported) {
    if (start === null) continue;
    if (!mark(root, text, "unsupported")) mark(root, text.replace(/[*_`~#]/g, ""), "unsupported");
  }
}

// Files on their way to the service, one after the other, each with what has become of it.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { bytes, fault } from "./parts.js";
import { upload } from "./upload.js";

export class Uploads {
  #rows = [];
  #isSending = false;

  // ended(kb, stored, refused): after the last of those that wait.
  constructor(ended) {
    this.ended = ended;
    this.element = el("ul", { className: "uploads" });
  }

  // files: of a picker or dropped; `directories` holds the names of dropped folders.
  add(kb, files, directories = []) {
    if (!this.#isSending) this.#rows = [];
    for (const file of files) this.#rows.push({ kb, file, name: file.name, size: file.size, share: 0, state: "waiting" });
    for (const name of directories) {
      this.#rows.push({ kb, name, state: "refused", problem: { detail: t("buildDirectory"), mend: t("buildDirectoryMend") } });
    }
    this.draw(kb);
    if (!this.#isSending) this.#send();
  }

  // Those that have ended are of no interest any more.
  forget() {
    this.#rows = this.#rows.filter(({ state }) => state === "waiting" || state === "sending");
  }

  draw(kb) {
    this.element.setAttribute("aria-label", t("buildUploads"));
    this.element.replaceChildren(...this.#rows.filter((row) => row.kb === kb).map((row) => this.#line(row)));
    this.element.hidden = !this.element.children.length;
  }

  async #send() {
    this.#isSending = true;
    addEventListener("beforeunload", ask);
    let row;
    while ((row = this.#rows.find(({ state }) => state === "waiting"))) {
      row.state = "sending";
      this.#update(row);
      try {
        await upload(row.kb, row.file, (share) => {
          row.share = share;
          this.#update(row);
        });
        row.state = "stored";
      } catch (error) {
        row.state = "refused";
        row.problem = { detail: error.detail ?? error.message, mend: error.mend };
      }
      this.#update(row);
    }
    this.#isSending = false;
    removeEventListener("beforeunload", ask);
    const count = (state) => this.#rows.filter((one) => one.state === state).length;
    this.ended(count("stored"), count("refused"));
  }

  #line(row) {
    row.bar = el("progress", { max: 1, "aria-label": row.name });
    row.said = el("span");
    row.trouble = el("div");
    row.element = el("li", {}, el("span", { className: "name", textContent: row.name }), row.bar, row.said, row.trouble);
    this.#update(row);
    return row.element;
  }

  #update(row) {
    row.element.className = row.state;
    row.bar.value = row.share ?? 0;
    row.bar.hidden = row.state !== "sending";
    row.said.textContent = said(row);
    if (row.problem) row.trouble.replaceChildren(fault(row.problem.detail, row.problem.mend));
  }
}

// Whoever leaves the page is asked first: what is not sent yet would be lost.
const ask = (event) => event.preventDefault();

function said({ state, share, size }) {
  if (state === "waiting") return t("buildWaiting");
  if (state === "stored") return `${t("buildStored")} (${bytes(size)})`;
  if (state === "refused") return t("buildRefusedFile");
  return share < 1 ? t("buildSending", { percent: Math.floor(share * 100) }) : t("buildChecking");
}

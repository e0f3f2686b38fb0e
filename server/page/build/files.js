// The textbooks of a knowledge base: what lies there, what comes in, what goes.

import { filePath, json } from "../api.js";
import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { confirmed } from "./confirm.js";
import { bytes, failure, fault, note, Section, status, table } from "./parts.js";
import { Uploads } from "./uploads.js";

export class Files extends Section {
  #list = el("div", { className: "list" });
  #uploads = new Uploads((stored, refused) => this.#ended(stored, refused));

  // say(text): for whoever does not see the view.
  constructor(say) {
    super("files");
    this.say = say;
    this.picker = el("input", { type: "file", multiple: true, hidden: true });
    this.picker.onchange = () => {
      this.#uploads.add(this.base.name, this.picker.files);
      this.picker.value = "";
    };
  }

  // Whose files those are that a dialog speaks of: null where it is not known.
  get folder() {
    return this.found && { uploaded: this.found.uploaded, folder: this.found.folder };
  }

  async show(base) {
    this.base = base;
    this.#uploads.forget();
    await this.read("files");
  }

  draw() {
    this.title.textContent = t("buildFiles");
    const choose = button(t("buildChoose"), () => this.picker.click(), { className: "outlined" });
    const zone = el("div", { className: "drop" }, el("p", { textContent: t("buildDrop") }), choose, this.picker);
    this.body.replaceChildren(zone, this.#uploads.element, this.#list);
    this.#uploads.draw(this.base.name);
    this.#drawList();
  }

  // The whole view takes what is dropped: a file that misses the zone must not replace the page.
  take(items) {
    const entries = [...items].filter(({ kind }) => kind === "file").map((item) => [item.webkitGetAsEntry?.(), item.getAsFile()]);
    const isFolder = ([entry]) => entry?.isDirectory;
    const files = entries.filter((entry) => !isFolder(entry)).map(([, file]) => file);
    if (entries.length) this.#uploads.add(this.base.name, files, entries.filter(isFolder).map(([{ name }]) => name));
  }

  #drawList() {
    if (this.trouble) this.#list.replaceChildren(failure(this.trouble));
    if (!this.found) return;
    const { files, uploaded, folder } = this.found;
    const parts = [];
    if (!uploaded) parts.push(note(folder === null ? t("buildUnknownFolder") : t("buildKept", { folder })));
    if (!files.length) parts.push(el("p", { className: "empty", textContent: t("buildFilesEmpty") }));
    else {
      const pending = files.filter((file) => file.status === "new").length;
      if (pending) parts.push(el("p", { className: "hint", textContent: t("buildPending", { n: pending }) }));
      const heads = [t("buildFile"), t("buildSize"), t("buildStatus"), ...(uploaded ? [t("buildAction")] : [])];
      parts.push(table(t("buildFiles"), heads, files.map((file) => this.#row(file, uploaded)), [1]));
    }
    this.#list.replaceChildren(...parts);
  }

  #row(file, uploaded) {
    const { name, size, status: how, reason, mend } = file;
    const first = el("div", {}, el("span", { className: "name", textContent: name }), reason ? fault(reason, mend) : null);
    const cells = [first, bytes(size), status(how)];
    if (uploaded) cells.push(button(t("buildRemoveFile"), () => this.#remove(name), { "aria-label": t("buildRemoveFileLabel", { name }) }));
    return cells;
  }

  async #remove(name) {
    const act = () => json(filePath(this.base.name, "files", name), { method: "DELETE" });
    if (!(await confirmed(t("buildRemoveTitle", { name }), t("buildRemoveMore"), t("buildDeleteDo"), act))) return;
    await this.read("files");
    this.title.focus();
    this.say(t("buildRemoved", { name }));
  }

  async #ended(stored, refused) {
    this.say(t("buildUploaded", { stored, refused }));
    await this.read("files");
  }
}

// The Build view: a teacher makes a knowledge base, fills it, rebuilds it, and sees what it is worth.

import { json, kbPath, pause } from "../api.js";
import { button, el } from "../dom.js";
import { addTexts, t } from "../i18n.js";
import { loadBase, saveBase } from "../store.js";
import { CertificateSection } from "./certificate.js";
import { confirmed, named } from "./confirm.js";
import { Files } from "./files.js";
import { Gaps } from "./gaps.js";
import { failure } from "./parts.js";
import { Rebuild } from "./rebuild.js";
import { Report } from "./report.js";
import { Reviews } from "./reviews.js";
import { TEXTS } from "./texts.js";

addTexts(TEXTS);
// How often a generation that was just published is looked for before the service has taken it up.
const LOOKS = 30;

export class BuildView {
  // Each { name, served }: what GET /kbs says of it, null where it answers nothing yet.
  #bases = [];
  #base = null;
  #isShown = false;
  #select = el("select", { id: "build-kb" });
  #label = el("label", { htmlFor: "build-kb" });
  #make = button("", () => this.#create(), { className: "outlined" });
  #drop = button("", () => this.#delete());
  #status = el("p", { className: "visually-hidden", role: "status" });
  #trouble = el("div");
  #empty = el("p", { className: "empty" });
  #parts = el("div", { className: "parts" });
  #say = (text) => {
    this.#status.textContent = text;
  };
  #files = new Files(this.#say);
  #rebuild = new Rebuild(this.#say, (generation) => this.#changed(generation));
  #certificate = new CertificateSection();
  #sections = [this.#files, this.#rebuild, new Report(), this.#certificate, new Gaps(), new Reviews(this.#say)];

  constructor(root) {
    this.root = root;
    this.#select.onchange = () => this.#choose(this.#select.value);
    this.#parts.append(...this.#sections.map(({ element }) => element));
    const bar = el("div", { className: "row tools" }, this.#label, this.#select, this.#make, el("span", { className: "grow" }), this.#drop);
    root.append(el("div", { className: "sheet" }, bar, this.#status, this.#trouble, this.#empty, this.#parts));
    root.ondragover = (event) => this.#over(event, true);
    root.ondragleave = (event) => this.#over(event, root.contains(event.relatedTarget));
    root.ondrop = (event) => {
      this.#over(event, false);
      if (this.#base) this.#files.take(event.dataTransfer.items);
    };
    this.#write();
  }

  async show() {
    this.#isShown = true;
    while (this.#isShown && !(await this.#load())) await pause();
  }

  hide() {
    this.#isShown = false;
    this.#rebuild.hide();
  }

  draw() {
    this.#write();
    if (this.#base) for (const section of this.#sections) if (!section.element.hidden) section.draw();
  }

  focus() {
    this.#select.focus();
  }

  #write() {
    this.#label.textContent = t("kb");
    this.#make.textContent = t("buildNew");
    this.#drop.textContent = t("buildDelete");
    this.#empty.textContent = t("buildNone");
  }

  #over(event, isOver) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    this.root.classList.toggle("over", isOver && this.#base !== null);
  }

  // Whether there is no need to look again.
  async #load(name = this.#base?.name ?? loadBase()) {
    try {
      await this.#list();
      this.#trouble.replaceChildren();
      await this.#choose(name);
      return true;
    } catch (error) {
      this.#trouble.replaceChildren(failure(error));
      return error.status >= 400 && error.status < 500;
    }
  }

  async #list() {
    const { kbs, unbuilt } = await json("kbs");
    this.#bases = [...kbs.map((served) => ({ name: served.name, served })), ...unbuilt.map((name) => ({ name, served: null }))];
    this.#select.replaceChildren(...this.#bases.map(({ name }) => el("option", { value: name, textContent: name })));
  }

  async #choose(name) {
    const base = this.#bases.find((one) => one.name === name) ?? this.#bases[0] ?? null;
    this.#base = base;
    this.#empty.hidden = base !== null;
    for (const element of [this.#parts, this.#drop, this.#select, this.#label]) element.hidden = base === null;
    if (!base) {
      this.#rebuild.hide();
      return;
    }
    this.#select.value = base.name;
    saveBase(base.name);
    await Promise.all(this.#sections.map((section) => section.show(base)));
  }

  // Reads anew what hangs on the served generation; null: none that is new is served.
  async #changed(generation) {
    const { name } = this.#base;
    try {
      await this.#await(name, generation);
    } catch (error) {
      this.#trouble.replaceChildren(failure(error));
    }
  }

  async #await(name, generation) {
    for (let look = 0; look < LOOKS; look++) {
      await this.#list();
      const base = this.#bases.find((one) => one.name === name);
      if (this.#base.name !== name || !base) return;
      this.#select.value = name;
      if (generation === null || base.served?.generation === generation) {
        this.#base = base;
        this.#rebuild.serve(base);
        await Promise.all(this.#sections.filter((section) => section !== this.#rebuild).map((section) => section.show(base)));
        return;
      }
      await pause();
    }
  }

  async #create() {
    const name = await named((text) => json("kbs", { body: { name: text } }));
    if (name === null) return;
    await this.#load(name);
    this.#say(t("buildCreated", { kb: name }));
    this.#files.title.focus();
  }

  async #delete() {
    const { name } = this.#base;
    const { folder, uploaded } = this.#files.folder ?? { uploaded: true };
    const more = uploaded || folder === null ? t("buildDeleteUploads") : t("buildDeleteKept", { folder });
    const act = () => json(kbPath(name), { method: "DELETE" });
    if (!(await confirmed(t("buildDeleteTitle", { kb: name }), more, t("buildDeleteDo"), act))) return;
    await this.#load(null);
    this.#say(t("buildDeleted", { kb: name }));
    this.#make.focus();
  }
}

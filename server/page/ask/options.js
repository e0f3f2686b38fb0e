// What is asked, and how: knowledge base, books, and the options of /ask.

import { byId, el } from "../dom.js";
import { t } from "../i18n.js";
import { loadChoices, saveChoices } from "../store.js";

// Name in the request, text, and bounds; those below `options` in the request belong to language models.
const NUMBERS = [
  ["top_k", "topK", { min: 1, max: 50, step: 1 }, false],
  ["max_new_tokens", "maxTokens", { min: 1, max: 8192, step: 1 }, true],
  ["temperature", "temperature", { min: 0, max: 2, step: 0.1 }, true],
  ["top_p", "topP", { min: 0.05, max: 1, step: 0.05 }, true],
  ["sample_k", "sampleK", { min: 1, max: 1000, step: 1 }, true],
];
const LISTS = [
  ["writer", "writer", [["auto", "writerAuto"], ["extractive", "writerExtractive"]]],
  ["mode", "mode", [["grounded", "modeGrounded"], ["tutor", "modeTutor"], ["exam", "modeExam"]]],
];

export class Options {
  #choices = loadChoices();
  #bases = [];

  constructor(onBase) {
    byId("kb").onchange = (event) => {
      this.#choices.kb = event.target.value;
      this.#choices.books = [];
      this.#save();
      this.#drawBooks();
      onBase();
    };
  }

  get kb() {
    return byId("kb").value;
  }

  // bases: as GET /kbs lists them.
  setBases(bases) {
    this.#bases = bases;
    const chosen = bases.some(({ name }) => name === this.#choices.kb) ? this.#choices.kb : defaultOf(bases);
    byId("kb").replaceChildren(...bases.map(({ name }) => el("option", { value: name, textContent: name, selected: name === chosen })));
    this.draw();
  }

  draw() {
    this.#drawBooks();
    byId("fields").replaceChildren(...LISTS.map((list) => this.#list(...list)), ...NUMBERS.map((number) => this.#number(...number)));
  }

  // The part of a request that says what is wanted.
  request() {
    const wanted = { kb: this.kb, ...this.#scope(), options: {} };
    for (const [name] of LISTS) if (this.#choices[name]) wanted[name] = this.#choices[name];
    for (const [name, , bounds, ofModel] of NUMBERS) {
      const value = this.#choices[name];
      if (value === undefined || value < bounds.min || value > bounds.max) continue;
      if (ofModel) wanted.options[name === "sample_k" ? "top_k" : name] = value;
      else wanted[name] = value;
    }
    return wanted;
  }

  #books() {
    return this.#bases.find(({ name }) => name === this.kb)?.books ?? [];
  }

  // Whole subjects are named as such, so that books that join them later are searched too.
  #scope() {
    const books = this.#books();
    const chosen = new Set(this.#choices.books ?? []);
    const wanted = books.filter(({ source }) => chosen.has(source));
    if (!wanted.length || wanted.length === books.length) return {};
    const whole = [...new Set(wanted.map(({ subject }) => subject))];
    const all = books.filter(({ subject }) => whole.includes(subject));
    return all.length === wanted.length ? { subjects: whole } : { books: wanted.map(({ source }) => source) };
  }

  #drawBooks() {
    const books = this.#books();
    byId("scope").hidden = books.length < 2;
    const chosen = new Set(this.#choices.books ?? []);
    const boxes = [];
    for (const subject of new Set(books.map((book) => book.subject))) {
      const group = el("fieldset", {}, el("legend", { textContent: subject }));
      for (const { source, title } of books.filter((book) => book.subject === subject)) {
        const box = el("input", { type: "checkbox", checked: chosen.has(source), value: source });
        box.onchange = () => this.#choose(source, box.checked);
        group.append(el("label", { className: "check" }, box, el("span", { textContent: title, title: source })));
      }
      boxes.push(group);
    }
    byId("books").replaceChildren(...boxes);
    this.#tell();
  }

  #choose(source, wanted) {
    const chosen = new Set(this.#choices.books ?? []);
    if (wanted) chosen.add(source);
    else chosen.delete(source);
    this.#choices.books = [...chosen];
    this.#save();
    this.#tell();
  }

  #tell() {
    const chosen = this.#choices.books?.length ?? 0;
    byId("scope-chosen").textContent = chosen ? t("chosenBooks", { n: chosen }) : t("allBooks");
  }

  #list(name, text, values) {
    const options = values.map(([value, label]) => el("option", { value, textContent: t(label), selected: this.#choices[name] === value }));
    const field = el("select", {}, ...options);
    field.onchange = () => this.#set(name, field.value);
    return el("label", {}, el("span", { textContent: t(text) }), field);
  }

  #number(name, text, bounds) {
    const field = el("input", { type: "number", inputMode: "decimal", ...bounds, value: this.#choices[name] ?? "" });
    field.onchange = () => this.#set(name, field.value === "" || !field.checkValidity() ? undefined : Number(field.value));
    return el("label", {}, el("span", { textContent: t(text) }), field);
  }

  #set(name, value) {
    this.#choices[name] = value;
    this.#save();
  }

  #save() {
    saveChoices(this.#choices);
  }
}

const defaultOf = (bases) => (bases.find(({ name }) => name === "default") ?? bases[0])?.name;

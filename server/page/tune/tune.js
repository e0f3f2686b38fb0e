// The Tune view: the courses, and how far the chosen one is.

import { events, json, pause, told } from "../api.js";
import { button, el } from "../dom.js";
import { addTexts, t } from "../i18n.js";
import { Course } from "./course.js";
import { empty } from "./empty.js";
import { TEXTS } from "./texts.js";

addTexts(TEXTS);

export class TuneView {
  #root;
  #list = el("ul", { className: "tune-list" });
  // What hinders all courses, until it does no more; and what was refused, until something else is asked for.
  #notice = el("p", { className: "notice", role: "status" });
  #refused = el("p", { className: "notice", role: "alert" });
  #said = el("p", { className: "visually-hidden", role: "status" });
  #course = new Course((action, body) => this.#act(action, body));
  #listed = null;
  #chosen = null;
  #watch = null;

  constructor(root) {
    this.#root = root;
  }

  show() {
    this.draw();
    this.#restart();
  }

  hide() {
    this.#watch?.abort();
    this.#watch = null;
  }

  draw() {
    const side = el("nav", { className: "tune-side", "aria-label": t("tuneCourses") }, this.#list);
    const head = el("h2", { textContent: t("tune") });
    const intro = el("p", { className: "faint", textContent: t("tuneIntro") });
    const top = el("header", { className: "tune-head" }, head, intro);
    const none = this.#listed && !this.#listed.courses.length;
    const body = none ? empty(this.#listed.folder) : el("div", { className: "tune-desk" }, side, this.#course.root);
    this.#root.replaceChildren(top, this.#notice, this.#refused, this.#said, body);
    this.#drawList();
    this.#course.draw();
  }

  focus() {
    this.#root.focus();
  }

  // Looks at the courses from now on, instead of whatever was followed before.
  #restart() {
    this.#watch?.abort();
    this.#watch = new AbortController();
    this.#look(this.#watch.signal);
  }

  async #look(signal) {
    while (!signal.aborted) {
      try {
        await this.#load(signal);
        this.#tell(this.#missing());
        if (this.#chosen && this.#course.isRunning) await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#tell(told(error));
        if (error.status === 401 || error.status === 403) return;
      }
      await pause();
    }
  }

  async #load(signal) {
    const wasEmpty = !this.#listed?.courses.length;
    const listed = await json("courses", { signal });
    this.#listed = listed;
    const names = listed.courses.map((course) => course.name);
    if (!names.includes(this.#chosen)) this.#chosen = this.#running()?.name ?? names[0] ?? null;
    if (wasEmpty || !names.length) this.draw();
    else this.#drawList();
    if (!this.#chosen) return;
    const detail = await json(this.#path(), { signal });
    if (!signal.aborted) this.#show(detail);
  }

  async #follow(signal) {
    for await (const { name, data } of events(this.#path("events"), { signal })) {
      if (signal.aborted) return;
      if (name === "state") this.#show(data);
      else if (name === "step") this.#course.step(data);
    }
  }

  #show(detail) {
    const other = this.#running();
    this.#course.show(detail, { installed: this.#listed.installed, busy: other && other.name !== detail.name ? other.name : "" });
    const listed = this.#listed.courses.find((course) => course.name === detail.name);
    if (listed) Object.assign(listed, { status: detail.status, title: detail.title });
    this.#drawList();
    const step = detail.steps.find((one) => one.status === "running");
    const said = `${detail.name}: ${step ? t(`tuneStep_${step.name}`) : t(`tuneStatus_${detail.status}`)}`;
    if (this.#said.textContent !== said) this.#said.textContent = said;
  }

  async #act(action, body = {}) {
    try {
      const done = await json(this.#path(action), { method: "POST", body });
      this.#refused.textContent = "";
      if (action !== "publish" || body.upload) this.#restart();
      return done;
    } catch (error) {
      this.#refused.textContent = told(error);
      return null;
    }
  }

  #choose(name) {
    this.#chosen = name;
    this.#refused.textContent = "";
    this.#course.clear();
    this.#drawList();
    this.#restart();
  }

  #path(rest = "") {
    return ["courses", encodeURIComponent(this.#chosen), rest].filter(Boolean).join("/");
  }

  #running() {
    return this.#listed?.courses.find((course) => course.status === "running");
  }

  // Said anew only when it is another thing: it is read out.
  #tell(text) {
    if (this.#notice.textContent !== text) this.#notice.textContent = text;
  }

  #missing() {
    const missing = this.#listed.missing;
    return missing ? told(missing) : "";
  }

  #drawList() {
    const focused = this.#list.contains(document.activeElement);
    const entries = (this.#listed?.courses ?? []).map((course) => {
      const name = el("span", { className: "tune-name", textContent: course.name });
      const status = el("span", { className: `tune-status ${course.status}`, textContent: t(`tuneStatus_${course.status}`) });
      const current = course.name === this.#chosen;
      const choose = button("", () => this.#choose(course.name), { className: "tune-course" });
      if (current) choose.setAttribute("aria-current", "true");
      choose.append(name, status);
      return el("li", {}, choose);
    });
    this.#list.replaceChildren(...entries);
    if (focused) this.#list.querySelector("[aria-current]")?.focus();
  }
}

// Starts a rebuild, follows it, and goes back to the generation before.

import { events, json, kbPath, pause } from "../api.js";
import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { confirmed } from "./confirm.js";
import { JobView } from "./job.js";
import { date, failure, note, Section } from "./parts.js";

export class Rebuild extends Section {
  #following = null;
  #job = null;
  #said = el("div");
  #view = el("div");
  #force = el("input", { type: "checkbox" });

  // say(text): for whoever does not see the view. changed(generation): that one is to be served from now on.
  constructor(say, changed) {
    super("rebuild");
    this.say = say;
    this.changed = changed;
  }

  // Also finds a rebuild that somebody else has started, or that was under way when the page was left.
  async show(base) {
    this.hide();
    this.base = base;
    this.#job = null;
    this.#said.replaceChildren();
    this.draw();
    try {
      const { jobs } = await json("jobs");
      const latest = jobs.find(({ kb }) => kb === base.name);
      if (base === this.base && latest) this.#follow(latest);
    } catch (error) {
      if (base === this.base) this.#said.replaceChildren(failure(error));
    }
  }

  hide() {
    this.#following?.abort();
    this.#following = null;
  }

  // What is served may have changed; the rebuild that is shown has not.
  serve(base) {
    this.base = base;
    this.draw();
  }

  draw() {
    this.title.textContent = t("buildRebuild");
    const { served } = this.base;
    const line = served
      ? t("buildServed", { generation: served.generation, date: date(served.created_at), books: served.books.length, chunks: served.chunks })
      : t("buildUnserved");
    const isRunning = this.#job?.isRunning ?? false;
    const start = button(t("buildRebuild"), () => this.#start(), { className: "strong", disabled: isRunning });
    const row = el("p", { className: "row tools" }, start, el("label", { className: "check" }, this.#force, t("buildForce")), el("span", { className: "grow" }));
    if (served) row.append(button(t("buildRollback"), () => this.#rollback(), { disabled: isRunning }));
    this.#job?.draw();
    this.#view.replaceChildren(...(this.#job ? [this.#job.element] : []));
    this.body.replaceChildren(el("p", { className: "served", textContent: line }), note(t("buildRebuildMore")), row, this.#said, this.#view);
  }

  async #start() {
    this.#said.replaceChildren();
    try {
      const job = await json(kbPath(this.base.name, "rebuild"), { body: { force: this.#force.checked } });
      this.say(t("buildStarted"));
      this.#follow(job);
      this.title.focus();
      this.#view.scrollIntoView({ block: "nearest" });
    } catch (error) {
      this.#said.replaceChildren(failure(error));
    }
  }

  async #follow(job) {
    this.hide();
    const { signal } = (this.#following = new AbortController());
    const view = new JobView(job, (text) => this.say(text), () => this.title.focus());
    this.#job = view;
    // One that had ended before is not news.
    const isNews = view.isRunning;
    this.draw();
    for (let after = 0; !signal.aborted; await pause()) {
      try {
        for await (const { name, data } of events(`jobs/${job.id}/events?after=${after}`, { signal })) {
          if (name !== "end") after = data.n;
          if (name === "end") {
            await view.end(data, isNews);
            if (isNews && !signal.aborted) await this.changed(view.generation);
            if (!signal.aborted) this.draw();
            return;
          }
          view.take(data);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#said.replaceChildren(failure(error));
        // A service that is away for a moment comes back; one that refuses does not change its mind.
        if (error.status >= 400 && error.status < 500) return;
      }
    }
  }

  async #rollback() {
    let now;
    const act = async () => {
      now = await json(kbPath(this.base.name, "rollback"), { body: {} });
    };
    if (!(await confirmed(t("buildRollbackTitle"), t("buildRollbackMore"), t("buildRollbackDo"), act))) return;
    const text = t("buildRolledBack", { generation: now.generation, before: now.instead_of });
    this.#said.replaceChildren(el("p", { className: "hint", textContent: text }));
    this.say(text);
    await this.changed(now.generation);
    this.title.focus();
  }
}

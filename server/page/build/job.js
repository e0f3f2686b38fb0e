// One rebuild, as it is shown: how far it is, what became of each file, how it ended.

import { json, request } from "../api.js";
import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { bytes, date, failure, fault, status } from "./parts.js";

// As `ingest` names its stages.
const STAGES = {
  start: "buildStageStart",
  "load the embedder": "buildStageEmbedder",
  "read the books": "buildStageRead",
  "write the index": "buildStageWrite",
  "measure refusals": "buildStageMeasure",
};
const ENDS = { failed: "buildJobFailed", cancelled: "buildJobCancelled", interrupted: "buildJobInterrupted" };

export class JobView {
  #files = [];
  #report = null;
  #stage = el("strong");
  #bar = el("progress");
  #counts = el("span", { className: "faint" });
  #stop = button("", () => this.#cancel(), { className: "outlined" });
  #trouble = el("div");
  #list = el("ul", { className: "outcomes", tabIndex: 0 });
  #summary = el("summary");
  #details = el("details", {}, this.#summary, this.#list);

  // say(text): for whoever does not see the view. leave(): takes the focus from a button that goes.
  constructor(job, say, leave) {
    this.job = job;
    this.say = say;
    this.leave = leave;
    this.element = el("div", { className: "job" });
    this.#details.open = this.isRunning;
  }

  get isRunning() {
    return this.job.status === "running";
  }

  // What is served after it; null where nothing new is.
  get generation() {
    return this.#report?.published ? this.#report.generation : null;
  }

  take({ kind, progress, file }) {
    const before = this.job.progress.stage;
    this.job.progress = progress;
    if (kind === "file") {
      this.#files.push(file);
      this.#list.append(outcome(file));
    }
    if (this.isRunning && progress.stage !== before) this.say(stage(progress.stage));
    this.#measure();
  }

  async end(job, isNews) {
    this.job = job;
    if (job.status === "done") {
      try {
        this.#report = await json(`jobs/${job.id}/report`);
      } catch (error) {
        this.#trouble.replaceChildren(failure(error));
      }
    }
    this.#details.open = isNews && this.#files.some(({ reason }) => reason);
    if (isNews) this.say([this.#ending(), this.#published()].join(" "));
  }

  draw() {
    this.#list.setAttribute("aria-label", t("buildOutcomes"));
    this.#list.replaceChildren(...this.#files.map(outcome));
    this.#measure();
    if (this.isRunning) {
      this.#bar.setAttribute("aria-label", t("buildProgress"));
      this.#stop.textContent = t(this.job.cancelling ? "buildStopping" : "buildStop");
      this.#stop.disabled = this.job.cancelling;
      this.element.replaceChildren(el("p", { className: "stage" }, this.#stage, this.#counts), this.#bar, this.#stop, this.#trouble, this.#details);
      return;
    }
    const { problem, status: how } = this.job;
    const parts = [el("p", {}, el("strong", { textContent: this.#ending() }))];
    if (how === "done") parts.push(el("p", { textContent: this.#published() }));
    if (problem && how !== "cancelled") parts.push(fault(problem.detail, problem.mend));
    if (this.#report) parts.push(button(t("buildDownload"), () => this.#download(), { className: "outlined" }));
    this.element.replaceChildren(...parts, this.#trouble, this.#details);
  }

  #measure() {
    const { stage: name, files, files_done: done, size, size_done: sizeDone, passages } = this.job.progress;
    this.#stage.textContent = stage(name);
    this.#counts.textContent = files ? t("buildCounts", { done, files, sizeDone: bytes(sizeDone), size: bytes(size), passages }) : "";
    this.#bar.max = size || 1;
    // Without a value the bar moves to and fro: nobody knows how long a stage without files takes.
    if (size && sizeDone < size) this.#bar.value = sizeDone;
    else this.#bar.removeAttribute("value");
    this.#summary.textContent = t("buildEachFile", { n: this.#files.length });
    this.#details.hidden = !this.#files.length;
  }

  #ending() {
    const { status: how, finished_at: at, started_at: from } = this.job;
    return t(ENDS[how] ?? "buildJobDone", { date: date(at ?? from) });
  }

  #published() {
    if (!this.#report) return "";
    const { generation, published, chunks, seconds } = this.#report;
    if (published) return t("buildPublished", { generation, chunks, seconds: seconds.toFixed(1) });
    return generation ? t("buildUnchanged", { generation }) : t("buildNothing");
  }

  async #cancel() {
    this.#trouble.replaceChildren();
    this.leave();
    this.#stop.disabled = true;
    try {
      const { cancelling } = await json(`jobs/${this.job.id}`, { method: "DELETE" });
      // Its end comes with the events.
      this.job.cancelling ||= cancelling;
      this.#stop.textContent = t("buildStopping");
      this.say(t("buildStopping"));
    } catch (error) {
      this.#stop.disabled = false;
      this.#trouble.replaceChildren(failure(error));
    }
  }

  // Fetched, since a link cannot send the key.
  async #download() {
    try {
      const response = await request(`jobs/${this.job.id}/report`);
      const address = URL.createObjectURL(await response.blob());
      el("a", { href: address, download: `${this.job.kb}-${this.job.id}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    } catch (error) {
      this.#trouble.replaceChildren(failure(error));
    }
  }
}

const stage = (name) => (name in STAGES ? t(STAGES[name]) : name);

function outcome({ source, status: how, pages, chunks, ocr_pages: ocr, reason, mend, notes }) {
  const counts = [];
  if (pages) counts.push(t("buildPages", { n: pages }));
  if (chunks) counts.push(t("buildPassages", { n: chunks }));
  if (ocr) counts.push(t("buildOcr", { n: ocr }));
  const line = el("li", {}, el("span", { className: "name", textContent: source }), status(how), el("span", { className: "faint", textContent: counts.join(" · ") }));
  if (reason) line.append(fault(reason, mend));
  for (const text of notes) line.append(el("p", { className: "faint", textContent: text }));
  return line;
}

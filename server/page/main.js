// Wires the page together.

import { json } from "./api.js";
import { Conversation } from "./conversation.js";
import { button, byId, el } from "./dom.js";
import { switchLanguage, t, translate } from "./i18n.js";
import { Options } from "./options.js";
import { Panel } from "./panel.js";
import { followTheme } from "./theme.js";

const START_SECONDS = 2;

translate();
followTheme(byId("theme"));
const panel = new Panel();
const options = new Options(showExamples);
const conversation = new Conversation(options, panel);
const question = byId("question");

byId("composer").onsubmit = (event) => {
  event.preventDefault();
  if (conversation.isWriting || !question.value.trim()) return;
  conversation.ask(question.value.trim());
  question.value = "";
  fit();
};
byId("stop").onclick = () => conversation.stop();
byId("clear").onclick = () => conversation.clear();
byId("language").onclick = () => {
  switchLanguage();
  panel.close();
  options.draw();
  conversation.draw();
};

question.oninput = fit;
question.onkeydown = (event) => {
  // Enter also ends the writing of Chinese characters in an input method: that one does not send.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  byId("composer").requestSubmit();
};

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || byId("key-dialog").open) return;
  if (conversation.isWriting) conversation.stop();
  else if (panel.isOpen) panel.close();
});

// As high as its text; the style sheet bounds it.
function fit() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

async function showExamples() {
  byId("examples").replaceChildren();
  if (!options.kb) return;
  let questions = [];
  try {
    ({ questions } = await json(`kbs/${encodeURIComponent(options.kb)}/examples`));
  } catch {
    // The page is of use without examples.
    return;
  }
  const items = questions.map((text) => el("li", {}, button(text, () => conversation.ask(text), { className: "example" })));
  byId("examples").replaceChildren(...items);
}

async function start() {
  for (;;) {
    try {
      const { kbs } = await json("kbs");
      options.setBases(kbs);
      conversation.tell(kbs.length ? "" : t("none"));
      await showExamples();
      if (kbs.length) return;
    } catch (error) {
      conversation.tell(error.status === 503 ? t("waiting") : `${error.detail ?? error.message} ${error.mend ?? ""}`);
      if (error.status === 401 || error.status === 403) return;
    }
    await new Promise((resolve) => setTimeout(resolve, START_SECONDS * 1000));
  }
}

conversation.draw();
await start();

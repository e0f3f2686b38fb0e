// Whether an answer helped: a thumb up is sent at once, a thumb down with what its reader has to say.

import { json } from "../api.js";
import { button, el } from "../dom.js";
import { t } from "../i18n.js";

export function feedbackForm(turn, actions) {
  const box = el("div", { className: "feedback" });
  if (turn.thumb) {
    thank(box);
    return box;
  }
  const send = (thumb, comment, corrected) => sendFeedback(turn, { thumb, comment, corrected_answer: corrected }, box, actions);
  const down = button(t("bad"), open, { className: "quiet thumb", "aria-expanded": "false" });
  const up = button(t("good"), () => send("up", "", ""), { className: "quiet thumb" });
  box.append(el("div", { className: "row" }, up, down));

  function open() {
    if (box.querySelector("form")) return;
    down.setAttribute("aria-expanded", "true");
    box.append(form((comment, corrected) => send("down", comment, corrected)));
    box.querySelector("textarea").focus();
  }
  return box;
}

function form(send) {
  const comment = el("textarea", { rows: 2, maxLength: 2000 });
  const corrected = el("textarea", { rows: 3, maxLength: 8000 });
  const submit = el("button", { type: "submit", className: "strong", textContent: t("sendFeedback") });
  const fields = el(
    "form",
    {},
    el("label", {}, t("comment"), comment),
    el("label", {}, t("corrected"), corrected),
    el("p", { className: "row" }, submit),
  );
  fields.onsubmit = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    await send(comment.value.trim(), corrected.value.trim());
    submit.disabled = false;
  };
  return fields;
}

async function sendFeedback(turn, said, box, actions) {
  box.querySelector(".note")?.remove();
  try {
    await json("feedback", { body: { answer_id: turn.answer.id, ...said } });
  } catch (error) {
    box.append(el("p", { className: "note", role: "alert", textContent: `${error.detail ?? error.message} ${error.mend ?? ""}` }));
    return;
  }
  turn.thumb = said.thumb;
  actions.save();
  thank(box);
  actions.say(t("thanks"));
}

function thank(box) {
  box.replaceChildren(el("p", { className: "faint", textContent: t("thanks") }));
}

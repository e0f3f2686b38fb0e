// Wires the page together: the views, and who may see them.

import { json, pause, told } from "./api.js";
import { AskView } from "./ask/ask.js";
import { byId } from "./dom.js";
import { switchLanguage, translate } from "./i18n.js";
import { followTheme } from "./theme.js";

// Loaded when they are first looked at: most people only ask. Each view has show, hide, draw and focus.
const LATER = {
  build: async () => (await import("./build/build.js")).BuildView,
  tune: async () => (await import("./tune/tune.js")).TuneView,
};
const views = { ask: new AskView() };
let current = null;

translate();
followTheme(byId("theme"));

byId("language").onclick = () => {
  switchLanguage();
  for (const view of Object.values(views)) view.draw();
};
byId("skip").onclick = (event) => {
  event.preventDefault();
  views[current].focus();
};

// The view that the address names; one that is not offered is not shown.
function wanted() {
  const name = location.hash.slice(2);
  const link = byId("views").querySelector(`a[href="#/${CSS.escape(name)}"]`);
  return link && !link.hidden && !byId("views").hidden ? name : "ask";
}

async function turn() {
  const name = wanted();
  if (name === current) return;
  if (current) views[current].hide();
  current = name;
  for (const element of document.querySelectorAll("[data-view]")) element.hidden = element.dataset.view !== name;
  for (const link of byId("views").children) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!views[name]) {
    const View = await LATER[name]();
    // Somebody who goes to and fro while it loads gets one all the same.
    views[name] ??= new View(byId(name));
  }
  if (current === name) await views[name].show();
}

// The key of a student opens no other view than the first.
async function offer() {
  const { role, tunes } = await json("me");
  byId("views").hidden = role === "ask";
  byId("views").querySelector('[href="#/tune"]').hidden = !tunes;
}

async function start() {
  for (;;) {
    try {
      await offer();
      break;
    } catch (error) {
      views.ask.tell(told(error));
      if (error.status === 401) return;
    }
    await pause();
  }
  addEventListener("hashchange", turn);
  await turn();
}

await start();

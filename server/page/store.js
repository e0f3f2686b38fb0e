// What outlives a reload. sessionStorage belongs to one tab: tabs never see each other's conversations.

const CONVERSATION = "keben.conversation";
const CHOICES = "keben.choices";
const BASE = "keben.base";
const KEY = "keben.key";
const MOST_TURNS = 50;

function read(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function loadTurns() {
  const turns = read(CONVERSATION, []);
  // An answer that was on its way when the page was left does not come any more.
  for (const turn of turns) if (turn.state === "writing") turn.state = "stopped";
  return turns;
}

export function saveTurns(turns) {
  let kept = turns.slice(-MOST_TURNS);
  for (;;) {
    try {
      sessionStorage.setItem(CONVERSATION, JSON.stringify(kept));
      return;
    } catch (error) {
      if (error.name !== "QuotaExceededError" || kept.length === 0) throw error;
      kept = kept.slice(1);
    }
  }
}

export const loadChoices = () => read(CHOICES, {});
export const saveChoices = (choices) => sessionStorage.setItem(CHOICES, JSON.stringify(choices));
// The knowledge base that is being built.
export const loadBase = () => sessionStorage.getItem(BASE);
export const saveBase = (name) => sessionStorage.setItem(BASE, name);
export const loadKey = () => sessionStorage.getItem(KEY);
export const saveKey = (key) => sessionStorage.setItem(KEY, key);

// Asks for an API key, once, however many requests wait for it.

import { byId } from "./dom.js";
import { loadKey, saveKey } from "./store.js";

let asking = null;

// Resolves true once there is another key than `refused`, false when none is given.
export function askForKey(refused) {
  if (loadKey() !== refused) return Promise.resolve(true);
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    const field = byId("key");
    field.value = "";
    byId("key-form").onsubmit = () => saveKey(field.value.trim());
    dialog.onclose = () => {
      asking = null;
      field.value = "";
      resolve(loadKey() !== refused);
    };
    dialog.showModal();
    field.focus();
  });
  return asking;
}

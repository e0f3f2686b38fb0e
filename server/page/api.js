// Requests to the service: the key, problem documents, server-sent events.

import { t } from "./i18n.js";
import { askForKey } from "./key.js";
import { loadKey } from "./store.js";

const PAUSE_SECONDS = 2;

export class Problem extends Error {
  constructor(status, detail, mend = "") {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.mend = mend;
  }
}

// What went wrong, and the mend, in a line.
export const told = (error) => [error.detail ?? error.message, error.mend].filter(Boolean).join(" — ");

export const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_SECONDS * 1000));

// The response, if it is a good one; else throws Problem, or AbortError once `signal` has stopped it.
export function request(path, { method, body, signal } = {}) {
  return withKey(async (headers) => {
    if (body) headers["Content-Type"] = "application/json";
    try {
      return await fetch(path, { method: method ?? (body ? "POST" : "GET"), headers, body: body && JSON.stringify(body), signal });
    } catch (error) {
      throw error instanceof TypeError ? new Problem(0, t("offline"), t("offlineMend")) : error;
    }
  });
}

// As `request`. send(headers): the response to a request with them; sent again with another key where one is refused.
export async function withKey(send) {
  for (;;) {
    const key = loadKey();
    const response = await send(key ? { Authorization: `Bearer ${key}` } : {});
    if (response.ok) return response;
    if (response.status === 401 && (await askForKey(key))) continue;
    throw await problemOf(response);
  }
}

async function problemOf(response) {
  try {
    const { detail, mend } = await response.json();
    return new Problem(response.status, detail, mend);
  } catch {
    return new Problem(response.status, `${response.status} ${response.statusText}`);
  }
}

export async function json(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

// Name and data of each server-sent event, as it comes. options: as of `request`.
export async function* events(path, options) {
  const response = await request(path, options);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw error instanceof TypeError ? new Problem(0, t("offline"), t("offlineMend")) : error;
    }
    if (piece.done) return;
    waiting = (waiting + piece.value).replace(/\r\n/g, "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) yield event;
    }
  }
}

function parsed(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

// Where a knowledge base is, what belongs to it, and a file of it below `folder`; its name may have folders.
export const kbPath = (kb, rest = "") => ["kbs", encodeURIComponent(kb), rest].filter(Boolean).join("/");
export const filePath = (kb, folder, name) => kbPath(kb, [folder, ...name.split("/").map(encodeURIComponent)].join("/"));

// The service's JSON. What was answered once is kept, and asked for again only by its ETag.

const kept = new Map();
const PATIENCE_MS = 10000;
const KEY = "driftlead.key";

/** The service cannot be reached. */
export class NoAnswer extends Error {}

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Get a document; `fresh` tells whether it is another one than last time. */
export async function get(path) {
  const known = kept.get(path);
  const headers = { Accept: "application/json" };
  if (known) headers["If-None-Match"] = known.tag;
  // The browser's own cache would answer a 304 as a 200, which had to be parsed again.
  const answer = await ask(path, { headers, cache: "no-store" });
  const now = Date.parse(answer.headers.get("Date") ?? "") / 1000 || Date.now() / 1000;
  if (answer.status === 304 && known) return { document: known.document, fresh: false, now };
  if (!answer.ok) throw new Refusal(answer.status, await reason(answer));
  const document = await answer.json();
  // One answer per resource: of a signal that is looked at no more, nothing stays.
  const resource = path.split("?")[0];
  for (const other of kept.keys()) if (other.split("?")[0] === resource) kept.delete(other);
  kept.set(path, { tag: answer.headers.get("ETag"), document });
  return { document, fresh: true, now };
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  const answer = await ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 401) sessionStorage.removeItem(KEY);
  if (!answer.ok) throw new Refusal(answer.status, await reason(answer));
  return answer.json();
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const keepKey = (key) => sessionStorage.setItem(KEY, key);

async function ask(path, options) {
  try {
    return await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new NoAnswer("the service does not answer");
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `the service answered with ${answer.status}`;
  }
}

/** The service's answers: a token where one is needed, problems as errors, stale answers dropped. */

const TOKEN = "joulecast-token";

/** What the service refused, with its own words. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   * @param {string[]} nearest
   */
  constructor(status, title, detail, nearest = []) {
    super(detail);
    this.status = status;
    this.title = title;
    this.nearest = nearest;
  }
}

/**
 * Asks for a token; set by the page.
 * @type {{ask: (refused: boolean) => Promise<string | null>}}
 */
export const keeper = { ask: async () => null };

/** @type {Promise<string | null> | null} */
let asking = null;

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, signal) {
  return (await answered(path, { signal })).json();
}

/**
 * @param {string} path
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function post(path, body, signal) {
  return (await answered(path, posted(JSON.stringify(body), "application/json", signal))).json();
}

function posted(body, type, signal) {
  return { method: "POST", body, headers: { "Content-Type": type }, signal };
}

async function answered(path, options) {
  let used = sessionStorage.getItem(TOKEN);
  let answer = await sent(path, options, used);
  while (answer.status === 401) {
    // Another request may have asked for a token in the meantime.
    const stale = used === sessionStorage.getItem(TOKEN);
    if (stale && !(await newToken(Boolean(used)))) break;
    used = sessionStorage.getItem(TOKEN);
    answer = await sent(path, options, used);
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function sent(path, options, token) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "No answer", "The service cannot be reached. Is it still running?");
  }
}

/** One question for a token at a time, however many requests wait for it. */
async function newToken(refused) {
  asking ??= keeper.ask(refused).finally(() => (asking = null));
  const token = await asking;
  if (token) sessionStorage.setItem(TOKEN, token);
  return Boolean(token);
}

async function problemOf(answer) {
  let facts = /** @type {any} */ ({});
  try {
    facts = await answer.json();
  } catch {
    facts = {}; // no JSON: the status has to do
  }
  const title = facts.title || `The service answered ${answer.status}`;
  const wait = answer.headers.get("Retry-After");
  const detail = facts.detail || answer.statusText || "No reason was given.";
  const near = Array.isArray(facts.nearest) ? facts.nearest.map(String) : [];
  return new Problem(answer.status, title, wait ? `${detail} (again in ${wait} s)` : detail, near);
}

/** The newest of several questions: an older one is called off and its answer never shown. */
export class Latest {
  /** @param {number} [waitMs] pause in typing that is waited for */
  constructor(waitMs = 0) {
    this.waitMs = waitMs;
    /** @type {AbortController | null} */
    this.running = null;
    this.timer = 0;
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @param {(answer: T) => void} show
   * @param {(error: any) => void} fail
   */
  ask(ask, show, fail) {
    this.stop();
    const waitMs = this.running ? this.waitMs : 0; // nobody types before the first question
    const own = new AbortController();
    this.running = own;
    this.timer = setTimeout(() => {
      ask(own.signal).then(
        (answer) => own.signal.aborted || show(answer),
        (error) => own.signal.aborted || fail(error),
      );
    }, waitMs);
  }

  stop() {
    clearTimeout(this.timer);
    this.running?.abort();
  }
}

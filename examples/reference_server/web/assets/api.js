// Talking to the API. Tokens are in cookies that scripts cannot read, so
// nothing is kept here. An expired access token is renewed by the server on
// the way; where that was not possible, the page asks for new ones, once.

// Empty where the API is on the same origin.
const base = document.querySelector('meta[name="api"]').content;

export const url = (path) => base + path;

/** A refusal by the server, or no answer at all. */
export class Refused extends Error {
  constructor(status, problem) {
    super(explain(status, problem));
    this.status = status;
    this.code = problem.code;
    this.reason = problem.reason;
  }
}

/** Says in plain words what a problem document says. */
function explain(status, problem) {
  const wait = problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : "";
  switch (problem.code) {
    case "invalid_credentials":
      return status === 403 ? "The current password is not right." : "Address and password do not match.";
    case "password_rejected": return `Please choose another password: ${problem.explanation ?? problem.reason}.`;
    case "rate_limited": return `That was too often.${wait}`;
    case "token_used_or_expired": return "This link was used or is too old. Ask for another one.";
    case "read_only": return "Accounts and pictures cannot be changed right now; everything can be read.";
    case "insufficient_role": return "Only administrators can do this.";
    case "own_account": return "This is your own account; let another administrator do it.";
    case "conflict": return sentence(problem.explanation ?? problem.detail);
    case "overloaded": return `Too much is going on right now.${wait}`;
    case "part_too_large":
    case "body_too_large": return "The file is too large.";
    case "media_type_mismatch": return `This is not an accepted picture: ${problem.detail}.`;
    case "quota_exceeded": return "There is no room left. Delete some pictures first.";
    case undefined: return status === 0 ? "The server cannot be reached." : `The server answered ${status}.`;
    default: return sentence(problem.detail ?? problem.code) + wait;
  }
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + ".";
export const megabytes = (bytes) => `${Math.round((bytes / 1048576) * 10) / 10} MiB`;

/** What new tokens help against. */
const renewable = ["token_expired", "token_not_yet_valid", "signing_key_revoked"];

/** Sends a request, a second time if new tokens help. */
async function send(path, options, again = true) {
  let response;
  try {
    response = await fetch(url(path), { credentials: "include", ...options });
  } catch {
    throw new Refused(0, {});
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (again && response.status === 401 && renewable.includes(problem.code)) {
    await renew();
    return send(path, options, false);
  }
  throw new Refused(response.status, problem);
}

/** Asks for new tokens. Of several tabs at once, one asks and the others wait. */
async function renew() {
  const name = "rampart-renewal";
  const ask = () => send("/api/auth/refresh", { method: "POST" }, false);
  if (!navigator.locks) return ask();
  const { held } = await navigator.locks.query();
  const another = held.some((lock) => lock.name === name);
  return navigator.locks.request(name, async () => { if (!another) await ask(); });
}

/** Calls the API and returns what the JSON says, or null. */
export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await send(path, options);
  return response.status === 204 ? null : response.json();
}

async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  problem.retryAfter = response.headers.get("Retry-After");
  return problem;
}

/** Fetches a picture and returns a URL for it in memory. */
export async function picture(path) {
  const response = await send(path, {});
  return URL.createObjectURL(await response.blob());
}

/** Uploads a file; `onProgress` gets a share from 0 to 1. */
export function upload(file, onProgress) {
  const request = new XMLHttpRequest();
  let cancelled = false;
  const form = new FormData();
  form.append("file", file);
  const sent = () => new Promise((resolve, reject) => {
    request.open("POST", url("/api/images"));
    request.withCredentials = true;
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 201) return resolve(request.response);
      const problem = request.response ?? {};
      problem.retryAfter = request.getResponseHeader("Retry-After");
      reject(new Refused(request.status, problem));
    };
    request.onerror = () => reject(new Refused(0, {}));
    request.onabort = () => reject(new Refused(0, { code: "cancelled", detail: "the upload was cancelled" }));
    if (cancelled) request.onabort();
    else request.send(form);
  });
  // Something small first: if the session has to be renewed, its answer brings
  // the new cookies home at once, and an upload's may come late or never.
  const done = call("GET", "/api/me").then(sent);
  return { done, cancel: () => { cancelled = true; request.abort(); } };
}

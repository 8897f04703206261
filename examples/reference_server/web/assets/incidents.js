// Incidents, accounts and the audit log, for administrators.

import { call } from "./api.js";
import { confirmWith } from "./dialogs.js";
import { $, element } from "./dom.js";

let guard = null;
/** Which incident is shown. */
let shown = null;

/** Wires the controls once. `run` runs an action and handles refusals. */
export function prepare(run, onSubmit) {
  guard = run;
  onSubmit($("open-incident"), "incident-problem", async () => {
    const incident = await call("POST", "/api/admin/incidents", { title: $("incident-title").value });
    $("open-incident").reset();
    shown = incident.id;
    await show();
  });
  $("verify-audit").addEventListener("click", () => guard(async () => {
    const verdict = await call("GET", "/api/admin/audit/verify");
    $("audit-verdict").textContent = verdict.ok
      ? `Nothing was changed: ${verdict.rows} rows follow each other.`
      : `The log is broken: ${verdict.problem}.`;
  }));
}

/** Shows everything anew. */
export async function show() {
  const [incidents, users] = await Promise.all([call("GET", "/api/admin/incidents"), call("GET", "/api/admin/users")]);
  $("read-only").hidden = !incidents.read_only;
  $("incident-list").replaceChildren(...incidents.items.map((incident) => {
    const open = element("button", { type: "button", className: "quiet", textContent: "Show" });
    open.setAttribute("aria-label", `Show ${incident.title}`);
    open.addEventListener("click", () => guard(() => showOne(incident.id, incidents.read_only)));
    return element("li", {}, element("span", {
      textContent: `${incident.title}, ${time(incident.opened_at)}, ${incident.closed_at ? "closed" : "open"}`,
    }), open);
  }));
  $("users").replaceChildren(...users.items.map(userRow));
  $("incident").hidden = true;
  if (shown) await showOne(shown, incidents.read_only);
}

const time = (seconds) => new Date(seconds * 1000).toLocaleString();

/** What can be done: what is sent, what the button says, what it means, the word. */
const actions = [
  [{ action: "rotate_key" }, "Rotate key", "Another key signs in a few seconds. Nobody is signed out.", null],
  [{ action: "revoke_key" }, "Revoke key", "Tokens of the key that signs are refused; clients ask for new ones.", "REVOKE"],
  [{ action: "revoke_everyone" }, "Sign everybody out", "All sessions end, yours too.", "EVERYBODY"],
  [{ action: "force_reset" }, "End all passwords", "Nobody can sign in before setting a new password, you neither.", "PASSWORDS"],
  [{ action: "notify", template: "breach" }, "Tell of a breach",
    "Each account gets a mail, once: its data may have been read, and it should set a new password.", "BREACH"],
  [{ action: "notify", template: "signed-out" }, "Tell why all were signed out",
    "Each account gets a mail, once: all sessions were ended, and signing in again is enough.", "SIGNED OUT"],
  [{ action: "notify", template: "all-clear" }, "Give the all-clear", "Each account gets a mail, once: it is over.", "ALL CLEAR"],
];

async function showOne(id, readOnly) {
  shown = id;
  const incident = await call("GET", `/api/admin/incidents/${id}`);
  $("incident").hidden = false;
  $("incident-name").textContent = incident.title;
  const { queued, sent, failed } = incident.mails;
  const buttons = actions.map(([body, name, meaning, word]) => button(id, name, body, meaning, word));
  const toggle = { action: "read_only", on: !readOnly };
  buttons.push(button(id, readOnly ? "Allow changes" : "Refuse changes", toggle, "", null));
  buttons.push(button(id, "Close incident", { action: "close" }, "", null));
  $("switches").replaceChildren(...(incident.closed_at ? [] : buttons));
  $("timeline").replaceChildren(...incident.timeline.map((row) => element("li", {
    textContent: `${time(row.at)}: ${told(row)}`,
  })));
  if (queued + sent + failed) {
    $("timeline").append(element("li", { textContent: `Mails: ${sent} sent, ${queued} waiting, ${failed} failed` }));
  }
}

function told(row) {
  const { action, phase, step, proved, reason, error } = row.detail;
  if (step) return `${step}: ${proved ? "proved" : "NOT proved"}`;
  const why = [reason, error].filter(Boolean).join("; ");
  return `${action ?? row.event}${phase ? `, ${phase}` : ""}${why ? ` (${why})` : ""}`;
}

function button(id, name, body, meaning, word) {
  const made = element("button", { type: "button", className: word ? "danger" : "quiet", textContent: name });
  made.addEventListener("click", async () => {
    if (word && !(await confirmWith(word, name, meaning))) return;
    await guard(async () => {
      await call("POST", `/api/admin/incidents/${id}/actions`, body);
      $("notice").textContent = `${name}: done.`;
      await show();
    });
  });
  return made;
}

function userRow(user) {
  const state = user.disabled_at ? "disabled" : user.must_reset_at ? "has to set a new password" : "";
  const text = [user.email, user.role === "admin" ? "administrator" : "", state].filter(Boolean).join(", ");
  const row = element("li", {}, element("span", { textContent: text }));
  const buttons = element("div", { className: "row" });
  const add = (name, what) => {
    const made = element("button", { type: "button", className: "quiet", textContent: name });
    made.setAttribute("aria-label", `${name}: ${user.email}`);
    made.addEventListener("click", () => guard(async () => {
      await call("POST", `/api/admin/users/${user.id}/${what}`, { reason: "from the page" });
      $("notice").textContent = `${name}, ${user.email}: done.`;
      await show();
    }));
    buttons.append(made);
  };
  add("Sign out", "revoke");
  add("Reset password", "force-reset");
  add(user.disabled_at ? "Enable" : "Disable", user.disabled_at ? "enable" : "disable");
  row.append(buttons);
  return row;
}

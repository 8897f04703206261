// The views, and who is signed in. Nothing is kept in local or session storage.

import { call, Refused } from "./api.js";
import { confirmWith, proveAgain } from "./dialogs.js";
import { $, element } from "./dom.js";
import * as gallery from "./gallery.js";
import * as incidents from "./incidents.js";

const views = { gallery: gallery.show, sessions: showSessions, account: showAccount, incidents: incidents.show };
/** Views for those who are not signed in. */
const outside = ["forgot", "reset"];
let me = null;
/** The token of a mail; only here, and no more in the address. */
let resetToken = null;

/** Why somebody has to sign in again, in words. */
const endings = {
  token_missing: "",
  session_revoked: "You were signed out of this session. Please sign in again.",
  session_expired: "Your session reached its end. Please sign in again.",
  session_idle_timeout: "You were away for a long time. Please sign in again.",
  refresh_reused: "Your session was used from two places, so it was ended to protect you. Please sign in again.",
  reauthentication_required: "For everybody's safety, please sign in again.",
};

const reasons = {
  credentials_changed: "Your password was changed elsewhere. Please sign in again.",
  terminated: "You ended this session from another one. Please sign in again.",
  logout: "You signed out. Please sign in again.",
  account_closed: "This account was closed.",
  reuse: "Your session was used from two places, so it was ended to protect you. Please sign in again.",
  security_incident: "For everybody's safety, all sessions were ended. Please sign in again.",
};

/** Runs an action; a lost session leads to the sign-in, and back here after. */
async function guard(action, again = true) {
  try {
    await action();
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (again && refused.code === "insufficient_user_authentication") {
      if (await proveAgain()) await guard(action, false);
    } else if (refused.status === 401) signInAgain(refused);
    else $("notice").textContent = refused.message;
  }
}

function signInAgain(refused) {
  const known = reasons[refused.reason] ?? endings[refused.code];
  const notice = me ? known || "You are signed out. Please sign in again." : known ?? "";
  if (me) tabs.postMessage({ notice });
  leave({ notice });
}

function leave({ notice, onPurpose }) {
  me = null;
  if (onPurpose) {
    // The next person at this tab sees nothing of this one.
    for (const form of ["sign-in", "change-password", "rename"]) $(form).reset();
    for (const list of ["uploads", "pictures", "sessions", "users", "incident-list", "timeline"]) $(list).replaceChildren();
  }
  $("notice").textContent = notice;
  render();
}

// The first tab that hears of it tells the others: its answer took the cookies
// away, so they could not find out why any more.
const tabs = new BroadcastChannel("rampart-session");
tabs.addEventListener("message", ({ data }) => { if (me) leave(data); });

function current() {
  const [name, query] = location.hash.slice(1).split("?");
  const token = new URLSearchParams(query ?? "").get("token");
  if (name === "reset" && token) {
    resetToken = token;
    history.replaceState(null, "", "#reset");
  }
  if (name === "reset" && resetToken) return name;
  if (!me) return name === "forgot" ? name : "sign-in";
  return Object.hasOwn(views, name) ? name : "gallery";
}

/** Shows the view that the address names, or the sign-in in its place. */
function render() {
  const name = current();
  const view = $(`view-${name}`);
  view.hidden = false;
  $("view").replaceChildren(view);
  $("nav").hidden = !me;
  for (const link of $("nav").querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("nav-incidents").hidden = me?.role !== "admin";
  if (!outside.includes(name) && me) guard(views[name]);
  else view.querySelector("input").focus();
}

async function signedIn() {
  me = await call("GET", "/api/me");
  render();
}

function onSubmit(form, problem, action) {
  form.addEventListener("submit", onClick(form, problem, action));
}

/** Runs a form's action once at a time, and shows its refusal in the form. */
function onClick(form, problem, action) {
  return async (event) => {
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    buttons.forEach((button) => { button.disabled = true; });
    $(problem).textContent = "";
    try {
      await action();
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      if (refused.code === "insufficient_user_authentication") {
        if (await proveAgain()) await guard(action, false);
      } else if (refused.status === 401 && me) signInAgain(refused);
      else $(problem).textContent = refused.message;
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
}

const credentials = () => ({ email: $("email").value, password: $("password").value });

onSubmit($("sign-in"), "sign-in-problem", async () => {
  await call("POST", "/api/auth/login", credentials());
  $("password").value = "";
  $("notice").textContent = "";
  await signedIn();
});

const register = onClick($("sign-in"), "sign-in-problem", async () => {
  await call("POST", "/api/auth/register", credentials());
  $("notice").textContent = "If the address was new, the account exists now. Sign in with it.";
});
$("register").addEventListener("click", (event) => $("sign-in").reportValidity() && register(event));

onSubmit($("forgot"), "forgot-problem", async () => {
  await call("POST", "/api/auth/password/forgot", { email: $("forgot-email").value });
  $("notice").textContent = "If there is such an account, a mail with a link is on its way.";
});

onSubmit($("reset"), "reset-problem", async () => {
  await call("POST", "/api/auth/password/reset", { token: resetToken, new_password: $("reset-password").value });
  $("reset").reset();
  resetToken = null;
  location.hash = "#gallery";
  leave({ notice: "The password is set. Sign in with it." });
});

$("close-account").addEventListener("click", async () => {
  const text = "Your pictures, your sessions and the account are removed.";
  if (!(await confirmWith("CLOSE", "Close the account?", text))) return;
  await guard(async () => {
    await call("DELETE", "/api/me");
    leave({ notice: "The account is closed.", onPurpose: true });
  });
});

$("sign-out").addEventListener("click", () => guard(() => signOut(false)));
$("sign-out-all").addEventListener("click", () => guard(() => signOut(true)));

async function signOut(all) {
  await call("POST", "/api/auth/logout", { all });
  const message = { notice: "You are signed out.", onPurpose: true };
  tabs.postMessage(message);
  leave(message);
}

async function showSessions() {
  const sessions = await call("GET", "/api/auth/sessions");
  $("sessions").replaceChildren(...sessions.map((session) => {
    const when = new Date(session.last_used_at * 1000).toLocaleString();
    const row = element("li", {}, element("span", {
      textContent: `${session.client}, ${session.address}, last used ${when}`,
    }));
    if (session.current) {
      row.setAttribute("aria-current", "true");
      row.append(element("strong", { textContent: "this session" }));
    } else {
      const end = element("button", { type: "button", className: "quiet", textContent: "End" });
      end.setAttribute("aria-label", `End ${session.client}`);
      end.addEventListener("click", () => guard(async () => {
        await call("DELETE", `/api/auth/sessions/${session.sid}`);
        await showSessions();
      }));
      row.append(end);
    }
    return row;
  }));
}

async function showAccount() {
  me = await call("GET", "/api/me");
  $("who").textContent = me.email;
  $("username").value = me.email;
  $("display-name").value = me.display_name;
}

onSubmit($("rename"), "account-problem", async () => {
  me = await call("PATCH", "/api/me", { display_name: $("display-name").value });
  $("notice").textContent = "The name is saved.";
});

onSubmit($("change-password"), "account-problem", async () => {
  await call("PUT", "/api/me/password", {
    current_password: $("current-password").value,
    new_password: $("new-password").value,
  });
  $("change-password").reset();
  $("notice").textContent = "The password is changed, and your other sessions are ended.";
});

window.addEventListener("hashchange", render);
guard(() => gallery.prepare(guard));
incidents.prepare(guard, onSubmit);
try {
  await signedIn();
} catch (refused) {
  if (!(refused instanceof Refused)) throw refused;
  if (refused.status === 401) signInAgain(refused);
  else $("notice").textContent = refused.message;
}
